"""What a deleted session leaves behind: its row and its files."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ..domain.paths import session_prefix
from ..domain.session import SessionKey
from ..ports.blobs import BlobStore
from ..ports.outbox import Outbox
from .projecting import Projector

log = structlog.get_logger()


@dataclass
class Wiping:
    """Clears away deleted sessions. For economy only: the projector forgets the row and the sweep finds the files."""

    outbox: Outbox
    projector: Projector
    blobs: BlobStore

    async def wipe(self, key: SessionKey) -> None:
        """Removes the row and the files of the session that was deleted last under this id."""
        uid = (await self.outbox.standings([key]))[0].deleted
        await self.projector.project([key])
        if not uid:
            return
        count = 0
        async for blob in self.blobs.list(session_prefix(uid)):
            await self.blobs.delete(blob.path)
            count += 1
        log.debug("wiped", tenant=key.tenant, session=key.session_id, files=count)
