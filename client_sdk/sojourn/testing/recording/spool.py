"""The spool of a run: a file with one JSON document a line, written by the run, read by couriers.

Each run has a directory of its own:

- `events.jsonl`: the spool. Line 0 is the header, every other one a change: `started`, `step`, `finished`. It is
  removed when everything in it was delivered. A courier holds a lock (`flock`) on it.
- `refused.jsonl`: a spool that the server will never take.
- `state.json`: how far its courier is, see `state`.
- `known.json`: what the session held before, for a run that goes on with one.
- `log`: what the courier wrote to its standard error.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .places import EVENTS, remove_run, run_directories
from .writers import Writer

_LAST_LINE_BYTES = 64 << 10
_WRITER_PAUSE = 1.0
"""Seconds between two looks whether the writer lives."""
_REFUSED = "refused.jsonl"

# Kept here because tests replace them.
_open, _write, _fstat, _close = os.open, os.write, os.fstat, os.close
_encode = json.JSONEncoder(separators=(",", ":")).encode
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class SpoolWriter:
    """Writes the spool of this process's run. Raises OSError when the file cannot be written."""

    def __init__(self, directory: Path, header: Mapping[str, Any]) -> None:
        self.directory = directory
        self.lines = 0
        """Lines written, the header aside."""
        self.size = 0
        """Bytes written."""
        self._path = os.path.abspath(directory / EVENTS)
        self._fd = _open(self._path, _FLAGS | os.O_EXCL, 0o600)
        about = _fstat(self._fd)
        self._identity = about.st_dev, about.st_ino
        self._append({**header, **Writer.this_process().model()})

    def write(self, change: Mapping[str, Any]) -> None:
        """Append a change."""
        self._append(change)
        self.lines += 1

    def close(self) -> None:
        """Write no more. Safe to repeat."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._is_ours(fd):
            _close(fd)

    def remove(self) -> None:
        """Remove the run's directory: there is nothing to deliver."""
        self.close()
        remove_run(self.directory)

    def _append(self, document: Mapping[str, Any]) -> None:
        data = _encode(document).encode() + b"\n"
        if not self._is_ours(self._fd):
            self._fd = _open(self._path, _FLAGS & ~os.O_CREAT)
        self.size += len(data)
        while data:
            data = data[_write(self._fd, data) :]

    def _is_ours(self, fd: int) -> bool:
        # Some test closes every descriptor it can find, and another then opens a file with our number.
        try:
            about = _fstat(fd)
        except OSError:
            return False
        return (about.st_dev, about.st_ino) == self._identity


class Spool:
    """A spool as its courier reads it. Raises OSError when it cannot be read, ValueError when it has no header."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = (directory / EVENTS).open("rb")
        try:
            line = self._file.readline()
            self.header: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
            if not self.header.get("session"):
                raise ValueError(f"{directory / EVENTS} has no header")
        except BaseException:
            self._file.close()
            raise
        self.writer = Writer.of(self.header)
        self._first = self._file.tell()
        self._looked_at = 0, False
        self._is_over, self._look_again = False, 0.0
        self.position = 0
        """Number of the line read last; the header has 0."""

    @property
    def session_id(self) -> str:
        return str(self.header["session"])

    @property
    def recording(self) -> str:
        """Tells the run from every other."""
        return str(self.header["recording"])

    def lock(self) -> bool:
        """Whether this process is the spool's courier now: nobody else is. Ends with `close` or the process."""
        try:
            import fcntl
        except ImportError:
            return True
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return (self.directory / EVENTS).exists()

    def take(self, max_lines: int, max_bytes: int) -> list[tuple[int, dict[str, Any]]]:
        """The next changes with their line numbers: what is there, at least one if there is any."""
        taken: list[tuple[int, dict[str, Any]]] = []
        size = 0
        while len(taken) < max_lines and size < max_bytes:
            start = self._file.tell()
            line = self._file.readline()
            if not line.endswith(b"\n") or (taken and size + len(line) > max_bytes):
                self._file.seek(start)
                break
            self.position += 1
            size += len(line)
            try:
                taken.append((self.position, json.loads(line)))
            except ValueError:
                continue  # torn: the disk was full
        return taken

    def seek(self, position: int) -> None:
        """Read on after this line."""
        self._file.seek(self._first)
        for _ in range(position):
            self._file.readline()
        self.position = position

    @property
    def is_empty(self) -> bool:
        """Whether it holds no changes."""
        return os.fstat(self._file.fileno()).st_size <= self._first

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end and said so."""
        size = os.fstat(self._file.fileno()).st_size
        if size != self._looked_at[0]:
            self._looked_at = size, self._ends_well(size)
        return self._looked_at[1]

    def _ends_well(self, size: int) -> bool:
        start = self._file.tell()
        try:
            self._file.seek(max(self._first, size - _LAST_LINE_BYTES))
            end = self._file.read()
        finally:
            self._file.seek(start)
        return end.endswith(b"\n") and end[:-1].rsplit(b"\n", 1)[-1].startswith(b'{"k":"finished"')

    @property
    def is_discarded(self) -> bool:
        """Whether it was removed meanwhile."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def is_over(self) -> bool:
        """Whether nothing will be added any more. Told up to a second late of a run that was killed."""
        if not self._is_over and time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + _WRITER_PAUSE
            self._is_over = not self.writer.lives()
        return self._is_over or self.is_finished

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        self._file.close()

    def set_aside(self) -> None:
        """It can never be delivered: keep it where no courier looks."""
        (self.directory / EVENTS).replace(self.directory / _REFUSED)

    def remove(self) -> None:
        """Everything is delivered."""
        (self.directory / EVENTS).unlink(missing_ok=True)
        self.close()


def is_left_behind(spool: Spool, *, other_host_quiet: float = 600.0) -> bool:
    """Whether the spool's run is over, or gone, so that somebody else may deliver it."""
    if spool.header.get("host") != socket.gethostname() and not spool.is_finished:
        # Its process cannot be seen from here.
        return time.time() - os.stat(spool.directory / EVENTS).st_mtime > other_host_quiet
    return spool.is_over()


def steps_of(base: Path, session_id: str) -> dict[str, tuple[str, int]]:
    """Status and run of the steps that undelivered spools hold for the session, by name."""
    steps: dict[str, tuple[str, int]] = {}
    for directory in run_directories(base):
        try:
            spool = Spool(directory)
        except (OSError, ValueError):
            continue
        try:
            if spool.session_id == session_id:
                while taken := spool.take(1000, 1 << 20):
                    for _, change in taken:
                        if change.get("k") == "step":
                            steps[change["name"]] = change["status"], change["run"]
        finally:
            spool.close()
    return steps
