"""Reading event logs: their newest part in the active store, what was before in the catalog; all of it there, or in an
archive, when the session is not in the active store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from ..domain.cursor import SessionCursor
from ..domain.errors import PositionError
from ..domain.session import Session, SessionKey, Tier
from ..ports import ActiveStore, EventPage, EventQuery
from ..ports.catalog import Catalog
from .paging import read_page
from .positions import revision_at, rolled_back
from .returning import PAUSE, ROUNDS, too_fast


class History:
    """The event logs of sessions.

    Args:
        store: the store over all tiers.
    """

    def __init__(self, store: ActiveStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        """A page of the session's log. Raises like `ActiveStore.events`, but no position is too old."""
        for attempt in range(ROUNDS):
            if attempt:
                await asyncio.sleep(PAUSE * attempt)
            if page := await self._events(key, query):
                return page
        raise too_fast(key)

    async def _events(self, key: SessionKey, query: EventQuery) -> EventPage | None:
        """None when the session moved between two looks."""
        try:
            page = await self._store.events(key, query)
        except PositionError as error:
            if error.reason != "CURSOR_TOO_OLD":
                raise
            page = await self._store.events(key, replace(query, after=0, count=1))
            await self._check(key, query.after, page.head, error)
        after = revision_at(query.after)
        if page.oldest <= after + 1:
            return page
        if not query.reverse:
            return await self._old(key, query, after, page)
        before = revision_at(query.before) if query.before is not None else page.head.revision + 1
        if before <= page.oldest:
            return await self._old(key, query, after, page)
        return page if page.more else replace(page, more=True, scanned=page.oldest)

    async def _old(self, key: SessionKey, query: EventQuery, after: int, hot: EventPage) -> EventPage | None:
        """A page of events that only the catalog has; the next page goes on in the active store where they end."""
        before = hot.oldest if query.before is None else min(revision_at(query.before), hot.oldest)
        row = await self._catalog.get(key)
        read = partial(self._catalog.events, hot.head.uid)
        events, end = await read_page(
            read, after=after, before=before, mask=query.mask, count=query.count, reverse=query.reverse
        )
        for event in events:
            event.incarnation = hot.head.incarnation  # the row of a session that was rebuilt may not say it yet
        if not end:
            return replace(hot, events=events, scanned=events[-1].revision, more=True)
        # The end of what is there, or of what is left there: the events of an archive are not in the catalog.
        now = await self._catalog.get(key)
        if _files(now) != _files(row) or (now is not None and now.tier is Tier.ARCHIVE):
            return None
        scanned = after + 1 if query.reverse else before - 1
        return replace(hot, events=events, scanned=scanned, more=not query.reverse and before == hot.oldest)

    async def _check(
        self, key: SessionKey, position: int | SessionCursor, head: SessionCursor, too_old: PositionError
    ) -> None:
        """Raises PositionError: HISTORY_ROLLED_BACK for a cursor of an event that never became history, CURSOR_TOO_OLD
        when even the catalog does not have it."""
        if not isinstance(position, SessionCursor) or not position.commit_us:
            return
        seen = await self._catalog.events(
            head.uid, after=position.revision - 1, before=position.revision + 1, mask=0, count=1, reverse=False
        )
        if not seen:
            raise too_old
        if seen[0].commit_us != position.commit_us:
            raise rolled_back(key.session_id, head.revision)


def _files(row: Session | None) -> tuple[str, str]:
    """Paths are never used twice: whatever moved meanwhile has others."""
    return (row.snapshot_path, row.archive_path) if row else ("", "")
