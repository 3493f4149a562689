"""The projector: brings the catalog up to date with the active store.

Every step may be done twice, or by two workers at once, and may be killed anywhere: the catalog stores an event once,
and a session leaves the outbox only when the catalog has its last revision. Nothing is decided by what was read before:
the catalog asks for the sessions' standing while nobody else may write to their rows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

import structlog

from ..domain.cursor import SessionCursor
from ..domain.details import Detail
from ..domain.errors import NotFoundError, PositionError, SojournError
from ..domain.events import StoredEvent
from ..domain.session import Session, SessionKey, Tier
from ..ports import ActiveStore, EventPage, EventQuery
from ..ports.catalog import Catalog, Projection
from ..ports.outbox import Backlog, Outbox
from .recovery import Recovery

log = structlog.get_logger()

SHARD_LEASE_MS = 10_000
SESSIONS = 50
"""Sessions of a shard taken at a time, and sessions looked at in one go."""
TOGETHER = 8
"""Logs read at the same time: a page has a megabyte or so."""
EVENTS = 1_000
"""Events of a session stored at a time; with more of them it takes several looks."""
BATCH_SESSIONS, BATCH_EVENTS, BATCH_BYTES = 200, 2_000, 8 << 20
"""A transaction ends when it holds so much."""
MOST_ROUNDS = 100
"""Looks at a session that is deleted and made anew all the time."""
MOST_PAUSE = 30.0
REST, FAR_BEHIND = 3.0, 10.0
"""Calls come first: after each look the projector rests so many times as long as it took, unless the catalog is so many
seconds behind."""
ASIDE = 30.0
"""Seconds after which a session that could not be projected is tried again."""

_NOTHING = EventPage([], SessionCursor("", "", 0, 0), scanned=0, more=False)
"""Of a session that was deleted."""

DetailReader = Callable[[bytes], Sequence[Detail]]
"""What the catalog keeps of an event's body."""


class Projector:
    """Drains the outbox. Every worker runs one; shards are shared out by short leases, for economy only.

    Args:
        period: seconds between two looks when nothing more waits.
        recovery: None: sessions that the store has in another copy than the catalog are set aside.
    """

    def __init__(
        self, store: ActiveStore, outbox: Outbox, catalog: Catalog, read_details: DetailReader, worker: str, *,
        period: float, recovery: Recovery | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._outbox = outbox
        self._catalog = catalog
        self._read_details = read_details
        self._worker = worker
        self._period = period
        self._recovery = recovery
        self._task: asyncio.Task[None] | None = None
        self._aside: dict[SessionKey, float] = {}
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
            with suppress(SojournError):
                await self._outbox.leave(self._worker)

    async def drain(self, tenant: str) -> None:
        """Brings everything of a tenant that was acknowledged before this call into the catalog."""
        await self.project(await self._outbox.of_tenant(tenant))

    async def project(self, keys: Sequence[SessionKey]) -> None:
        """Brings these sessions into the catalog as they are when it looks at them, or later.

        Raises:
            CatalogUnavailableError, StoreUnavailableError: some are done and some are not.
            Exception: of a session that the catalog does not take, when all others are done.
        """
        failures = await self._bring(keys)
        if failures:
            raise next(iter(failures.values()))

    async def _bring(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Exception]:
        """Returns what the catalog does not take, and why."""
        if self._recovery:
            await self._recovery.certain()
        failures: dict[SessionKey, Exception] = {}
        for _ in range(MOST_ROUNDS):
            work = _Work(failures)
            waiting = list(keys)
            while waiting:
                part, waiting = waiting[:SESSIONS], waiting[SESSIONS:]
                waiting += await self._look(part, work)
            await self._store_batch(work)
            if not work.again:
                break
            keys = work.again
        return failures

    async def _look(self, keys: Sequence[SessionKey], work: _Work) -> list[SessionKey]:
        """Reads what the catalog lacks of these sessions, and stores it when it is enough; returns those that have
        more."""
        known = await self._catalog.revisions(keys)  # before the heads: so these are never older
        heads, gone = await self._heads(keys)
        await self._forget(gone, work)
        found: list[_Found] = []
        for key, session in heads.items():
            one = _Found(key, session)
            if key in known and known[key].uid == session.uid:
                one.known, one.known_us = known[key].revision, known[key].commit_us
                one.came_back = known[key].tier is not Tier.HOT
            work.aim(one)
            found.append(one)
        more: list[SessionKey] = []
        for begin in range(0, len(found), TOGETHER):
            part = found[begin : begin + TOGETHER]
            for one, page in zip(part, await asyncio.gather(*map(self._page, part)), strict=True):
                if page is None:
                    await self._diverged(one, work)
                    continue
                if page.head.uid != one.session.uid:  # deleted since its head was read
                    work.again.append(one.key)
                    continue
                self._cut(one, page)
                work.items.append(one)
                if one.session.revision < work.targets[one.key][1]:
                    more.append(one.key)
            if work.full:
                await self._store_batch(work)
        if more:  # the next look must find what this one brought
            await self._store_batch(work)
        return [key for key in more if key not in work.failures]

    async def _heads(self, keys: Sequence[SessionKey]) -> tuple[dict[SessionKey, Session], list[SessionKey]]:
        found: dict[SessionKey, Session] = {}
        gone: list[SessionKey] = []
        for key, result in zip(keys, await self._store.get_many(keys, full=False), strict=True):
            if isinstance(result, Session):
                found[key] = result
            elif isinstance(result, NotFoundError):
                gone.append(key)
            else:
                raise result
        return found, gone

    async def _page(self, one: _Found) -> EventPage | None:
        """The next events that the catalog lacks; None when the store does not have what the catalog has."""
        query = EventQuery(before=one.session.revision + 1, count=EVENTS)
        if one.known > one.session.revision:
            return None
        # A cursor shows that the store's events are those that the catalog goes on from.
        last = SessionCursor(one.session.uid, one.session.incarnation, one.known, one.known_us)
        try:
            try:
                return await self._store.events(one.key, replace(query, after=last))
            except PositionError as error:
                if error.reason == "HISTORY_ROLLED_BACK":
                    return None
                # The log begins later, see `_cut`; or the session is another one.
                return await self._store.events(one.key, query)
        except NotFoundError:
            return _NOTHING

    async def _diverged(self, one: _Found, work: _Work) -> None:
        """The store was put back to an older copy, or failed over to one, and may have gone on from there. What the
        catalog has is not to be mixed with that, or undone by it."""
        log.error(
            "the store lost events that the catalog has",
            **_names(one.key), store=one.session.revision, catalog=one.known,
        )  # fmt: skip
        if self._recovery and await self._recovery.diverged(one.key, one.session):
            work.again.append(one.key)
        else:
            await self._set_aside(one.key)

    def _cut(self, one: _Found, page: EventPage) -> None:
        """What of a page is stored."""
        one.events = [event for event in page.events if event.revision > one.known]
        oldest = one.events[0].revision if one.events else one.session.revision + 1
        if oldest > one.known + 1:
            log.error("events are missing in the catalog for ever", **_names(one.key), after=one.known, before=oldest)
        if page.more and one.events:
            # As far as anybody can see the row is that of the last event stored: it never runs ahead of the events.
            one.session.revision = one.events[-1].revision

    async def _store_batch(self, work: _Work) -> None:
        """Stores what was read. A session that was written to meanwhile stays in the outbox."""
        items, work.items = work.items, []
        new = [one for one in items if one.session.revision > one.known or one.came_back]
        if new:
            try:
                projections = await asyncio.to_thread(self._projections, new)
                left_out = await self._catalog.project(projections, self._outbox.standings)
            except SojournError:
                raise
            except Exception as error:
                await self._failed(items, error, work)
                return
            work.again += left_out
            items = [one for one in items if one.key not in left_out]
        settled = await asyncio.gather(
            *(self._outbox.projected(one.key, one.session.uid, one.session.revision) for one in items)
        )
        work.again += [one.key for one, done in zip(items, settled, strict=True) if not done]

    def _projections(self, found: Sequence[_Found]) -> list[Projection]:
        """In a thread: taking events apart takes a while, and calls are served meanwhile."""
        return [
            Projection(one.key.tenant, one.session, one.events, [self._details(one.key, event) for event in one.events])
            for one in found
        ]

    def _details(self, key: SessionKey, event: StoredEvent) -> Sequence[Detail]:
        try:
            return self._read_details(event.body)
        except Exception:  # the event is kept whole; only what people look for in it is not found
            log.exception("an event is not understood", **_names(key), revision=event.revision)
            return ()

    async def _failed(self, items: list[_Found], error: Exception, work: _Work) -> None:
        """The catalog does not take something of these: the others must not wait for it."""
        if len(items) > 1:
            for one in items:
                await self._store_batch(_Work(work.failures, items=[one], again=work.again))
            return
        key = items[0].key
        log.error("a session cannot be brought into the catalog", **_names(key), exc_info=error)
        work.failures[key] = error
        await self._set_aside(key)

    async def _set_aside(self, key: SessionKey) -> None:
        self._aside[key] = monotonic() + ASIDE
        await self._outbox.postpone(key)

    async def _forget(self, keys: Sequence[SessionKey], work: _Work) -> None:
        """These sessions are not in the store. Only those that were deleted are forgotten."""
        if not keys:
            return
        standings = dict(zip(keys, await self._outbox.standings(keys), strict=True))
        await self._catalog.forget([key for key, one in standings.items() if one.deleted], self._outbox.standings)
        settled = await asyncio.gather(*(self._outbox.forgotten(key, one.deleted) for key, one in standings.items()))
        work.again += [key for key, done in zip(standings, settled, strict=True) if not done]

    async def _run(self) -> None:
        pause = self._period
        while True:
            try:
                began = monotonic()
                keys, self.backlog = await self._outbox.take(self._worker, lease_ms=SHARD_LEASE_MS, count=SESSIONS)
                await self._bring(self._due(keys))
                pause = 0.0 if self.backlog.sessions > len(keys) else self._period
                if self.backlog.seconds < FAR_BEHIND:
                    pause = max(pause, min((monotonic() - began) * REST, FAR_BEHIND))
            except SojournError as error:
                pause = min(max(pause, self._period) * 2, MOST_PAUSE)
                log.warning("the catalog falls behind", reason=error.reason, error=error.message, retry_in=pause)
            except Exception:
                pause = max(self._period, 1.0)
                log.exception("the projector failed")
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))

    def _due(self, keys: Sequence[SessionKey]) -> list[SessionKey]:
        now = monotonic()
        self._aside = {key: until for key, until in self._aside.items() if until > now}
        return [key for key in keys if key not in self._aside]


@dataclass(slots=True)
class _Found:
    """A session, and how far the catalog has it."""

    key: SessionKey
    session: Session
    known: int = 0
    known_us: int = 0
    came_back: bool = False
    """The catalog takes it for one of another tier."""
    events: Sequence[StoredEvent] = ()


@dataclass(slots=True)
class _Work:
    """What is being brought into the catalog."""

    failures: dict[SessionKey, Exception]
    items: list[_Found] = field(default_factory=list)
    """Of the next transaction."""
    again: list[SessionKey] = field(default_factory=list)
    """Something happened to these meanwhile."""
    targets: dict[SessionKey, tuple[str, int]] = field(default_factory=dict)
    """Uid and revision at the first look: nobody runs after a session that is written to all the time."""

    def aim(self, one: _Found) -> None:
        """Sets a target, unless it is set."""
        uid = one.session.uid
        if self.targets.get(one.key, ("", 0))[0] != uid:
            self.targets[one.key] = uid, one.session.revision

    @property
    def full(self) -> bool:
        """Whether it is enough for a transaction."""
        events = [event for one in self.items for event in one.events]
        return (
            len(self.items) >= BATCH_SESSIONS
            or len(events) >= BATCH_EVENTS
            or sum(len(event.body) for event in events) >= BATCH_BYTES
        )


def _names(key: SessionKey) -> dict[str, str]:
    return {"tenant": key.tenant, "session": key.session_id}
