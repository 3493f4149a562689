"""Where a shared server and its users meet: a few files in its data directory."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 16 << 20
"""Bytes; a log that has grown beyond it is set aside as `log.1` before the next start."""
_LOG_TAIL = 8_000


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one data directory's shared server, in `<data_dir>/shared`.

    - `users`: a FIFO that every user holds open for writing and that is the server's standard input. So the server
      hears of the end of its last user, however that ended, and the FIFO has a reader exactly while the server lives.
    - `lock`: held while somebody joins or starts.
    - `ready.json`: where the server serves and its process id; removed before the next start.
    - `log`: what the server writes.
    """

    data_dir: Path
    """Absolute."""

    @classmethod
    def of(cls, data_dir: str | os.PathLike[str]) -> Place:
        """The place of a data directory; it need not exist."""
        return cls(Path(os.path.abspath(Path(data_dir).expanduser())))

    @property
    def _directory(self) -> Path:
        return self.data_dir / "shared"

    @property
    def users(self) -> Path:
        return self._directory / "users"

    @property
    def lock(self) -> Path:
        return self._directory / "lock"

    @property
    def ready(self) -> Path:
        return self._directory / "ready.json"

    @property
    def log(self) -> Path:
        return self._directory / "log"

    def make(self) -> None:
        """Make what is absent, for this user alone. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.users, 0o600)

    def open_log(self) -> int:
        """A descriptor to append to the log. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_name("log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def log_size(self) -> int:
        """Bytes in the log; 0 when there is none."""
        try:
            return self.log.stat().st_size
        except FileNotFoundError:
            return 0

    def log_since(self, start: int) -> str:
        """The end of what was written to the log from byte `start` on."""
        try:
            with self.log.open("rb") as log:
                log.seek(start)
                return log.read().decode(errors="replace")[-_LOG_TAIL:]
        except OSError:
            return ""

    def told(self) -> tuple[str, int] | None:
        """Target and process id of the server that last served here; None when it does not serve yet."""
        try:
            document = json.loads(self.ready.read_text())
            return str(document["target"]), int(document["pid"])
        except (OSError, ValueError, KeyError):
            return None


def open_for_writing(users: Path) -> int | None:
    """A descriptor that makes this process a user; None when no server reads. Raises OSError."""
    try:
        return os.open(users, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return None
        raise


def has_reader(fd: int) -> bool:
    """Whether the server at the other end of a user's descriptor still lives."""
    poll = select.poll()
    poll.register(fd, 0)
    return not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def unread(fd: int) -> bool:
    """Whether something that was written to the FIFO was not yet read."""
    import fcntl
    import termios

    answer = bytearray(4)
    fcntl.ioctl(fd, termios.FIONREAD, answer)
    return any(answer)
