"""Retries of single calls within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..config import RetryPolicy, Timeouts, seconds
from ..errors import DeadlineExceededError, SojournError
from . import faults

T = TypeVar("T")


async def with_retries(
    attempt: Callable[[float], Awaitable[T]],
    timeouts: Timeouts,
    policy: RetryPolicy,
    *,
    change: tuple[str, str] | None = None,
) -> T:
    """Call `attempt(timeout)` until it succeeds, fails for good, or the total deadline leaves no time.

    `change` is the session id and the idempotency key of a call that changes something: given up after an attempt that
    may have been successful, it raises OutcomeUnknownError instead of the last attempt's error.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds(timeouts.total)
    retries, doubtful = 0, False
    while True:
        remaining = deadline - loop.time()
        try:
            if remaining <= 0:
                raise DeadlineExceededError(f"no answer within {seconds(timeouts.total):g} s")
            return await attempt(min(seconds(timeouts.attempt), remaining))
        except SojournError as error:
            retries += 1
            doubtful = doubtful or (change is not None and remaining > 0 and faults.may_have_happened(error))
            wait = policy.delay(retries)
            if error.retry_after is not None:
                wait = max(wait, error.retry_after.total_seconds())
            if not faults.may_retry(error) or loop.time() + wait >= deadline:
                if doubtful and change is not None and faults.may_retry(error):
                    raise faults.outcome_unknown(error, *change) from error
                raise
            await asyncio.sleep(wait)
