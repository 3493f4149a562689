"""Down the tiers, one step at a time. Each may be done twice, by two at once, and may be killed anywhere: what is left
is found again from the catalog's row alone."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ..domain.errors import NotFoundError
from ..domain.paths import archive_path
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import ActiveStore
from ..ports.catalog import Catalog
from ..ports.outbox import Outbox
from ..ports.tiers import Residence, TierCatalog
from .cold import Cold, MovedError, is_retired
from .projecting import Projector
from .recovery import Recovery
from .snapshots import Snapshots

log = structlog.get_logger()

ARCHIVE_LEVEL = 9
"""How hard an archive is compressed: it is written once, and kept for long."""


@dataclass
class Moving:
    """The steps. Each returns whether the session is where it should be now; False: it changed meanwhile, look
    again."""

    store: ActiveStore
    """The real one."""
    outbox: Outbox
    catalog: Catalog
    tiers: TierCatalog
    residence: Residence
    cold: Cold
    snapshots: Snapshots
    projector: Projector
    recovery: Recovery

    async def retire(self, key: SessionKey, row: Session) -> bool:
        """A session that has ended leaves the active store: hot -> recent. `row` is as the catalog has it."""
        try:
            session = await self.store.get(key, full=False)
        except NotFoundError as error:
            return error.reason == NotFoundError.reason and await self._left(key, row)
        if session.status is SessionStatus.ACTIVE or session.admitted_requests or session.queued_requests:
            return False
        snapshot = await self.snapshots.take(key, row)
        # Refused when it is not at this very revision any more: the snapshot must hold everything.
        if not await self.residence.retire(key, session.uid, snapshot.revision):
            await self.projector.project([key])
            if not await self.residence.retire(key, session.uid, snapshot.revision):
                return False
        return await self._arrived(key, session.uid, snapshot.revision)

    async def archive(self, key: SessionKey, row: Session) -> bool:
        """A session of the recent tier becomes an archive object: recent -> archive."""
        if not await self._is_away(key, row):
            return False
        path = archive_path(row.uid, row.revision)
        try:
            folded = await self.cold.folded(key, row)
            await self.snapshots.write(path, folded, self.cold.pages(key, row, row.revision), level=ARCHIVE_LEVEL)
        except MovedError:
            return False
        if not await self.tiers.move(
            row.uid, row.revision, Tier.RECENT, Tier.ARCHIVE, archive_path=path, standings=self.outbox.standings
        ):
            await self.snapshots.discard(path)
            return False
        await self.snapshots.discard(row.snapshot_path)
        log.info("archived", tenant=key.tenant, session=key.session_id, revision=row.revision)
        return True

    async def remove(self, key: SessionKey, row: Session) -> bool:
        """A session's time is over: it is deleted for ever."""
        if not await self.tiers.remove(row.uid, revision=row.revision, standings=self.outbox.standings):
            return False
        for path in (row.snapshot_path, row.archive_path):
            await self.snapshots.discard(path)
        log.info("deleted at the end of its retention", tenant=key.tenant, session=key.session_id)
        return True

    async def _left(self, key: SessionKey, row: Session) -> bool:
        """The active store does not have the session: somebody was stopped between its leaving and the note of it, or
        it was lost."""
        if is_retired(row) and await self.snapshots.readable(row):
            return await self._arrived(key, row.uid, row.revision)
        await self.recovery.restore(key)
        return False

    async def _arrived(self, key: SessionKey, uid: str, revision: int) -> bool:
        moved = await self.tiers.move(uid, revision, Tier.HOT, Tier.RECENT, standings=self.outbox.standings)
        if moved:
            log.info("left the active store", tenant=key.tenant, session=key.session_id, revision=revision)
        return moved

    async def _is_away(self, key: SessionKey, row: Session) -> bool:
        """Whether the active store does not have the session. One that came back a moment ago, and that the catalog
        does not know of yet, stays as it is."""
        standing = (await self.outbox.standings([key]))[0]
        return standing.uid != row.uid
