"""Up the tiers: a session comes back into the active store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from ..domain.errors import AlreadyExistsError, NotFoundError, StoreUnavailableError
from ..domain.events import Committed
from ..domain.session import Session, SessionKey, Tier
from ..ports import ActiveStore
from ..ports.catalog import Catalog
from ..ports.tiers import FirstEvent, Residence, TierCatalog
from .background import Background
from .cold import Cold, MovedError
from .recovery import Recovery

log = structlog.get_logger()

ROUNDS = 20
"""How often a session is looked for anew because it moved meanwhile."""
PAUSE = 0.01
"""Seconds, growing with every round."""


class Returned(NamedTuple):
    """How a session came to be in the active store."""

    tier: Tier
    """Where it was; HOT: somebody else brought it, or it was lost."""
    committed: Committed | None = None
    """What became of the event it came with; None when it was there already."""
    restored: bool = False
    """The active store had lost it: what writers and watchers knew may not be so any more."""


def too_fast(key: SessionKey) -> StoreUnavailableError:
    """A session moved between the tiers at every look."""
    return StoreUnavailableError(f"session {key.session_id!r} moves between the tiers, try again", cause="moving")


@dataclass
class Returning:
    """Brings sessions back. Many who ask for one session at the same time wait for one bringing."""

    store: ActiveStore
    """The real one."""
    catalog: Catalog
    tiers: TierCatalog
    residence: Residence
    cold: Cold
    recovery: Recovery
    background: Background
    _under_way: dict[SessionKey, asyncio.Task[Returned]] = field(default_factory=dict)

    async def bring(self, key: SessionKey) -> Returned:
        """Brings a session that the active store does not have into it; restores one that was lost.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError: try again.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self.background.start(self._bring(key, None), f"bring back {key.session_id}")
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def bring_with(self, key: SessionKey, event: FirstEvent) -> Returned:
        """The same, and commits an event in the same step. Nothing was committed when `committed` is None."""
        return await self.background.run(self._bring(key, event), f"bring back {key.session_id}")

    async def _bring(self, key: SessionKey, event: FirstEvent | None) -> Returned:
        missing = NotFoundError.missing(key.session_id)
        for attempt in range(ROUNDS):
            await asyncio.sleep(PAUSE * attempt)
            if not (await self.residence.may_be_elsewhere([key]))[0] and attempt == 0:
                raise missing
            row = await self.cold.find(key)
            if row is None or row.tier is Tier.HOT:
                if await self._is_there(key):
                    return Returned(Tier.HOT)
                if row is None:
                    raise missing
                if await self.recovery.restore(key):
                    return Returned(Tier.HOT, restored=True)
                continue
            try:
                if returned := await self._bring_cold(key, row, event):
                    return returned
            except MovedError:
                continue
        raise too_fast(key)

    async def _bring_cold(self, key: SessionKey, row: Session, event: FirstEvent | None) -> Returned | None:
        """None when it is to be looked for anew."""
        tier = row.tier
        if tier is Tier.ARCHIVE:
            if not await self.tiers.bring_back(
                row.uid, self.cold.pages(key, row, row.revision), snapshot_path=row.archive_path
            ):
                return None
            row.tier, row.snapshot_path, row.archive_path = Tier.RECENT, row.archive_path, ""
        folded = await self.cold.folded(key, row)
        folded.session.id, folded.session.incarnation = key.session_id, row.incarnation
        try:
            committed = await self.residence.adopt(key, folded, event, lost=False)
        except AlreadyExistsError:
            return Returned(Tier.HOT)
        log.info("came back", tenant=key.tenant, session=key.session_id, tier=tier.name, revision=row.revision)
        if committed.replayed or await self._is_whole(key, row):
            return Returned(tier, committed)
        # While we slept it came back, was written to and left again: what we brought is out of date.
        await self.recovery.restore(key)
        return Returned(tier, restored=True)

    async def _is_there(self, key: SessionKey) -> bool:
        try:
            await self.store.get(key, full=False)
        except NotFoundError as error:
            if error.reason != NotFoundError.reason:
                raise
            return False
        return True

    async def _is_whole(self, key: SessionKey, brought: Session) -> bool:
        """Whether the active store is not behind the catalog."""
        row = await self.catalog.get(key)
        if row is not None and row.revision == brought.revision:
            return True
        try:
            head = await self.store.get(key, full=False)
        except NotFoundError:
            return True  # deleted, or gone again, whole
        if row is not None or head.uid != brought.uid:
            return row is None or head.uid != row.uid or head.revision >= row.revision
        # The end of its retention came in that very moment.
        await self.store.delete(key, expected_revision=head.revision, idempotency_key="")
        raise NotFoundError.missing(key.session_id)
