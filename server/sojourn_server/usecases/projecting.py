"""The projector: brings the catalog up to date with the active store.

Every step may be done twice, or by two workers at once, and may be killed anywhere: the catalog stores by (session uid,
revision), and a session leaves the outbox only when the catalog has its last revision.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from ..domain.details import Detail
from ..domain.errors import NotFoundError, SojournError
from ..domain.session import Session, SessionKey
from ..ports import ActiveStore, EventQuery
from ..ports.catalog import Catalog, Projection
from ..ports.outbox import Backlog, Outbox

log = structlog.get_logger()

SHARD_LEASE_MS = 10_000
SESSIONS = 50
"""Sessions of a shard taken at a time."""
EVENTS = 1_000
"""Events of a session stored at a time; with more of them it takes several rounds."""
BATCH_EVENTS, BATCH_BYTES = 2_000, 8 << 20
"""A transaction ends when it holds so much."""
MOST_PAUSE = 30.0

DetailReader = Callable[[bytes], Sequence[Detail]]
"""What the catalog keeps of an event's body."""


class Projector:
    """Drains the outbox. Every worker runs one; shards are shared out by short leases.

    Args:
        period: seconds between two looks when there was nothing to do.
    """

    def __init__(
        self, store: ActiveStore, outbox: Outbox, catalog: Catalog, read_details: DetailReader, worker: str, *,
        period: float,
    ) -> None:  # fmt: skip
        self._store = store
        self._outbox = outbox
        self._catalog = catalog
        self._read_details = read_details
        self._worker = worker
        self._period = period
        self._task: asyncio.Task[None] | None = None
        self.backlog = Backlog()
        """As it was at the last look, in the shards of this worker."""

    def start(self) -> None:
        """Begins to drain."""
        self._task = asyncio.create_task(self._run(), name="projector")

    async def close(self) -> None:
        """Stops; what was not finished is done by other workers, or at the next start."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def drain(self, tenant: str) -> None:
        """Brings everything of a tenant that was acknowledged before this call into the catalog."""
        await self.project(await self._outbox.of_tenant(tenant))

    async def project(self, keys: Sequence[SessionKey]) -> bool:
        """Brings these sessions up to date; whether all of them are."""
        again: list[SessionKey] = list(keys)
        for _ in range(1000):
            if not again:
                return True
            again = await self._round(again)
        return False

    async def _round(self, keys: Sequence[SessionKey]) -> list[SessionKey]:
        """One step for each session; returns those that have more."""
        found: dict[SessionKey, Session] = {}
        gone: list[SessionKey] = []
        for begin in range(0, len(keys), SESSIONS):
            part = keys[begin : begin + SESSIONS]
            for key, result in zip(part, await self._store.get_many(part, full=False), strict=True):
                if isinstance(result, Session):
                    found[key] = result
                elif isinstance(result, NotFoundError):
                    gone.append(key)
                else:
                    raise result
        again = await self._forget(gone)
        known = await self._catalog.revisions([session.uid for session in found.values()])
        batch = _Batch()
        for key, session in found.items():
            try:
                projection, complete = await self._read(key, session, known.get(session.uid, 0))
            except NotFoundError:  # deleted since its head was read
                again.append(key)
                continue
            batch.add(key, projection)
            if not complete:
                again.append(key)
            if batch.full:
                await self._store_batch(batch)
                batch = _Batch()
        await self._store_batch(batch)
        return again

    async def _read(self, key: SessionKey, session: Session, known: int) -> tuple[Projection, bool]:
        """What the catalog lacks of a session, and whether that is all up to the head that was read."""
        query = EventQuery(after=known, before=session.revision + 1, count=EVENTS)
        page = await self._store.events(key, query)
        details = [self._read_details(event.body) for event in page.events]
        if page.more and page.events:
            # The row is that of the last event stored, as far as anybody can see: it never runs ahead of the events.
            session.revision = page.events[-1].revision
        return Projection(key.tenant, session, page.events, details), not page.more

    async def _store_batch(self, batch: _Batch) -> None:
        """Stores what was read. A session that was written to meanwhile stays in the outbox."""
        if batch.items:
            await self._catalog.project([projection for _, projection in batch.items])
            await asyncio.gather(
                *(self._outbox.projected(key, p.session.uid, p.session.revision) for key, p in batch.items)
            )

    async def _forget(self, keys: list[SessionKey]) -> list[SessionKey]:
        if not keys:
            return []
        await self._catalog.forget(keys)
        settled = await asyncio.gather(*map(self._outbox.forgotten, keys))
        return [key for key, done in zip(keys, settled, strict=True) if not done]

    async def _run(self) -> None:
        pause = self._period
        while True:
            try:
                keys, self.backlog = await self._outbox.take(self._worker, lease_ms=SHARD_LEASE_MS, count=SESSIONS)
                if keys:
                    await self.project(keys)
                pause = 0.0 if keys else self._period
            except SojournError as error:
                pause = min(max(pause, self._period) * 2, MOST_PAUSE)
                log.warning("the catalog falls behind", reason=error.reason, error=error.message, retry_in=pause)
            except Exception:
                pause = MOST_PAUSE
                log.exception("the projector failed")
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))


class _Batch:
    """What is stored in one transaction."""

    def __init__(self) -> None:
        self.items: list[tuple[SessionKey, Projection]] = []
        self._events = 0
        self._bytes = 0

    def add(self, key: SessionKey, projection: Projection) -> None:
        self.items.append((key, projection))
        self._events += len(projection.events)
        self._bytes += sum(len(event.body) for event in projection.events)

    @property
    def full(self) -> bool:
        return self._events >= BATCH_EVENTS or self._bytes >= BATCH_BYTES
