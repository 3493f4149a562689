"""Work that outlives the calls that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from ..domain.errors import SojournError

log = structlog.get_logger()

T = TypeVar("T")


class Background:
    """Tasks owned by the worker, not by a call: gRPC cancels a call's task when its caller goes away, and half of a
    step would leave slots that nobody gives back. A drain waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Begins work whose result somebody waits for."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Does work to its end even if the caller is cancelled meanwhile; returns its result."""
        return await asyncio.shield(self.start(work, name))

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        """Begins work that nobody waits for; its errors are logged."""
        self.start(_logged(work, name), name)

    async def wait(self) -> None:
        """Waits until nothing is left, what is begun meanwhile included."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self, patience: float) -> None:
        """Waits up to `patience` seconds, then gives up what is left."""
        try:
            async with asyncio.timeout(patience):
                await self.wait()
        except TimeoutError:
            log.warning("background work given up", tasks=sorted(task.get_name() for task in self._tasks))
            for task in set(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _logged(work: Coroutine[Any, Any, object], name: str) -> None:
    try:
        await work
    except SojournError as error:
        log.warning("background work failed", work=name, reason=error.reason, error=error.message)
    except Exception:
        log.exception("background work failed", work=name)
