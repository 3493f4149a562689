"""Calling what users wrote: in the event loop, or in the run's own thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from types import TracebackType
from typing import Any

from .context import QAContext
from .workflow import Function


class Caller:
    """Calls functions: `async def` ones in the event loop, plain ones in threads of the run's own."""

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads: ThreadPoolExecutor | None = None

    async def call(self, function: Function, context: QAContext, timeout: float | None = None) -> Any:
        """Call it; what it returns. Raises TimeoutError when it is `async def` and takes longer than `timeout`."""
        if not _is_async(function):
            result = await self.in_thread(function, context)
            return await result if inspect.isawaitable(result) else result
        try:
            async with asyncio.timeout(timeout) as limit:
                return await function(context)
        except TimeoutError:
            if limit.expired():
                raise TimeoutError(f"took longer than {timeout:g} s") from None
            raise

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a plain function in the run's thread, which is the same each time unless there are several."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="sojourn-qa")
        # Writes made there belong to the run, too.
        call = functools.partial(contextvars.copy_context().run, _called, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def setup(self, function: Function, context: QAContext) -> AbstractAsyncContextManager[Any]:
        """What a workflow sets up, to be entered. Raises TypeError for what sets nothing up."""
        if inspect.isasyncgenfunction(function):
            return asynccontextmanager(function)(context)
        if inspect.isgeneratorfunction(function):
            return _InThread(self, contextmanager(function)(context))
        made = function(context)
        if isinstance(made, AbstractAsyncContextManager):
            return made
        if isinstance(made, AbstractContextManager):
            return _InThread(self, made)
        raise TypeError("a setup is a generator function with one yield, or returns a context manager")

    def close(self) -> None:
        """Let go of the threads. One that still works ends when it is done."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class _InThread(AbstractAsyncContextManager[Any]):
    """A plain context manager, entered and left in the run's thread."""

    def __init__(self, caller: Caller, made: AbstractContextManager[Any]) -> None:
        self._caller = caller
        self._made = made

    async def __aenter__(self) -> Any:
        return await self._caller.in_thread(self._made.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._caller.in_thread(self._made.__exit__, None, None, None)


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except StopIteration as error:
        # No future can hold it: who waits would wait for ever.
        raise RuntimeError("raised StopIteration") from error


def _is_async(function: Function) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object that is called like a function
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
