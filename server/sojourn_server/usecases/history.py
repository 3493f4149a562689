"""Reading event logs."""

from __future__ import annotations

from ..domain.session import SessionKey
from ..ports import ActiveStore, EventPage, EventQuery


class History:
    """The event logs of sessions."""

    def __init__(self, store: ActiveStore) -> None:
        self._store = store

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        """A page of the session's log."""
        return await self._store.events(key, query)
