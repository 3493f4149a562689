"""What a catalog has, held against what the store has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import Session
from tests.support.sessions import Desk


async def log_of(desk: Desk, sid: str) -> list[tuple[Any, ...]]:
    """The whole log, as far as both have it."""
    events: list[StoredEvent] = []
    while True:
        page = await desk.events(sid, after=events[-1].revision if events else 0, count=1000)
        events += page.events
        if not page.more:
            return [content(event) for event in events]


async def catalogued(catalog: SqlCatalog, uid: str) -> list[tuple[Any, ...]]:
    """The whole log in the catalog."""
    events = await catalog.events(uid, after=0, before=None, mask=0, count=100_000, reverse=False)
    return [content(event) for event in events]


def content(event: StoredEvent) -> tuple[Any, ...]:
    """What of an event both keep."""
    return (event.uid, event.incarnation, event.revision, event.commit_us, event.mask, event.body)


async def check(desk: Desk, catalog: SqlCatalog) -> int:
    """The catalog has exactly the store's sessions, each as it is, with its whole log; returns how many."""
    names = sorted(sid for _, sid in await desk.store.active.newest(desk.tenant, after=None, count=10_000))
    listed = await catalog.list(desk.tenant, SessionFilter(), after=None, count=10_000)
    assert sorted(session.id for session in listed) == names
    for session in listed:
        assert session == plain(await desk.get(session.id, full=False))
        assert await catalogued(catalog, session.uid) == await log_of(desk, session.id)
    return len(names)


def plain(session: Session) -> Session:
    """A session without what the catalog does not keep."""
    return replace(session, connection_count=0, admitted_requests=0, queued_requests=0)
