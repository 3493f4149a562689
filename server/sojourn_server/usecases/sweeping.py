"""The sweep: objects in the blob store that nobody refers to any more, because whoever wrote them was stopped before it
could say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import structlog

from ..domain.paths import ARTIFACTS, INCOMING, SESSIONS, UPLOADS, tenant_digest
from ..ports.blobs import Blob, BlobStore
from ..ports.outbox import Outbox
from ..ports.tiers import TierCatalog

log = structlog.get_logger()

BATCH = 500
"""Paths asked about at a time."""


@dataclass
class Sweep:
    """Removes objects that are older than `grace_us` and that nobody refers to. Two at the same time do no harm."""

    blobs: BlobStore
    tiers: TierCatalog
    outbox: Outbox
    grace_us: int

    async def run(self, now_us: int) -> int:
        """Looks at everything once; returns how many objects were removed."""
        before = now_us - self.grace_us
        removed: Counter[str] = Counter()
        removed[SESSIONS] = await self._sweep_sessions(before)
        # What the catalog does not know yet it may still refer to.
        if (await self.outbox.backlog()).seconds * 1_000_000 < self.grace_us:
            removed[ARTIFACTS] = await self._sweep_artifacts(before)
        removed[UPLOADS] = await self._sweep_uploads(before)
        async for batch in self._old(INCOMING, before):
            removed[INCOMING] += await self._remove(batch)
        if removed.total():
            log.info("swept", **{folder: count for folder, count in removed.items() if count})
        return removed.total()

    async def _sweep_sessions(self, before: int) -> int:
        count = 0
        async for batch in self._old(SESSIONS, before):
            used = await self.tiers.used_paths([blob.path for blob in batch])
            count += await self._remove([blob for blob in batch if blob.path not in used])
        return count

    async def _sweep_artifacts(self, before: int) -> int:
        count = 0
        async for batch in self._old(ARTIFACTS, before):
            # After the bytes were listed: whose tenant is not among these has no session.
            tenants = {tenant_digest(tenant): tenant for tenant in await self.tiers.tenants()}
            names = {blob.path: _name(blob.path, tenants) for blob in batch}
            used = await self.tiers.used_artifacts([name for name in names.values() if name])
            count += await self._remove([blob for blob in batch if names[blob.path] not in used])
        return count

    async def _sweep_uploads(self, before: int) -> int:
        """An upload may take longer than the grace: it is over when nothing was added for so long."""
        uploads: dict[str, list[Blob]] = {}
        async for blob in self.blobs.list(UPLOADS):
            uploads.setdefault(blob.path.rpartition("/")[0], []).append(blob)
        over = (parts for parts in uploads.values() if max(part.modified_us for part in parts) < before)
        return sum([await self._remove(parts) for parts in over])

    async def _old(self, folder: str, before: int) -> AsyncIterator[list[Blob]]:
        batch: list[Blob] = []
        async for blob in self.blobs.list(folder):
            if blob.modified_us < before:
                batch.append(blob)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _remove(self, blobs: list[Blob]) -> int:
        count = 0
        for blob in blobs:
            # Whoever is about to refer to an object writes it anew, or touches it: then it is not that old any more.
            now = await self.blobs.head(blob.path)
            if now is not None and now.modified_us == blob.modified_us:
                await self.blobs.delete(blob.path)
                log.debug("removed an orphan", path=blob.path)
                count += 1
        return count


def _name(path: str, tenants: Mapping[str, str]) -> tuple[str, str] | None:
    """(tenant, SHA-256) of an artifact; None when nobody can refer to it."""
    _, digest, _, sha256 = path.split("/")
    return (tenants[digest], sha256) if digest in tenants else None
