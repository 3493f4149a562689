"""A durable server of one's own, shared by all who use its data directory.

    async with sojourn.embedded.server("results/memory") as target, sojourn.Client(target) as client:
        ...

The first who asks starts it, others join, however many processes they are. It ends by itself when the last of them is
gone, even if they were killed; what it holds stays in the directory. Needs `pip install 'sojourn[server]'` and a Unix.

Tools that work with or without a server of the user's take the one that `resolve` finds.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

from ._embedded.joining import EmbeddedServerError, Use, using
from ._embedded.place import Place, has_reader, open_for_writing
from ._transport.answering import answers
from .client import DEFAULT_TARGET, TARGET_VARIABLE

__all__ = ["EmbeddedServer", "EmbeddedServerError", "find", "resolve", "resolve_blocking", "server"]

DataDir = str | os.PathLike[str]

_ANSWER_SECONDS = 0.25


class EmbeddedServer:
    """A use of a data directory's server, for code without an event loop: from `start` to `stop`, or as a block.

    Threads may share one. A process that is forked counts as another user until it ends or executes another program.

    Args:
        data_dir: made when absent. One server runs for it, whoever asks.
        settings: settings of the server by their names, for example `log_level="debug"`; they are those of whoever
            starts it. The caller's SOJOURN_* variables do not reach it.
    """

    def __init__(self, data_dir: DataDir, **settings: object) -> None:
        self._place = Place.of(data_dir)
        self._settings = settings
        self._use: Use | None = None
        self._stops = 0
        self._lock = threading.Lock()

    @property
    def target(self) -> str:
        """Where it serves; empty before `start` and after `stop`."""
        return self._use.target if self._use else ""

    @property
    def pid(self) -> int | None:
        """Process id of the server; None before `start` and after `stop`."""
        return self._use.pid if self._use else None

    def start(self, timeout: float = 30.0) -> str:
        """Join the server or start it; its target. Done again, it also revives a server that has died.

        timeout: seconds it may take. Raises EmbeddedServerError, with the server's log when it did not start.
        """
        steps, stops = using(self._place, self._settings, timeout), self._stops
        try:
            while True:
                time.sleep(next(steps))
                self._unless_stopped(stops)
        except StopIteration as done:
            return self._take(done.value, stops)
        finally:
            steps.close()

    def stop(self) -> None:
        """Use it no more. Returns at once; the server ends a little later when nobody else uses it. Safe to repeat."""
        with self._lock:
            self._stops += 1
            before, self._use = self._use, None
        if before is not None:
            os.close(before.fd)

    async def _start(self, timeout: float) -> str:
        steps, stops = using(self._place, self._settings, timeout), self._stops
        try:
            while True:
                await asyncio.sleep(next(steps))
                self._unless_stopped(stops)
        except StopIteration as done:
            return self._take(done.value, stops)
        finally:
            steps.close()

    def _take(self, use: Use, stops: int) -> str:
        with self._lock:
            stopped = self._stops != stops
            before, self._use = (use, self._use) if stopped else (self._use, use)
        if before is not None:
            os.close(before.fd)
        if stopped:
            self._unless_stopped(stops)
        return use.target

    def _unless_stopped(self, stops: int) -> None:
        if self._stops != stops:
            raise EmbeddedServerError("it was stopped while it started")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@asynccontextmanager
async def server(data_dir: DataDir, *, timeout: float = 30.0, **settings: object) -> AsyncIterator[str]:
    """Use the server of `data_dir` during the block; its target. Arguments and errors as of `EmbeddedServer`."""
    used = EmbeddedServer(data_dir, **settings)
    try:
        yield await used._start(timeout)
    finally:
        used.stop()


def find(data_dir: DataDir) -> str | None:
    """Target of the server that runs for `data_dir`, without becoming its user; None when there is none that serves."""
    place = Place.of(data_dir)
    try:
        fd = open_for_writing(place.users)
    except (OSError, AttributeError):  # not ours to use; not a Unix
        return None
    if fd is None:
        return None
    try:
        told = place.told()
        return told[0] if told and has_reader(fd) else None
    finally:
        os.close(fd)


@asynccontextmanager
async def resolve(
    target: str | None = None, *, data_dir: DataDir, timeout: float = 30.0, **settings: object
) -> AsyncIterator[str]:
    """The server to use during the block: the first there is of

    1. `target`,
    2. the environment's SOJOURN_TARGET,
    3. the one that answers at `localhost:7431`,
    4. the embedded one of `data_dir`, which is used, and therefore runs, during the block.

    timeout, settings: of the embedded one. Raises EmbeddedServerError.
    """
    chosen = target or os.environ.get(TARGET_VARIABLE) or await asyncio.to_thread(_local)
    if chosen:
        yield chosen
        return
    async with server(data_dir, timeout=timeout, **settings) as embedded:
        yield embedded


@contextmanager
def resolve_blocking(
    target: str | None = None, *, data_dir: DataDir, timeout: float = 30.0, **settings: object
) -> Iterator[str]:
    """`resolve` for code without an event loop."""
    chosen = target or os.environ.get(TARGET_VARIABLE) or _local()
    if chosen:
        yield chosen
        return
    used = EmbeddedServer(data_dir, **settings)
    try:
        yield used.start(timeout)
    finally:
        used.stop()


def _local() -> str | None:
    return DEFAULT_TARGET if answers(DEFAULT_TARGET, within=_ANSWER_SECONDS) else None
