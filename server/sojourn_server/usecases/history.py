"""Reading event logs: their newest part in the active store, what was before in the catalog."""

from __future__ import annotations

from dataclasses import replace

from ..domain.cursor import SessionCursor
from ..domain.errors import PositionError
from ..domain.events import StoredEvent
from ..domain.session import SessionKey
from ..ports import ActiveStore, EventPage, EventQuery
from ..ports.catalog import Catalog

PIECE = 50
MOST_BYTES = 1 << 20
"""A page of old events is cut there, like one of new events."""


class History:
    """The event logs of sessions."""

    def __init__(self, store: ActiveStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        """A page of the session's log. Raises like `ActiveStore.events`, but no position is too old."""
        try:
            page = await self._store.events(key, query)
        except PositionError as error:
            if error.reason != "CURSOR_TOO_OLD":
                raise
            page = await self._store.events(key, replace(query, after=0, count=1))
            await self._check(key, query.after, page.head, error)
        after = _revision(query.after)
        if page.oldest <= after + 1:
            return page
        if not query.reverse:
            return await self._old(query, after, page)
        before = _revision(query.before) if query.before is not None else page.head.revision + 1
        if before <= page.oldest:
            return await self._old(query, after, page)
        return page if page.more else replace(page, more=True, scanned=page.oldest)

    async def _old(self, query: EventQuery, after: int, hot: EventPage) -> EventPage:
        """A page of events that only the catalog has; the next page goes on in the active store where they end."""
        before = hot.oldest if query.before is None else min(_revision(query.before), hot.oldest)
        events: list[StoredEvent] = []
        size = 0
        while len(events) < query.count and size < MOST_BYTES:
            piece = await self._catalog.events(
                hot.head.uid, after=after, before=before, mask=query.mask,
                count=min(PIECE, query.count - len(events)), reverse=query.reverse,
            )  # fmt: skip
            if not piece:
                end = after + 1 if query.reverse else before - 1
                more = not query.reverse and before == hot.oldest
                return replace(hot, events=events, scanned=end, more=more)
            events += piece
            size += sum(len(event.body) for event in piece)
            if query.reverse:
                before = piece[-1].revision
            else:
                after = piece[-1].revision
        return replace(hot, events=events, scanned=events[-1].revision, more=True)

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
            raise PositionError(
                f"the store lost history of session {key.session_id!r} that was read before",
                reason="HISTORY_ROLLED_BACK", session_id=key.session_id, revision=str(head.revision),
            )  # fmt: skip


def _revision(position: int | SessionCursor) -> int:
    return position.revision if isinstance(position, SessionCursor) else position
