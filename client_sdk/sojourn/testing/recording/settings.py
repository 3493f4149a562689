"""Options of a recorded run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .texts import label

if TYPE_CHECKING:
    from collections.abc import Sequence

_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@+=-]{0,127}").fullmatch
_TAGS = 64
_MOST_OUTPUT = 512 << 10  # half of what servers take of a value


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line, the environment and the configuration file say.

    Raises pytest.UsageError when it is wrong.
    """

    session_id: str | None
    target: str | None
    option: str
    """What commands need to find the target: empty when they find it, too."""
    base: Path
    """Where spools are, and the data of a server of the project's own."""
    project: str
    tags: list[str]
    baseline: str | None
    output_limit: int
    """Most bytes of captured output for each test."""
    wait: float
    """Seconds to wait for the server: at the beginning for what a session holds, at the end for the delivery."""

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        session_id, baseline = config.getoption("sojourn_session"), config.getoption("sojourn_baseline")
        for option, given in (("--sojourn-session", session_id), ("--sojourn-baseline", baseline)):
            if given is not None and not _SESSION_ID(given):
                expected = "1 to 128 letters, digits and . _ ~ @ + = - that begin with a letter or digit"
                raise pytest.UsageError(f"{option}: {given!r} cannot be a session's id; expected {expected}")
        target = (
            config.getoption("sojourn_target") or os.environ.get("SOJOURN_TARGET") or config.getini("sojourn_target")
        )
        everywhere = not target or target == os.environ.get("SOJOURN_TARGET")
        return cls(
            session_id=session_id,
            option="" if everywhere else f" --target {target}",
            target=str(target) if target else None,
            base=Path(os.path.abspath(config.rootpath / str(config.getini("sojourn_dir")))),
            project=label(str(config.getini("sojourn_project")) or config.rootpath.name),
            tags=_tags([*config.getini("sojourn_tags"), *(config.getoption("sojourn_tag") or ())]),
            baseline=baseline,
            output_limit=min(int(_number(config, "sojourn_output_limit")), _MOST_OUTPUT),
            wait=_number(config, "sojourn_wait"),
        )


def _tags(given: Sequence[str]) -> list[str]:
    tags = list(dict.fromkeys(given))
    if len(tags) > _TAGS or any(not tag or len(tag.encode(errors="replace")) > 64 or label(tag) != tag for tag in tags):
        raise pytest.UsageError(f"--sojourn-tag: at most {_TAGS} tags of 1 to 64 bytes without control characters")
    return tags


def _number(config: pytest.Config, name: str) -> float:
    text = str(config.getini(name))
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1 << 20:
        raise pytest.UsageError(f"{name}: {text!r} is no number from 0 to 1,048,575")
    return number
