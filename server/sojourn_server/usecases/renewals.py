"""Renewing the leases of all tracked streams of a worker together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from ..domain.errors import OutcomeUnknownError, StoreUnavailableError
from ..ports import RequestStore
from .background import Background
from .tracked import Tracked

log = structlog.get_logger()

GATHER_SHARE, MOST_GATHERED_SECONDS = 1 / 6, 2.5
"""How long heartbeats are gathered: half of what a client that keeps to a third of its lease has in reserve, and no
more than such a long time. The more leases of a shard come together, the fewer calls of the store."""
AGAIN_SECONDS = 0.5
"""After how long a renewal that the store did not answer is tried again."""
MOST = 2_000
"""Leases renewed with one call of the store."""


class Renewals:
    """Gathers heartbeats and renews their leases with one call.

    Nothing is decided by this machine's clock: the store does not renew a lease that has run out, however late the
    call comes.
    """

    def __init__(self, requests: RequestStore, background: Background, on_lost: Callable[[Tracked], None]) -> None:
        self._requests = requests
        self._background = background
        self._on_lost = on_lost
        self._due: set[Tracked] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._flush_at = 0.0

    def add(self, tracked: Tracked) -> None:
        """Its client was heard."""
        self._due.add(tracked)
        loop = asyncio.get_running_loop()
        at = loop.time() + min(tracked.request.lease_ms / 1000 * GATHER_SHARE, MOST_GATHERED_SECONDS)
        if self._timer is None or at < self._flush_at:
            if self._timer:
                self._timer.cancel()
            self._timer, self._flush_at = loop.call_at(at, self.flush), at

    def flush(self) -> None:
        """Renews what was gathered now."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = [tracked for tracked in self._due if tracked.live]
        self._due.clear()
        for begin in range(0, len(due), MOST):
            self._background.spawn(self._renew(due[begin : begin + MOST]), "renew")

    async def _renew(self, part: Sequence[Tracked]) -> None:
        try:
            deadlines = await self._requests.renew([tracked.request for tracked in part])
        except (StoreUnavailableError, OutcomeUnknownError) as error:
            if len(part) > 1:
                # One node of a cluster that is away must not keep the answers of the others.
                await asyncio.gather(*(self._renew([tracked]) for tracked in part))
                return
            log.debug("a lease is renewed later", error=error.message)
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._again, part[0])
            return
        for tracked, deadline in zip(part, deadlines, strict=True):
            if deadline is not None:
                tracked.renewed(deadline)
            elif tracked.live:
                self._on_lost(tracked)

    def _again(self, tracked: Tracked) -> None:
        if tracked.live:
            self.add(tracked)
