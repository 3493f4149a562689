"""Snapshots: sessions written whole to the blob store, read back, and noted in the catalog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog

from ..domain.errors import BlobMissingError, FileInvalidError, SojournError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..domain.paths import revision_of, snapshot_path
from ..domain.session import Session, SessionKey, Tier
from ..ports import ActiveStore
from ..ports.archives import Archives
from ..ports.blobs import BlobStore
from ..ports.catalog import Catalog
from ..ports.tiers import TierCatalog
from .cold import Cold, MovedError
from .projecting import Projector

log = structlog.get_logger()

ROUNDS = 10
"""How often a snapshot is begun anew because the session, or its newest snapshot, changed meanwhile."""


class Snapshot(NamedTuple):
    """A snapshot that was read back and verified. Size in bytes."""

    path: str
    revision: int
    size: int


class StoredWronglyError(SojournError):
    """What was read back is not what was written."""


@dataclass
class Snapshots:
    """Takes snapshots of sessions that are in the active store."""

    store: ActiveStore
    """The real one: sessions of other tiers have a snapshot, or need none."""
    catalog: Catalog
    tiers: TierCatalog
    archives: Archives
    blobs: BlobStore
    cold: Cold
    projector: Projector

    async def take(self, key: SessionKey, row: Session | None = None) -> Snapshot:
        """Makes sure that there is a snapshot of the session as it is now, or later, and that it can be read. `row` is
        the session as the catalog had it a moment ago, for those who know.

        Raises:
            NotFoundError: the active store does not have the session.
            CatalogUnavailableError, BlobsUnavailableError: try again.
        """
        for _ in range(ROUNDS):
            session = await self.store.get(key, full=True)
            if row is None or (row.uid, row.revision) != (session.uid, session.revision):
                await self.projector.project([key])
                row = await self.catalog.get(key)
            if row is not None and row.uid == session.uid and row.tier is Tier.HOT:
                if found := await self.readable(row):
                    return found
                with suppress(MovedError):
                    if taken := await self._take(key, row, session):
                        return taken
            row = None
        raise StoredWronglyError(f"session {key.session_id!r} changes too fast for a snapshot")

    async def readable(self, row: Session) -> Snapshot | None:
        """The session's newest snapshot, when it holds all that its row says and can be read from its first to its last
        byte."""
        path = row.snapshot_path
        if not path or revision_of(path) != row.revision:
            return None
        try:
            await self.archives.verify(self.blobs, path)
        except (BlobMissingError, FileInvalidError) as error:
            log.error("a snapshot cannot be read", path=path, error=str(error))
            return None
        stored = await self.blobs.head(path)
        return Snapshot(path, row.revision, stored.size) if stored else None

    async def write(
        self, path: str, folded: Folded, pages: AsyncIterator[Sequence[StoredEvent]], *, level: int = 3
    ) -> int:
        """Writes a session to the blob store and reads it back; returns the size. Whatever is raised, nothing that can
        be removed now is left.

        Raises:
            StoredWronglyError: it is not what was written.
            BlobsUnavailableError, CatalogUnavailableError, EventsMissingError.
        """
        try:
            size = await self.blobs.put(path, self.archives.write(folded, pages, level=level))
            header = await self.archives.verify(self.blobs, path)
            wanted = folded.session.uid, folded.session.revision
            if (header.uid, header.revision) != wanted or header.events != folded.session.revision:
                raise StoredWronglyError(f"{path} holds another session than was written")
        except (BlobMissingError, FileInvalidError) as error:
            await self.discard(path)
            raise StoredWronglyError(f"{path} is not what was written: {error}") from error
        except BaseException:
            await self.discard(path)
            raise
        return size

    async def discard(self, path: str) -> None:
        """Removes a file that nobody refers to; what cannot be removed now is left to the sweep."""
        if path:
            try:
                await self.blobs.delete(path)
            except SojournError as error:
                log.info("left to the sweep", path=path, reason=error.reason)

    async def _take(self, key: SessionKey, row: Session, session: Session) -> Snapshot | None:
        """None when somebody noted a later one meanwhile."""
        folded = await self._folded(key, row, session)
        path = snapshot_path(row.uid, row.revision)
        size = await self.write(path, folded, self.cold.pages(key, row, row.revision))
        before = await self.tiers.set_snapshot(row.uid, row.revision, path)
        if before is None:
            await self.discard(path)
            return None
        await self.discard(before)
        log.debug("saved", tenant=key.tenant, session=key.session_id, revision=row.revision, bytes=size)
        return Snapshot(path, row.revision, size)

    async def _folded(self, key: SessionKey, row: Session, session: Session) -> Folded:
        """The session at the row's revision. The head does as it is, unless it has moved on or something is unfinished
        in it, of which the head alone says too little."""
        unfinished = session.counters.get("open_invocations") or session.admitted_requests or session.queued_requests
        if session.revision == row.revision and not unfinished:
            return Folded(replace(session, connection_count=0))
        return await self.cold.fold(key, row, row.revision)
