"""SaveSession: a snapshot now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from ..domain.errors import FileInvalidError, NotFoundError
from ..domain.session import Session, SessionKey, Tier
from .cold import Cold, damaged
from .returning import PAUSE, ROUNDS, too_fast
from .snapshots import Snapshots
from .tiered import TieredStore


class Saved(NamedTuple):
    """Where a session is kept, verified to the last byte. Size in bytes."""

    tier: Tier
    snapshot_path: str
    archive_path: str
    revision: int
    size: int


@dataclass
class Saving:
    """Saves sessions, whatever tier they are in."""

    sessions: TieredStore
    snapshots: Snapshots
    cold: Cold

    async def save(self, key: SessionKey) -> Saved:
        """Makes sure that there is a file of the session as it is now, and that it can be read.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            CatalogUnavailableError, BlobsUnavailableError.
        """
        for attempt in range(ROUNDS):
            await asyncio.sleep(PAUSE * attempt)
            try:
                path, revision, size = await self.snapshots.take(key)
                return Saved(Tier.HOT, path, "", revision, size)
            except NotFoundError:
                found = await self.sessions.get(key, full=False)  # or it does not exist
                if found.tier is not Tier.HOT and (saved := await self._of_cold(found)):
                    return saved
        raise too_fast(key)

    async def _of_cold(self, row: Session) -> Saved | None:
        """A session of another tier has a file already."""
        if row.tier is Tier.RECENT:
            found = await self.snapshots.readable(row)
            return Saved(row.tier, found.path, "", found.revision, found.size) if found else None
        try:
            header = await self.cold.archives.verify(self.cold.blobs, row.archive_path)
        except FileInvalidError as error:
            raise damaged(row.archive_path, error) from error
        blob = await self.cold.blobs.head(row.archive_path)
        return Saved(row.tier, "", row.archive_path, header.revision, blob.size) if blob else None
