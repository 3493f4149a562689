"""The log of a session: what tests say, live in the session and in a file of the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..enums import LogLevel

MOST_CHARACTERS = 64_000
"""Of a line; longer ones lose their middle."""

_MOST_LINES = 200
_MOST_IN_A_WRITE = 128_000
"""Characters; the rest of the write's room is for what comes with the lines."""

_parent = logging.getLogger("sojourn.qa")


class Line(NamedTuple):
    """A line of the log."""

    level: LogLevel
    text: str


class SessionLogger(logging.Logger):
    """The logger of a node: what it is told is in the session's log at once, under the node's name.

        context.log("signed in")
        context.log.warning("slow: %.1f s", seconds)

    Whoever listens to the logger `sojourn.qa` hears it, too. Threads may use it.
    """

    def __init__(self, name: str, node: str = "", handlers: Iterable[logging.Handler] = ()) -> None:
        super().__init__(name, logging.DEBUG)
        self.parent = _parent
        self.handlers = list(handlers)
        self.addFilter(_Named(node))

    def __call__(self, message: object, *arguments: object, level: int = logging.INFO) -> None:
        """Add a line; `arguments` are put into the message as with `logging`."""
        self.log(level, message, *arguments, stacklevel=2)


class _Named(logging.Filter):
    def __init__(self, node: str) -> None:
        super().__init__()
        self._prefix = f"{node}: " if node else ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.prefix = self._prefix
        return True


class Sink(logging.Handler):
    """Collects lines for whoever writes them to the session. Belongs to the running event loop; any thread may log."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(prefix)s%(message)s"))
        self._loop = asyncio.get_running_loop()
        self._lines: list[Line] = []
        self.waiting = asyncio.Event()
        """Whether there are lines to take."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add the record, in order with what other threads do in the loop."""
        line = Line(_level(record.levelno), shortened(self.format(record)))
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._add(line)
        else:
            with suppress(RuntimeError):  # the loop has ended, and the run with it
                self._loop.call_soon_threadsafe(self._add, line)

    def take(self) -> list[Line]:
        """The oldest lines that nobody took yet, no more than a write has room for."""
        taken, room = 0, _MOST_IN_A_WRITE
        for line in self._lines[:_MOST_LINES]:
            room -= len(line.text)
            if room < 0 and taken:
                break
            taken += 1
        lines, self._lines = self._lines[:taken], self._lines[taken:]
        if not self._lines:
            self.waiting.clear()
        return lines

    def put_back(self, lines: list[Line]) -> None:
        """Lines that were taken could not be written."""
        self._lines = lines + self._lines
        if self._lines:
            self.waiting.set()

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        self.waiting.set()


def file_handler(path: Path) -> logging.Handler:
    """Writes to a new file."""
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(prefix)s%(message)s"))
    return handler


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, without its middle when it is too long."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out]\n{text[-half:]}"


def _level(number: int) -> LogLevel:
    if number >= logging.ERROR:
        return LogLevel.ERROR
    if number >= logging.WARNING:
        return LogLevel.WARNING
    return LogLevel.INFO if number >= logging.INFO else LogLevel.DEBUG
