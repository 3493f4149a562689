"""The data directory: private to one user, used by one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from .engine_errors import DataDirError, DataDirLockedError, Holder

LOCK_NAME = "lock"


class DataDir:
    """A data directory this process holds, from `open` to `close`.

    The lock is the kernel's (`flock`), so it ends with the process however that dies; the file's content only says
    who holds it. The file stays when the lock is given back: removing it would let two processes lock two different
    files of that name.
    """

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        """Absolute path of the directory."""
        self._lock_fd: int | None = lock_fd

    @classmethod
    def open(cls, path: Path, *, listen: str | None = None) -> DataDir:
        """Creates the directory (mode 0700) if it is absent, and takes its lock.

        listen: the address to show to whoever finds the directory locked.
        Raises DataDirLockedError when another process holds it, DataDirError when it cannot be used.
        """
        path = Path(os.path.abspath(path.expanduser()))
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not inheritable (Python's default): a child that outlives us must not hold our lock.
            lock_fd = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirError(f"the data directory {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_holder(lock_fd, listen)
        except BlockingIOError:
            holder = _read_holder(lock_fd)
            os.close(lock_fd)
            raise DataDirLockedError(str(path), holder) from None
        except OSError as error:
            os.close(lock_fd)
            raise DataDirError(f"the data directory {path} cannot be locked: {error.strerror}") from error
        return cls(path, lock_fd)

    def set_listen(self, listen: str) -> None:
        """Tells the address served, once it is known (a port of 0 is chosen late). Does nothing after `close`."""
        if self._lock_fd is not None:
            _write_holder(self._lock_fd, listen)

    def close(self) -> None:
        """Gives the lock back. Does nothing the second time."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _write_holder(fd: int, listen: str | None) -> None:
    holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), listen)
    content = json.dumps(asdict(holder)).encode() + b"\n"
    # Written over the old text first and cut afterwards, so that a reader never finds the file empty.
    os.pwrite(fd, content, 0)
    os.ftruncate(fd, len(content))


def _read_holder(fd: int) -> Holder | None:
    """The holder in the file; None when it is being written just now."""
    try:
        # The first line only: the end of a longer former text may still be there.
        return Holder(**json.loads(os.pread(fd, 4096, 0).split(b"\n", 1)[0]))
    except (ValueError, TypeError):
        return None
