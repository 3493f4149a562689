"""Starting a courier, and waiting for it a little."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .state import State, read_known

_PAUSE = 0.01
_AWAY_SECONDS = 0.5
"""How long a run waits for the last attempt to deliver to a server that is away."""
_NOT_FOR_COURIERS = (
    "COV_CORE_",
    "COVERAGE_",
    "PYTHONASYNCIODEBUG",
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONMALLOC",
    "PYTHONOPTIMIZE",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONSTARTUP",
    "PYTHONTRACEMALLOC",
    "PYTHONWARNINGS",
)
"""Beginnings of variables that are meant for the program under test."""

# Kept here because tests replace them.
_monotonic, _sleep = time.monotonic, time.sleep


class CourierProcess:
    """The courier of this process's run. Raises OSError when it cannot be started."""

    def __init__(self, directory: Path, base: Path, working_directory: Path) -> None:
        self._directory = directory
        package = Path(__file__).resolve().parents[2]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_COURIERS)}
        environment.setdefault("GRPC_VERBOSITY", "NONE")
        with open(directory / "log", "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(package / "testing/recording/courier.py"), directory, base, package.parent],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=working_directory,
                env=environment,
                start_new_session=True,  # an interrupt from the terminal is for the tests
            )

    def detached(self) -> None:
        """Wait until the courier is no child of this process any more: a few hundredths of a second after its start."""
        self._process.wait()

    def state(self) -> dict[str, Any]:
        """What it tells of itself; see `State`."""
        return State.read(self._directory)

    def known(self, patience: float) -> dict[str, tuple[str, int]] | None:
        """Steps that the session had before the run; None when they cannot be told within so many seconds."""

        def over(state: dict[str, Any]) -> bool:
            return read_known(self._directory) is not None or state.get("phase") == "away" or _died(state)

        self._wait(over, patience)
        return read_known(self._directory)

    def outcome(self, patience: float) -> dict[str, Any]:
        """Its last state, or the one after so many seconds."""
        deadline = _monotonic() + min(patience, _AWAY_SECONDS)

        def over(state: dict[str, Any]) -> bool:
            away = state.get("phase") == "away" and _monotonic() >= deadline
            return bool(state.get("final")) or away or _died(state)

        with suppress(KeyboardInterrupt):  # somebody does not want to wait
            self._wait(over, patience)
        state = self.state()
        return {**state, "phase": "away", "text": "its courier was killed"} if _died(state) else state

    def _wait(self, over: Callable[[dict[str, Any]], bool], patience: float) -> None:
        deadline = _monotonic() + patience
        while not over(self.state()) and _monotonic() < deadline:
            _sleep(_PAUSE)


def _died(state: dict[str, Any]) -> bool:
    """Whether the courier is gone without having said so."""
    if state.get("final") or not state.get("pid"):
        return False
    try:
        os.kill(state["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
