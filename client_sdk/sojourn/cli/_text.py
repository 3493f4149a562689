"""Text for terminals and pipes: what sessions hold is printed, never interpreted."""

from __future__ import annotations

import errno
import json
import re
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_PLAIN_WIDTH = 10_000


@cache
def console() -> Console:
    """Standard output: coloured and as wide as a terminal, elsewhere plain and as wide as what is printed."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            # Rich would raise SystemExit, which tears an event loop apart when a task does it.
            raise BrokenPipeError(errno.EPIPE, "standard output was closed")

    out = Output(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = _PLAIN_WIDTH
    return out


def clean(text: str) -> str:
    """The text with control characters made visible: a session's content must not drive the reader's terminal."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text.replace("\r\n", "\n"))


def flat(text: str) -> str:
    """The text on one line, with single blanks."""
    return clean(_SPACE.sub(" ", text))


def one_line(text: str, width: int = 100) -> str:
    """The text on one line, cut to `width` characters."""
    line = flat(text).strip()
    return line if len(line) <= width else f"{line[: width - 1]}…"


def compact(value: Any) -> str:
    """A JSON value on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)


def counted(number: int, noun: str) -> str:
    """`1 session`, `2,000 sessions`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clock(time: datetime | None) -> str:
    """The time of day, to the millisecond, in the reader's time zone."""
    return f"{time.astimezone():%H:%M:%S}.{time.microsecond // 1000:03d}" if time else "--:--:--.---"


def stamp(time: datetime | None) -> str:
    """Date and time in the reader's time zone; empty without one."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


def spent(duration: timedelta) -> str:
    """A duration for people: `0.42 s`, `3 min 20 s`, `2 h 5 min`."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def briefly(duration: timedelta) -> str:
    """A duration in its largest unit, for columns: `42 s`, `3 min`, `2 h`, `5 d`; never less than nothing."""
    seconds = max(0, int(duration.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def tell_lag(lag: timedelta | None) -> None:
    """Says on standard error that something may be missing, when it is worth saying."""
    if lag is not None and lag >= timedelta(seconds=1):
        click.secho(f"what was committed in the last {spent(lag)} may be missing", fg="yellow", err=True)
