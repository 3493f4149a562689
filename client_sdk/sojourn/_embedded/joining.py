"""Becoming a user of a data directory's server: join the one that runs, else start it.

Written as generators that yield the seconds to wait before going on, so that blocking and asynchronous callers share
it. Closing one gives up whatever it had begun.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from .._serving import COMMAND, environment
from ..errors import SojournError
from .place import Place, has_reader, open_for_writing, unread

_PAUSE = 0.02
_LOOPBACK = "127.0.0.1"
_SERVER_NEEDS = ("structlog", "pydantic_settings", "redis", "sqlalchemy", "obstore", "grpc_health")

Steps = Generator[float, None, None]


class EmbeddedServerError(SojournError, RuntimeError):
    """There is no embedded server to be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Use:
    """A server in use: it lives at least until the descriptor is closed."""

    fd: int
    target: str
    pid: int


def using(place: Place, settings: Mapping[str, object], timeout: float) -> Generator[float, None, Use]:
    """Use the place's server, which serves then. Raises EmbeddedServerError."""
    deadline = time.monotonic() + timeout
    try:
        import fcntl

        place.make()
        lock_fd = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except (ImportError, AttributeError):
        raise EmbeddedServerError("embedded servers need a Unix system; start one and set SOJOURN_TARGET") from None
    except OSError as error:
        raise EmbeddedServerError(f"the data directory {place.data_dir} cannot be used: {error.strerror}") from error
    try:
        while True:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                yield from _pause(deadline, f"somebody else starts a server in {place.data_dir} and does not get on")
        return (yield from _joined(place, deadline)) or (yield from _started(place, settings, deadline))
    finally:
        os.close(lock_fd)


def _joined(place: Place, deadline: float) -> Generator[float, None, Use | None]:
    """Use the server that runs; None when there is none (any more)."""
    while (fd := open_for_writing(place.users)) is not None:
        kept = False
        try:
            yield from _heard(place, fd, deadline)
            while has_reader(fd) and not unread(fd):
                if (told := place.told()) is not None:
                    kept = True
                    return Use(fd, *told)
                yield from _pause(deadline, f"the server of {place.data_dir} does not begin to serve")
        finally:
            if not kept:
                os.close(fd)
        # It was just ending: now it is gone, and we may look again.
    return None


def _heard(place: Place, fd: int, deadline: float) -> Steps:
    """Returns once the server knows of this user, or is gone.

    A server whose last user went has seen the end of the FIFO and ends; it would not see that it has a user again. But
    then it does not read any more either. So what we write is read exactly by a server that goes on.
    """
    try:
        os.write(fd, b"\n")
    except BrokenPipeError:
        return
    while unread(fd) and has_reader(fd):
        yield from _pause(deadline, f"the server of {place.data_dir} neither answers nor ends")


def _started(place: Place, settings: Mapping[str, object], deadline: float) -> Generator[float, None, Use]:
    missing = [name for name in _SERVER_NEEDS if find_spec(name) is None]
    if missing:
        raise EmbeddedServerError(
            f"no server runs and none can be started, for it is not installed ({missing[0]} is missing): "
            "pip install 'sojourn[server]', or set SOJOURN_TARGET to a server that runs"
        )
    again = _address_before(place)
    if again is not None and "listen" not in settings:
        # Those who used a server that was killed find the new one where they look for it.
        use = yield from _run(place, {"listen": again, **settings}, deadline)
        if isinstance(use, Use):
            return use
    use = yield from _run(place, {"listen": f"{_LOOPBACK}:0", **settings}, deadline)
    if isinstance(use, Use):
        return use
    raise EmbeddedServerError(f"the server of {place.data_dir} ended at its start; its log:\n{use}")


def _run(place: Place, settings: Mapping[str, object], deadline: float) -> Generator[float, None, Use | str]:
    """A new server; the log of one that ended instead of serving."""
    place.ready.unlink(missing_ok=True)
    log_start = place.log_size()
    fd, process = _spawn(place, {"grace_seconds": 1, **settings, "data_dir": place.data_dir})
    kept = False
    try:
        while (told := place.told()) is None:
            if process.poll() is not None:
                return place.log_since(log_start)
            if time.monotonic() >= deadline:
                process.kill()
                log = place.log_since(log_start)
                raise EmbeddedServerError(f"the server of {place.data_dir} did not start in time; its log:\n{log}")
            yield _PAUSE
        kept = True
        return Use(fd, *told)
    finally:
        # Somebody has to ask how it ended, or it stays in the process table.
        threading.Thread(target=process.wait, name="sojourn-embedded-server", daemon=True).start()
        if not kept:
            os.close(fd)


def _spawn(place: Place, settings: Mapping[str, object]) -> tuple[int, subprocess.Popen[bytes]]:
    """A user's descriptor and the new process, which reads at its other end."""
    # Without a writer a FIFO opens for reading only like this; without a reader it does not open for writing.
    reader = os.open(place.users, os.O_RDONLY | os.O_NONBLOCK)
    fd = os.open(place.users, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.set_blocking(reader, True)
        log = place.open_log()
        try:
            process = subprocess.Popen(
                COMMAND,
                stdin=reader,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(settings, ready_file=place.ready),
                # Its own session: it outlives us when others use it, and an interrupt from our terminal is for us.
                start_new_session=True,
            )
        finally:
            os.close(log)
    except BaseException as error:
        os.close(fd)
        if isinstance(error, OSError):
            raise EmbeddedServerError(f"the server cannot be started: {error.strerror}") from error
        raise
    finally:
        os.close(reader)
    return fd, process


def _address_before(place: Place) -> str | None:
    """Where the last server listened, if that is free."""
    if (told := place.told()) is None:
        return None
    host, _, port = told[0].rpartition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (OSError, ValueError):
        return None
    return told[0]


def _pause(deadline: float, message: str) -> Steps:
    if time.monotonic() >= deadline:
        raise EmbeddedServerError(message)
    yield _PAUSE
