"""What is known of history that the active store lost."""

from __future__ import annotations

from collections import OrderedDict

import structlog

from ..domain.changes import ChangeKind, kind_mask
from ..domain.cursor import SessionCursor
from ..domain.errors import NotFoundError
from ..domain.session import SessionKey
from ..ports import ActiveStore, EventQuery
from ..ports.catalog import Catalog
from .background import Background

log = structlog.get_logger()

RESTORED = kind_mask([ChangeKind.RESTORED])
REMEMBERED = 10_000
"""Sessions whose losses are not counted twice."""


class Losses:
    """Counts and logs losses, as far as anybody at this worker still knows the revisions."""

    def __init__(self, store: ActiveStore, catalog: Catalog, background: Background) -> None:
        self._store = store
        self._catalog = catalog
        self._background = background
        self._counted: OrderedDict[tuple[SessionKey, int], int] = OrderedDict()
        self.sessions_restored = 0
        """Sessions that this worker rebuilt from the catalog."""
        self.sessions_lost = 0
        """Sessions that somebody at this worker knew, and of which nothing is left."""
        self.revisions_lost = 0
        """Revisions that somebody at this worker had seen, and that are in no history any more."""

    def restored(self, key: SessionKey, uid: str, revision: int) -> None:
        """A session was rebuilt as it was at a revision."""
        self.sessions_restored += 1
        log.error(
            "a session that the store lost was rebuilt",
            tenant=key.tenant, session=key.session_id, uid=uid, revision=revision,
        )  # fmt: skip

    def noticed(self, key: SessionKey, seen: SessionCursor) -> None:
        """A watcher or a writer who had seen a position was told that it is no part of the session's history."""
        self._background.spawn(self._count(key, seen), f"loss of {key.session_id}")

    async def _count(self, key: SessionKey, seen: SessionCursor) -> None:
        kept = await self._kept(key, seen)
        known = self._counted.get((key, kept))
        if kept == 0 and known is None:
            self.sessions_lost += 1
        lost = seen.revision - max(kept, known or 0)
        if lost <= 0:
            return
        self.revisions_lost += lost
        self._counted[key, kept] = seen.revision
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        log.error(
            "the store lost history that was acknowledged",
            tenant=key.tenant, session=key.session_id, uid=seen.uid, first=kept + 1, last=seen.revision,
        )  # fmt: skip

    async def _kept(self, key: SessionKey, seen: SessionCursor) -> int:
        """The last revision of what was seen that is still history."""
        try:
            page = await self._store.events(key, EventQuery(mask=RESTORED, count=1, reverse=True))
            uid, last, found = page.head.uid, page.head.revision, page.events
        except NotFoundError:
            row = await self._catalog.get(key)
            uid, last, found = (row.uid, row.revision, []) if row else ("", 0, [])
        if uid != seen.uid:
            return 0
        if not found:
            found = await self._catalog.events(uid, after=0, before=None, mask=RESTORED, count=1, reverse=True)
        # Never restored: it fell back to an older copy, of which the catalog has no more.
        return found[0].revision - 1 if found else min(seen.revision - 1, last)
