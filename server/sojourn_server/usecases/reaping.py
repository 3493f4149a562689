"""What the clock does: leases that run out, queue timeouts, sessions whose time is over."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial

import structlog

from ..domain.errors import SojournError
from ..domain.session import SessionKey, SessionStatus
from ..ports import Lifecycle, Overdue
from .admission import Admission

log = structlog.get_logger()

Step = Callable[[], Awaitable[bool]]
AT_ONCE = 64
"""Items handled at a time."""
LEAST_LEASE_MS = 1_000
MOST_PAUSE = 10.0


class Reaper:
    """Looks after the clock of the shards it gets; every worker runs one.

    Nothing here is decided by this machine's clock, and nothing is remembered from one look to the next: each step is
    a script that checks its condition by the store's clock again. So two workers may believe that a shard is theirs,
    and one that was stopped for an hour may simply go on.
    """

    def __init__(
        self, lifecycle: Lifecycle, admission: Admission, worker: str, *, period: float, expire_as: SessionStatus
    ) -> None:
        self._lifecycle = lifecycle
        self._admission = admission
        self._worker = worker
        self._period = period
        self._expire_as = expire_as
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="reaper")

    async def close(self) -> None:
        """Stops looking; its shards go to other workers when their leases are over."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def reap(self) -> bool:
        """Looks once; whether there may be more."""
        lease_ms = max(int(self._period * 1500), LEAST_LEASE_MS)
        found = await self._lifecycle.overdue(self._worker, lease_ms=lease_ms)
        done: Counter[str] = Counter()
        failed: list[SojournError] = []
        limit = asyncio.Semaphore(AT_ONCE)

        async def handle(what: str, step: Step) -> None:
            async with limit:
                try:
                    done[what] += await step()
                except SojournError as error:
                    failed.append(error)

        await asyncio.gather(*(handle(what, step) for what, step in self._steps(found)))
        if done.total():
            log.info("reaped", **{what: count for what, count in done.items() if count})
        if failed:
            log.warning("reaping failed", items=len(failed), reason=failed[0].reason, error=failed[0].message)
        return any(one.more for one in found) and not failed

    def _steps(self, found: Iterable[Overdue]) -> Iterable[tuple[str, Step]]:
        for overdue in found:
            yield from (("lost", partial(self._admission.lose, key)) for key in overdue.requests)
            yield from (("timed_out", partial(self._admission.time_out, key)) for key in overdue.waits)
            yield from (("slots", partial(self._admission.reclaim, path, key)) for path, key in overdue.slots)
            yield from (("expired", partial(self._expire, key)) for key in overdue.sessions)

    async def _expire(self, key: SessionKey) -> bool:
        return await self._lifecycle.expire(key, self._expire_as)

    async def _run(self) -> None:
        pause = self._period
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))
            try:
                more = await self.reap()
                pause = 0.05 if more else self._period
            except SojournError as error:
                pause = min(max(pause, self._period) * 2, max(MOST_PAUSE, self._period))
                log.debug("the reaper waits for the store", error=error.message)
            except Exception:
                pause = max(MOST_PAUSE, self._period)
                log.exception("the reaper failed")
