"""The catalog: the Catalog port in SQL."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from itertools import islice

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from ..domain.events import StoredEvent
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey, Tier
from ..ports.catalog import Fragment, Invocation, InvocationFilter, Projection, Stored, TextSource
from ..ports.outbox import Standings
from . import projecting, searching
from . import tables as t
from .artifacts import ArtifactReads
from .engine import reading, writing
from .filtering import conditions, invocation_conditions
from .finishing import Finishing, finished
from .matching import match
from .planning import plan
from .probing import SqlProbe
from .rows import invocation_of, session_of
from .statistics import SqlStatistics
from .templates import SqlTemplates
from .tiering import SqlTiers
from .words import phrases


class SqlCatalog(ArtifactReads):
    """The contract of each method is `ports.Catalog`'s."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.finishing = Finishing(needed=engine.dialect.name == "sqlite")
        self.statistics = SqlStatistics(engine, self.finishing)
        self.templates = SqlTemplates(engine, self.finishing)
        self.probe = SqlProbe(engine, self.finishing)
        self.tiers = SqlTiers(engine, self.finishing)

    async def close(self) -> None:
        """Finishes the calls under way and closes all connections."""
        await self.finishing.close()
        await self._engine.dispose()

    @finished
    async def revisions(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Stored]:
        async with reading(self._engine) as connection:
            rows = await projecting.find(connection, keys)
        return {
            SessionKey(row.tenant, row.session_id): Stored(row.uid, row.revision, row.commit_us or 0, Tier(row.tier))
            for row in rows
        }

    @finished
    async def project(self, projections: Sequence[Projection], standings: Standings) -> Collection[SessionKey]:
        if not projections:
            return ()
        async with writing(self._engine) as connection:
            return await projecting.store(connection, projections, standings)

    @finished
    async def forget(self, keys: Sequence[SessionKey], standings: Standings) -> None:
        if keys:
            async with writing(self._engine) as connection:
                await projecting.forget(connection, keys, standings)

    @finished
    async def get(self, key: SessionKey, *, settled: bool = False) -> Session | None:
        c = t.sessions.c
        query = select(t.sessions).where(c.tenant == key.tenant, c.session_id == key.session_id)
        async with (writing if settled else reading)(self._engine) as connection:
            if settled:
                await projecting.lock(connection, [key])
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else session_of(row)

    @finished
    async def events(
        self, uid: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> builtins.list[StoredEvent]:
        c, s = t.events.c, t.sessions.c
        query = (
            select(c.revision, c.commit_us, c.mask, c.body, s.session_id, s.incarnation)
            .join(t.sessions, s.id == c.session)
            .where(s.uid == uid, c.revision > after)
            .order_by(c.revision.desc() if reverse else c.revision)
            .limit(count)
        )
        if before is not None:
            query = query.where(c.revision < before)
        if mask:
            query = query.where(c.mask.bitwise_and(mask) != 0)
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
        return [StoredEvent(r.session_id, uid, r.incarnation, r.revision, r.commit_us, 0, r.mask, r.body) for r in rows]

    @finished
    async def list(
        self, tenant: str, wanted: SessionFilter, *, after: tuple[int, str] | None, count: int
    ) -> builtins.list[Session]:
        c = t.sessions.c
        order = (c.created_us.desc(), c.session_id.desc())
        page = select(c.id).order_by(*order)
        if after:
            page = page.where(tuple_(c.created_us, c.session_id) < tuple_(*after))
        async with reading(self._engine) as connection:
            decided = await plan(connection, await conditions(connection, tenant, wanted))
            # A page is chosen from an index alone; only its rows are read.
            chosen = await decided.page(connection, page, count)
            rows = await connection.execute(select(t.sessions).where(chosen).order_by(*order))
        return [session_of(row) for row in rows]

    @finished
    async def search(
        self, tenant: str, query: str, wanted: SessionFilter, *, sources: frozenset[TextSource], offset: int, count: int
    ) -> builtins.list[tuple[Session, builtins.list[Fragment]]]:
        asked = phrases(query, "query")
        async with reading(self._engine) as connection:
            among = None if wanted == SessionFilter() else await conditions(connection, tenant, wanted)
            found = await searching.search(connection, await match(connection, tenant, asked), asked, among, sources)
            page = dict(islice(found.items(), offset, offset + count))
            fragments = await searching.fragments(connection, page, asked)
            sessions = select(t.sessions).where(t.is_any(connection.dialect.name, t.sessions.c.id, page))
            rows = {row.id: row for row in await connection.execute(sessions) if row.tenant == tenant}
        return [(session_of(rows[number]), fragments[number]) for number in page if number in rows]

    @finished
    async def invocations(
        self, tenant: str, wanted: InvocationFilter, *, after: tuple[int, str, str] | None, count: int
    ) -> builtins.list[Invocation]:
        c = t.invocations.c
        order = (c.started_us.desc(), c.session_id.desc(), c.invocation_id.desc())
        page = select(c.id).where(*invocation_conditions(tenant, wanted)).order_by(*order).limit(count)
        if after:
            page = page.where(tuple_(c.started_us, c.session_id, c.invocation_id) < tuple_(*after))
        async with reading(self._engine) as connection:
            rows = await connection.execute(select(t.invocations).where(c.id.in_(page)).order_by(*order))
        return [invocation_of(row) for row in rows]

    @finished
    async def invocation(self, uid: str, invocation_id: str) -> Invocation | None:
        c = t.invocations.c
        session = select(t.sessions.c.id).where(t.sessions.c.uid == uid).scalar_subquery()
        query = select(t.invocations).where(c.session == session, c.invocation_id == invocation_id)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else invocation_of(row)

    @finished
    async def count(self, tenant: str, wanted: SessionFilter) -> int:
        async with reading(self._engine) as connection:
            decided = await plan(connection, await conditions(connection, tenant, wanted))
            query = select(func.count()).select_from(t.sessions).where(*decided.where(page=False))
            return int((await connection.execute(query)).scalar_one())
