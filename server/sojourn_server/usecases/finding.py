"""Finding sessions and invocations in the catalog, whichever tier they are in."""

from __future__ import annotations

import builtins
from enum import IntEnum
from typing import NamedTuple

from ..domain.errors import NotFoundError
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey
from ..ports import ActiveStore
from ..ports.catalog import Catalog, Fragment, Invocation, InvocationFilter, TextSource
from ..ports.outbox import Outbox
from .projecting import Projector


class Consistency(IntEnum):
    """What a call may miss. The numbers are those of the protos."""

    EVENTUAL = 1
    """What was committed in the last moments."""
    STRONG = 2
    """Nothing that was acknowledged before the call."""


class Found(NamedTuple):
    """A session that was searched for, with the texts of it that matched best."""

    session: Session
    fragments: list[Fragment]


Place = tuple[int, str]
InvocationPlace = tuple[int, str, str]


class Finding:
    """Lists, searches and counts. Every method but `invocation` returns with its result for how many seconds the
    catalog may have been behind; 0 with STRONG."""

    def __init__(self, store: ActiveStore, catalog: Catalog, outbox: Outbox, projector: Projector) -> None:
        self._store = store
        self._catalog = catalog
        self._outbox = outbox
        self._projector = projector

    async def list(
        self, tenant: str, wanted: SessionFilter, *, after: Place | None, count: int, consistency: Consistency
    ) -> tuple[builtins.list[Session], Place | None, float]:
        """A page of matching sessions, newest creation first, and the place to go on after; None at the end."""
        lag = await self._catch_up(tenant, consistency)
        found = await self._catalog.list(tenant, wanted, after=after, count=count + 1)
        page = found[:count]
        place = (page[-1].created_us, page[-1].id) if len(found) > count else None
        return page, place, lag

    async def search(
        self, tenant: str, query: str, wanted: SessionFilter, *, sources: frozenset[TextSource], offset: int,
        count: int, consistency: Consistency,
    ) -> tuple[builtins.list[Found], int | None, float]:  # fmt: skip
        """A page of sessions whose texts match, best first, and the offset to go on at; None at the end.

        Raises:
            InvalidFieldError: the query holds no word.
        """
        lag = await self._catch_up(tenant, consistency)
        found = await self._catalog.search(tenant, query, wanted, sources=sources, offset=offset, count=count + 1)
        page = [Found(session, fragments) for session, fragments in found[:count]]
        return page, offset + count if len(found) > count else None, lag

    async def count(self, tenant: str, wanted: SessionFilter, *, consistency: Consistency) -> tuple[int, float]:
        """How many sessions match."""
        lag = await self._catch_up(tenant, consistency)
        return await self._catalog.count(tenant, wanted), lag

    async def invocations(
        self, tenant: str, wanted: InvocationFilter, *, after: InvocationPlace | None, count: int,
        consistency: Consistency,
    ) -> tuple[builtins.list[Invocation], InvocationPlace | None, float]:  # fmt: skip
        """A page of matching invocations, newest begin first, and the place to go on after; None at the end."""
        lag = await self._catch_up(tenant, consistency)
        found = await self._catalog.invocations(tenant, wanted, after=after, count=count + 1)
        page = found[:count]
        last = page[-1] if len(found) > count else None
        place = (last.started_us, last.session.session_id, last.invocation_id) if last else None
        return page, place, lag

    async def invocation(self, key: SessionKey, invocation_id: str) -> tuple[Invocation, Session]:
        """An invocation and its session; everything acknowledged before is seen.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED, INVOCATION_NOT_FOUND.
        """
        await self._projector.project([key])
        session = await self._catalog.get(key)
        if session is None:
            session = await self._store.get(key, full=False)  # says whether it was deleted
        found = await self._catalog.invocation(session.uid, invocation_id)
        if found is None:
            raise NotFoundError.invocation(key.session_id, invocation_id)
        return found, session

    async def _catch_up(self, tenant: str, consistency: Consistency) -> float:
        if consistency is Consistency.STRONG:
            await self._projector.drain(tenant)
            return 0.0
        return (await self._outbox.backlog()).seconds
