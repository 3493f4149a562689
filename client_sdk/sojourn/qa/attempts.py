"""Calling what users wrote: in the event loop, or in the run's own thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import traceback
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
from .logs import shortened
from .workflow import Function

_OURS = __package__
_MOST_TRACEBACK = 32_000
"""Characters."""


def is_end(error: BaseException) -> bool:
    """Whether it ends the run, and is no failure of what was called."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def text_of(error: BaseException) -> str:
    """The error in a line."""
    return shortened(": ".join(filter(None, (type(error).__name__, str(error)))), 8_000)


def trace_of(error: BaseException) -> str:
    """The error's traceback, from what was called on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_globals.get("__package__") == _OURS:
        trace = trace.tb_next
    return shortened("".join(traceback.format_exception(type(error), error, trace)), _MOST_TRACEBACK)


class Caller:
    """Calls functions: `async def` ones in the event loop, plain ones in threads of the run's own."""

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads: ThreadPoolExecutor | None = None

    async def call(self, function: Function, context: QAContext, timeout: float | None = None) -> Any:
        """Call it; what it returns. Raises TimeoutError after `timeout` seconds."""
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
        """What a workflow sets up, to be entered."""
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
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
