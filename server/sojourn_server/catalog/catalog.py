"""The catalog: the Catalog port in SQL."""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..domain.events import StoredEvent
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey
from ..ports.catalog import Fragment, Invocation, InvocationFilter, Projection, TextSource
from . import projecting, searching
from . import tables as t
from .filtering import conditions, invocation_conditions
from .rows import invocation_of, session_of

MAX_PARAMETERS = 900
"""SQLite's default limit on the parameters of a statement is 999."""


class SqlCatalog:
    """The contract of each method is `ports.Catalog`'s."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def revisions(self, uids: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        async with self._engine.connect() as connection:
            for begin in range(0, len(uids), MAX_PARAMETERS):
                part = uids[begin : begin + MAX_PARAMETERS]
                rows = await connection.execute(
                    select(t.sessions.c.uid, t.sessions.c.revision).where(t.sessions.c.uid.in_(part))
                )
                found.update({row.uid: row.revision for row in rows})
        return found

    async def project(self, projections: Sequence[Projection]) -> None:
        if projections:
            async with self._engine.begin() as connection:
                await projecting.store(connection, projections)

    async def forget(self, keys: Sequence[SessionKey]) -> None:
        c = t.sessions.c
        async with self._engine.begin() as connection:
            for key in keys:
                await connection.execute(
                    delete(t.sessions).where(c.tenant == key.tenant, c.session_id == key.session_id)
                )

    async def get(self, key: SessionKey) -> Session | None:
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(t.sessions).where(t.sessions.c.tenant == key.tenant, t.sessions.c.session_id == key.session_id)
            )
            row = rows.one_or_none()
            if row is None:
                return None
            return session_of(row, (await _tags(connection, [row.uid]))[row.uid])

    async def events(
        self, uid: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> builtins.list[StoredEvent]:
        c = t.events.c
        query = (
            select(t.events, t.sessions.c.session_id, t.sessions.c.incarnation)
            .join(t.sessions, t.sessions.c.uid == c.uid)
            .where(c.uid == uid, c.revision > after)
            .order_by(c.revision.desc() if reverse else c.revision)
            .limit(count)
        )
        if before is not None:
            query = query.where(c.revision < before)
        if mask:
            query = query.where(c.mask.bitwise_and(mask) != 0)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query)
            return [
                StoredEvent(r.session_id, uid, r.incarnation, r.revision, r.commit_us, 0, r.mask, r.body) for r in rows
            ]

    async def list(
        self, tenant: str, wanted: SessionFilter, *, after: tuple[int, str] | None, count: int
    ) -> builtins.list[Session]:
        c = t.sessions.c
        query = (
            select(t.sessions)
            .where(*conditions(tenant, wanted))
            .order_by(c.created_us.desc(), c.session_id.desc())
            .limit(count)
        )
        if after:
            query = query.where(tuple_(c.created_us, c.session_id) < tuple_(*after))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
            tags = await _tags(connection, [row.uid for row in rows])
        return [session_of(row, tags[row.uid]) for row in rows]

    async def search(
        self, tenant: str, query: str, wanted: SessionFilter, *, sources: frozenset[TextSource], offset: int, count: int
    ) -> builtins.list[tuple[Session, builtins.list[Fragment]]]:
        async with self._engine.connect() as connection:
            found = await searching.search(connection, tenant, query, wanted, sources)
            page = builtins.list(found.items())[offset : offset + count]
            uids = [uid for uid, _ in page]
            rows = {
                row.uid: row for row in await connection.execute(select(t.sessions).where(t.sessions.c.uid.in_(uids)))
            }
            tags = await _tags(connection, uids)
        return [(session_of(rows[uid], tags[uid]), fragments) for uid, fragments in page if uid in rows]

    async def invocations(
        self, tenant: str, wanted: InvocationFilter, *, after: tuple[int, str, str] | None, count: int
    ) -> builtins.list[Invocation]:
        i, s = t.invocations.c, t.sessions.c
        query = (
            select(t.invocations, s.session_id)
            .join(t.sessions, s.uid == i.uid)
            .where(*invocation_conditions(tenant, wanted))
            .order_by(i.started_us.desc(), s.session_id.desc(), i.invocation_id.desc())
            .limit(count)
        )
        if after:
            query = query.where(tuple_(i.started_us, s.session_id, i.invocation_id) < tuple_(*after))
        async with self._engine.connect() as connection:
            return [invocation_of(tenant, row) for row in await connection.execute(query)]

    async def invocation(self, uid: str, invocation_id: str) -> Invocation | None:
        i, s = t.invocations.c, t.sessions.c
        query = (
            select(t.invocations, s.session_id, s.tenant)
            .join(t.sessions, s.uid == i.uid)
            .where(i.uid == uid, i.invocation_id == invocation_id)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else invocation_of(row.tenant, row)

    async def count(self, tenant: str, wanted: SessionFilter) -> int:
        async with self._engine.connect() as connection:
            query = select(func.count()).select_from(t.sessions).where(*conditions(tenant, wanted))
            return int((await connection.execute(query)).scalar_one())


async def _tags(connection: AsyncConnection, uids: Sequence[str]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for begin in range(0, len(uids), MAX_PARAMETERS):
        part = uids[begin : begin + MAX_PARAMETERS]
        rows = await connection.execute(
            select(t.tags).where(t.tags.c.uid.in_(part)).order_by(t.tags.c.uid, t.tags.c.tag)
        )
        for row in rows:
            found[row.uid].append(row.tag)
    return found
