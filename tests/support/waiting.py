"""Waiting for something to become true, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def wait_until(
    predicate: Callable[[], Any | Awaitable[Any]], *, timeout: float = 10.0, description: str = ""
) -> Any:
    """Asks the predicate (plain or async) again and again, and returns its first true answer.

    timeout: seconds; then AssertionError, with the description and the last answer. The predicate's errors pass.
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() >= deadline:
            what = description or getattr(predicate, "__qualname__", repr(predicate))
            raise AssertionError(f"not within {timeout:g} s: {what} (last answer: {answer!r})")
        await asyncio.sleep(pause)
        pause = min(0.05, pause * 1.5)
