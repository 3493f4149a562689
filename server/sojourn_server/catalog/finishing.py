"""Calls that are finished whatever becomes of their callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Finishing:
    """The calls under way. SQLite's driver works in a thread: a caller that is cancelled stops waiting for a statement,
    not the statement, and its connection would keep a lock that nobody gives back. So such a call goes on without its
    caller. PostgreSQL's driver cancels what runs at the server.

    Args:
        needed: whether calls are finished; otherwise they end with their callers.
    """

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of `work`."""
        if not self._needed:
            return await work
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for the calls whose callers are gone."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: nobody else may be there to do so


class HasFinishing(Protocol):
    """Whose calls are finished."""

    @property
    def finishing(self) -> Finishing:
        """Its calls under way."""
        ...


S = TypeVar("S", bound=HasFinishing)


def finished(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Makes a method's calls finish."""

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.finishing.run(method(self, *args, **kwargs))

    return call
