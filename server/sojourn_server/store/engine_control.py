"""Talking to an engine from outside: a plain connection, the request to end, the lock that shows that it lives."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

POLL: Final = 0.02
"""Seconds between two looks at something that has no event of its own."""


def engine_client(path: Path, *, timeout: float = 2.0) -> Redis:
    """A plain connection to the socket: no retries, timeout in seconds for every call."""
    return Redis(
        unix_socket_path=os.fspath(path),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=1,
    )


async def request_shutdown(socket: Path) -> None:
    """Asks the engine to end; that it cannot be asked is no error here."""
    with contextlib.suppress(RedisError, OSError):
        async with engine_client(socket) as client:
            # NOSAVE is about RDB files, of which there are none; the append-only file is flushed all the same.
            await client.execute_command("SHUTDOWN", "NOSAVE")


async def lock_engine(path: Path, *, timeout: float) -> int | None:
    """Takes the lock that a running engine holds; waits up to timeout seconds for one that is ending.

    Returns the locked descriptor, or None when an engine still holds it. Better than asking whether a process id lives:
    true across containers, and not misled by a reused number or an unreaped process.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return None
            await asyncio.sleep(POLL)
    except BaseException:
        os.close(fd)
        raise
