"""How far a courier is, told through a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_STATE = "state.json"
_KNOWN = "known.json"


class State:
    """Written by the courier, read by the run.

    - phase: `starting`, `connected`, `away` (it could not deliver), `delivered`, or `refused` (it never will).
    - text: why it is away or was refused.
    - final: the courier has ended or is about to, with this.
    - target: where it delivers to.
    - embedded: whether that is the project's own server, which ends with the courier.
    - delivered: number of the last line that was.
    - previous: session of the project's run before.
    - caught_up: sessions of earlier runs that it delivered.
    - comparison: what differs from the baseline, lines of text.
    - dropped: how many steps the server refused.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _STATE
        self.values: dict[str, Any] = {"phase": "starting", "pid": os.getpid()}

    def set(self, **values: Any) -> None:
        """Change what is told. A directory that is gone is no error: nobody wants to know."""
        if all(self.values.get(name) == value for name, value in values.items()):
            return
        self.values |= values
        _replace(self._path, self.values)

    @staticmethod
    def read(directory: Path) -> dict[str, Any]:
        """What the courier told last; empty before the first time."""
        return _read(directory / _STATE)


def write_known(directory: Path, steps: Mapping[str, tuple[str, int]]) -> None:
    """Tell status and run of the steps that the session has, by name."""
    _replace(directory / _KNOWN, steps)


def read_known(directory: Path) -> dict[str, tuple[str, int]] | None:
    """What `write_known` told; None before."""
    if not (directory / _KNOWN).exists():
        return None
    return {name: (str(status), int(run)) for name, (status, run) in _read(directory / _KNOWN).items()}


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".new")
    try:
        beside.write_text(json.dumps(document))
        os.replace(beside, path)
    except OSError:
        pass


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
