"""Watching one session, or all that match a filter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import cast

from ..domain.changes import ChangeKind, kind_mask
from ..domain.cursor import SessionCursor, ShardCursor
from ..domain.errors import DrainingError, LimitExceededError, PositionError, SojournError
from ..domain.events import StoredEvent
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, ArchivedSession, DeletedSession, Hub, ShardTap, Tap
from .losses import Losses
from .presence import Presence

STATUS = kind_mask([ChangeKind.STATUS_CHANGED])
AWAY = ("STORE_UNAVAILABLE", "CATALOG_UNAVAILABLE", "BLOBS_UNAVAILABLE")
"""What a watch that is live waits for."""
EARLY = 0.05
"""Seconds a progress marker may be early: more than the slack of any tap's timer, or waiting for the rest would
spin."""
MATCH_AGAIN = kind_mask([ChangeKind.SESSION_CREATED, ChangeKind.INFO_UPDATED, ChangeKind.STATUS_CHANGED])
"""Events after which a session may match a filter that it did not match before, or the other way round."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything up to the cursor was delivered or dropped by the filter."""

    cursor: SessionCursor | ShardCursor
    revision: int = 0


@dataclass(frozen=True, slots=True)
class GoingAway:
    """This worker shuts down; resuming at the cursor misses nothing."""

    cursor: SessionCursor | ShardCursor


Departure = DeletedSession | ArchivedSession
Message = Session | list[StoredEvent] | Progress | Departure | GoingAway


@dataclass(frozen=True, slots=True)
class WatchQuery:
    """How to watch. `after` None means from now on; `mask` 0 means every kind; `interval` in seconds."""

    after: int | SessionCursor | None = None
    snapshot: bool = False
    mask: int = 0
    until_ended: bool = False
    interval: float = 10.0


@dataclass(frozen=True, slots=True)
class TenantWatchQuery:
    """How to watch many sessions."""

    wanted: SessionFilter
    after: ShardCursor | None = None
    snapshot: bool = False
    mask: int = 0
    interval: float = 10.0


class Watching:
    """Watches; each yields messages until it ends. Errors are those of the Hub port, and the limit
    `watches_per_worker`.

    Args:
        store: sessions of every tier.
        losses: is told what watchers had seen of lost history.
    """

    def __init__(
        self, store: ActiveStore, hub: Hub, presence: Presence, *, max_watches: int, losses: Losses | None = None
    ) -> None:
        self._store = store
        self._hub = hub
        self._presence = presence
        self._losses = losses
        self._max_watches = max_watches
        self._watches = 0

    async def session(self, key: SessionKey, query: WatchQuery) -> AsyncGenerator[Message]:
        """The messages of a watch of one session."""
        after = query.after
        if query.snapshot:
            session = await self._store.get(key, full=True)
            after = SessionCursor(session.uid, session.incarnation, session.revision, session.updated_us)
            yield session
        async with self._at_session(key, after) as (cursor, tap):
            yield Progress(cursor, cursor.revision)
            if query.until_ended and await self._has_ended(key, cursor):
                return
            pace, last, ending = _Pace(query.interval), _Last(cursor), False
            try:
                while True:
                    events, departure = _split(await _next(tap, pace))
                    if events:
                        last.event = events[-1]
                        kept = events if not query.mask else [e for e in events if e.mask & query.mask]
                        if kept:
                            yield kept
                    if departure:
                        yield departure
                        return
                    # What was committed right after the end may come later than the event that ended the session.
                    ending = ending or any(e.mask & STATUS for e in events)
                    if query.until_ended and ending and events and await self._has_ended(key, last.cursor):
                        return
                    if pace.due():
                        yield Progress(last.cursor, last.cursor.revision)
            except DrainingError:
                yield GoingAway(last.cursor)
            except PositionError as error:
                if error.reason == "SLOW_CONSUMER":
                    error.metadata.update(session_id=key.session_id, cursor=last.cursor.encode())
                self._notice(error, key, last.cursor)
                raise

    async def tenant(self, tenant: str, query: TenantWatchQuery) -> AsyncGenerator[Message]:
        """The messages of a watch of a tenant's sessions."""
        matcher = _Matcher(self._store, tenant, query.wanted)
        async with self._at_tenant(tenant, query.after) as tap:
            if query.snapshot:
                async for session in self._snapshots(tenant, query.wanted):
                    matcher.learn(session)
                    yield session
            yield Progress(tap.cursor)
            pace = _Pace(query.interval)
            try:
                while True:
                    for message in await matcher.keep(await _next(tap, pace), query.mask):
                        yield message
                    if pace.due():
                        yield Progress(tap.cursor)
            except DrainingError:
                yield GoingAway(tap.cursor)
            except PositionError as error:
                if error.reason == "SLOW_CONSUMER":
                    error.metadata.update(cursor=tap.cursor.encode())
                raise

    @asynccontextmanager
    async def _at_session(
        self, key: SessionKey, after: int | SessionCursor | None
    ) -> AsyncIterator[tuple[SessionCursor, Tap]]:
        with self._place(), self._presence.at(key):
            try:
                async with self._hub.session(key, after) as opened:
                    yield opened
            except PositionError as error:
                self._notice(error, key, after)
                raise

    def _notice(self, error: PositionError, key: SessionKey, seen: int | SessionCursor | None) -> None:
        """What a watcher had seen may be lost."""
        if self._losses and error.reason == "HISTORY_ROLLED_BACK" and isinstance(seen, SessionCursor):
            self._losses.noticed(key, seen)

    @asynccontextmanager
    async def _at_tenant(self, tenant: str, after: ShardCursor | None) -> AsyncIterator[ShardTap]:
        with self._place():
            async with self._hub.tenant(tenant, after) as tap:
                yield tap

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._watches >= self._max_watches:
            raise LimitExceededError("watches_per_worker", self._max_watches)
        self._watches += 1
        try:
            yield
        finally:
            self._watches -= 1

    async def _has_ended(self, key: SessionKey, delivered: SessionCursor) -> bool:
        """Whether the session has ended and everything up to its head was delivered."""
        session = await self._store.get(key, full=False)
        return session.status is not SessionStatus.ACTIVE and session.revision <= delivered.revision

    async def _snapshots(self, tenant: str, wanted: SessionFilter) -> AsyncIterator[Session]:
        after: tuple[int, str] | None = None
        while True:
            places = await self._store.newest(tenant, after=after, count=200)
            keys = [SessionKey(tenant, session_id) for _, session_id in places]
            for session in await self._store.get_many(keys, full=False):
                if isinstance(session, Session) and wanted.matches(session):
                    yield session
            if len(places) < 200:
                return
            after = places[-1]


class _Last:
    """How far a watch is; its cursor is made only when somebody asks."""

    def __init__(self, begin: SessionCursor) -> None:
        self._begin = begin
        self.event: StoredEvent | None = None

    @property
    def cursor(self) -> SessionCursor:
        return self.event.cursor if self.event else self._begin


class _Pace:
    """When the next progress marker is due."""

    def __init__(self, interval: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._interval = interval
        self._next = self._clock() + interval

    def left(self) -> float:
        return max(self._next - self._clock(), 0.0)

    def due(self) -> bool:
        now = self._clock()
        if now < self._next - EARLY:
            return False
        self._next = now + self._interval
        return True


async def _next(tap: Tap, pace: _Pace) -> list[StoredEvent | Departure]:
    """What the tap gives; nothing when a progress marker is due. Where events are read from may be away for a moment:
    that is waited for."""
    try:
        return await tap.next(pace.left())
    except SojournError as error:
        if error.reason not in AWAY:
            raise
        await asyncio.sleep(min(pace.left(), 0.2))
        return []


def _split(items: list[StoredEvent | Departure]) -> tuple[list[StoredEvent], Departure | None]:
    """The events, and the departure that may be the last item of a session's flow."""
    if items and isinstance(items[-1], Departure):
        return cast(list[StoredEvent], items[:-1]), items[-1]
    return cast(list[StoredEvent], items), None


class _Matcher:
    """Which sessions of a flow match a filter, as they are at their events."""

    def __init__(self, store: ActiveStore, tenant: str, wanted: SessionFilter) -> None:
        self._store = store
        self._tenant = tenant
        self._wanted = wanted
        self._everything = wanted == SessionFilter()
        self._matched: dict[str, bool] = {}
        self._snapshots: dict[str, int] = {}

    def learn(self, session: Session) -> None:
        """The session was delivered as a snapshot: its events up to there are known."""
        self._matched[session.id] = True
        self._snapshots[session.id] = session.revision

    async def keep(self, items: list[StoredEvent | Departure], mask: int) -> list[list[StoredEvent] | Departure]:
        """The items of matching sessions, as messages in their order."""
        messages: list[list[StoredEvent] | Departure] = []
        now = {} if self._everything else await self._match_again(items)
        for item in items:
            if not self._keeps(item, now):
                continue
            if isinstance(item, Departure):
                messages.append(item)
            elif not mask or item.mask & mask:
                if messages and isinstance(messages[-1], list):
                    messages[-1].append(item)
                else:
                    messages.append([item])
        return messages

    def _keeps(self, item: StoredEvent | Departure, now: dict[str, bool]) -> bool:
        sid = item.session_id
        before = self._everything or self._matched.get(sid, False)
        if isinstance(item, Departure):
            self._matched.pop(sid, None)
            self._snapshots.pop(sid, None)
            return before
        if item.revision <= self._snapshots.get(sid, 0):
            return False
        if item.mask & MATCH_AGAIN and sid in now:
            self._matched[sid] = now[sid]
            return before or now[sid]
        return before or now.get(sid, False)

    async def _match_again(self, items: list[StoredEvent | Departure]) -> dict[str, bool]:
        """Reads the heads of sessions that are new here or may have changed what the filter asks for."""
        unknown = dict.fromkeys(
            item.session_id
            for item in items
            if isinstance(item, StoredEvent) and (item.mask & MATCH_AGAIN or item.session_id not in self._matched)
        )
        keys = [SessionKey(self._tenant, session_id) for session_id in unknown]
        found: dict[str, bool] = {}
        for key, session in zip(keys, await self._store.get_many(keys, full=False), strict=True):
            if isinstance(session, Session):
                found[key.session_id] = self._wanted.matches(session)
                self._matched.setdefault(key.session_id, found[key.session_id])
            elif session.reason not in ("SESSION_NOT_FOUND", "SESSION_DELETED"):
                raise session  # whether it matches is not known: the watch is resumed before these events
        return found
