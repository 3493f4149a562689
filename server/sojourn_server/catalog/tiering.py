"""Where sessions are: the TierCatalog port in SQL.

Whoever moves a session holds its lock, as whoever projects it does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Text, column, delete, exists, insert, select, tuple_, update, values
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..domain.errors import AlreadyExistsError
from ..domain.events import StoredEvent
from ..domain.paths import revision_of
from ..domain.session import Session, SessionKey, Tier
from ..ports.catalog import Projection
from ..ports.outbox import Standings
from ..ports.tiers import Ended, WholeSession
from . import projecting
from . import tables as t
from .collecting import Details, Known
from .engine import reading, writing
from .finishing import Finishing, finished
from .inserting import insertion
from .rows import Row, session_of, session_row


class SqlTiers:
    """The contract of each method is `ports.TierCatalog`'s."""

    def __init__(self, engine: AsyncEngine, finishing: Finishing) -> None:
        self._engine = engine
        self.finishing = finishing

    @finished
    async def ended(self, tier: Tier, *, before_us: int, after: tuple[int, int], count: int) -> list[Ended]:
        c = t.sessions.c
        query = (
            select(t.sessions)
            .where(c.tier == int(tier), c.ended_us < before_us, tuple_(c.ended_us, c.id) > tuple_(*after))
            .order_by(c.ended_us, c.id)
            .limit(count)
        )
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
        return [Ended(row.ended_us, row.id, SessionKey(row.tenant, row.session_id), session_of(row)) for row in rows]

    @finished
    async def live(self, *, after: int, count: int) -> list[tuple[int, SessionKey, Session]]:
        c = t.sessions.c
        query = select(t.sessions).where(c.tier == int(Tier.HOT), c.id > after).order_by(c.id).limit(count)
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
        return [(row.id, SessionKey(row.tenant, row.session_id), session_of(row)) for row in rows]

    @finished
    async def keys(self, *, after: int, count: int) -> list[tuple[int, SessionKey]]:
        c = t.sessions.c
        query = select(c.id, c.tenant, c.session_id).where(c.id > after).order_by(c.id).limit(count)
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
        return [(row.id, SessionKey(row.tenant, row.session_id)) for row in rows]

    @finished
    async def set_snapshot(self, uid: str, revision: int, path: str) -> str | None:
        e = t.events.c
        async with writing(self._engine) as connection:
            row = await _locked(connection, uid)
            if row is None or revision_of(row.snapshot_path) > revision:
                return None
            there = select(exists().where(e.session == row.id, e.revision == revision))
            if not (await connection.execute(there)).scalar_one():
                return None
            await _change(connection, row, snapshot_path=path)
            before: str = row.snapshot_path
            return before

    @finished
    async def move(
        self, uid: str, revision: int, source: Tier, target: Tier, *, archive_path: str = "",
        standings: Standings | None = None,
    ) -> bool:  # fmt: skip
        async with writing(self._engine) as connection:
            row = await _locked(connection, uid)
            if row is None or (row.tier, row.revision) != (int(source), revision):
                return False
            if await _is_hot(row, standings):
                return False
            if target is Tier.RECENT and revision_of(row.snapshot_path) != revision:
                return False
            changed: Row = {"tier": int(target)}
            if target is Tier.ARCHIVE:
                await connection.execute(delete(t.events).where(t.events.c.session == row.id))
                changed |= {"snapshot_path": "", "archive_path": archive_path}
            await _change(connection, row, **changed)
            return True

    @finished
    async def bring_back(self, uid: str, events: AsyncIterator[Sequence[StoredEvent]], *, snapshot_path: str) -> bool:
        async with writing(self._engine) as connection:
            row = await _locked(connection, uid)
            if row is None or row.tier != int(Tier.ARCHIVE):
                return False
            last = 0
            async for page in events:
                last = _going_on(page, last)
                rows = [_event_row(row.id, event) for event in page]
                await connection.execute(*insertion(connection.dialect.name, t.events, rows))
            _whole(last, row.revision)
            await _change(connection, row, tier=int(Tier.RECENT), snapshot_path=snapshot_path, archive_path="")
            return True

    @finished
    async def insert(self, whole: WholeSession, *, snapshot_path: str) -> None:
        session, c = whole.session, t.sessions.c
        key = SessionKey(whole.tenant, session.id)
        async with writing(self._engine) as connection:
            await projecting.lock(connection, [key])
            found = select(c.revision).where(c.tenant == key.tenant, c.session_id == key.session_id)
            taken = (await connection.execute(found)).scalar_one_or_none()
            if taken is not None:
                raise AlreadyExistsError(session.id, taken)
            kept = {"tier": int(Tier.RECENT), "snapshot_path": snapshot_path, "archive_path": "", "texts": 0}
            row = session_row(whole.tenant, session) | kept
            number = (await connection.execute(insert(t.sessions).returning(c.id), row)).scalar_one()
            known = Known(number, 0, 0)
            await projecting.label(connection, [Projection(whole.tenant, session, (), ())], {session.uid: known})
            async for events, details in whole.pages:
                _going_on(events, known.revision)
                projection = Projection(whole.tenant, session, events, details)
                rows = Details(connection.dialect.name)
                await asyncio.to_thread(rows.collect, projection, known)
                await rows.store(connection)
                known.revision = events[-1].revision if events else known.revision
            _whole(known.revision, session.revision)
            await connection.execute(update(t.sessions).where(c.id == number).values(texts=known.texts))

    @finished
    async def remove(self, uid: str, *, revision: int | None = None, standings: Standings | None = None) -> bool:
        async with writing(self._engine) as connection:
            row = await _locked(connection, uid)
            if row is None or (revision is not None and (row.revision != revision or row.tier == int(Tier.HOT))):
                return False
            if await _is_hot(row, standings):
                return False
            await projecting.remove(connection, [row.id])
            return True

    @finished
    async def used_paths(self, paths: Sequence[str]) -> set[str]:
        by_uid: defaultdict[str, set[str]] = defaultdict(set)
        for path in paths:
            parts = path.split("/")
            if len(parts) == 4:
                by_uid[parts[2]].add(path)
        used: set[str] = set()
        uids, c = list(by_uid), t.sessions.c
        async with reading(self._engine) as connection:
            for begin in range(0, len(uids), projecting.PIECE):
                part = uids[begin : begin + projecting.PIECE]
                query = select(c.uid, c.snapshot_path, c.archive_path).where(c.uid.in_(part))
                for row in await connection.execute(query):
                    used |= by_uid[row.uid] & {row.snapshot_path, row.archive_path}
        return used

    @finished
    async def tenants(self) -> list[str]:
        async with reading(self._engine) as connection:
            return list((await connection.execute(select(t.sessions.c.tenant).distinct())).scalars())

    @finished
    async def used_artifacts(self, digests: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        used: set[tuple[str, str]] = set()
        s, a = t.sessions.c, t.artifacts.c
        async with reading(self._engine) as connection:
            for begin in range(0, len(digests), projecting.PIECE):
                part = list(digests[begin : begin + projecting.PIECE])
                asked = values(column("tenant", Text), column("sha256", Text), name="asked").data(part).cte("asked")
                refers = exists().where(a.sha256 == asked.c.sha256, s.id == a.session, s.tenant == asked.c.tenant)
                rows = await connection.execute(select(asked.c.tenant, asked.c.sha256).where(refers))
                used |= {(row.tenant, row.sha256) for row in rows}
        return used

    @finished
    async def marks(self) -> dict[int, tuple[str, int]]:
        async with reading(self._engine) as connection:
            rows = await connection.execute(select(t.shards))
        return {row.number: (row.incarnation, row.sequence) for row in rows}


async def _locked(connection: AsyncConnection, uid: str) -> Any | None:
    """The session's row, which nobody else may change until the transaction ends."""
    c = t.sessions.c
    wanted = (c.id, c.tenant, c.session_id, c.uid, c.revision, c.tier, c.snapshot_path)
    query = select(*wanted).where(c.uid == uid)
    found = (await connection.execute(query)).one_or_none()
    if found is None or connection.dialect.name == "sqlite":  # which has one writer anyway
        return found
    await projecting.lock(connection, [SessionKey(found.tenant, found.session_id)])
    return (await connection.execute(query)).one_or_none()


async def _is_hot(row: Any, standings: Standings | None) -> bool:
    """Whether the active store has the session, though its row may not say so yet."""
    if standings is None:
        return False
    (standing,) = await standings([SessionKey(row.tenant, row.session_id)])
    return bool(standing.uid == row.uid)


async def _change(connection: AsyncConnection, row: Any, **columns: Any) -> None:
    await connection.execute(update(t.sessions).where(t.sessions.c.id == row.id).values(columns))


def _event_row(session: int, event: StoredEvent) -> Row:
    return {
        "session": session, "revision": event.revision, "commit_us": event.commit_us, "mask": event.mask,
        "body": event.body,
    }  # fmt: skip


def _going_on(events: Sequence[StoredEvent], last: int) -> int:
    """The last revision of a page that goes on from `last`."""
    if [event.revision for event in events] != list(range(last + 1, last + 1 + len(events))):
        raise ValueError("the events are not in order, or not all of them")
    return last + len(events)


def _whole(last: int, revision: int) -> None:
    if last != revision:
        raise ValueError(f"the events end at revision {last}, not at {revision}")
