"""A session as one file, as it is at one revision, whatever tier it is in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from ..domain.artifacts import is_sha256
from ..domain.details import ArtifactDetail, Detail
from ..domain.errors import NotFoundError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..domain.paths import artifact_path
from ..domain.session import Session, SessionKey
from ..ports import ActiveStore, EventCodec, EventQuery
from ..ports.archives import Archives, ArtifactSource
from ..ports.blobs import BlobStore
from .history import History
from .spooling import Spool

PAGE_EVENTS = 500

Redact = Callable[[Sequence[StoredEvent]], Awaitable[Sequence[StoredEvent]]]
"""Leaves things out of events."""


class ExportFormat(IntEnum):
    """What a session is written as. The numbers are those of the protos."""

    ARCHIVE = 1
    JSON_LINES = 2


class LineFormat(Protocol):
    """Writes JSON lines."""

    def write(self, session: Session, pages: AsyncIterator[Sequence[StoredEvent]]) -> AsyncIterator[bytes]:
        """The bytes of the file of a session with these events."""
        ...


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What to write, and how."""

    format: ExportFormat = ExportFormat.ARCHIVE
    artifacts: bool = False
    redact: Redact | None = None


@dataclass
class Exporting:
    """Writes files."""

    store: ActiveStore
    """Over all tiers."""
    history: History
    archives: Archives
    lines: LineFormat
    blobs: BlobStore
    codec: EventCodec
    details: Callable[[bytes], Sequence[Detail]]
    max_bytes: int
    """Most bytes of events that are kept in a temporary file."""

    async def export(self, key: SessionKey, query: ExportQuery) -> tuple[int, AsyncIterator[bytes]]:
        """The revision that the session is exported at, and the bytes of the file, to be closed with `aclose`.

        Raises, also from the iteration:
            NotFoundError: there is no such session, or it is deleted meanwhile.
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError, TooLargeError.
        """
        session = await self.store.get(key, full=False)
        pages = self._pages(key, session, query.redact)
        if query.format is ExportFormat.JSON_LINES:
            return session.revision, self.lines.write(session, pages)
        return session.revision, self._archive(key, session, pages, with_artifacts=query.artifacts)

    async def _pages(
        self, key: SessionKey, session: Session, redact: Redact | None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """Events 1 to the session's revision."""
        after, last = 0, session.revision
        while after < last:
            page = await self.history.events(key, EventQuery(after, last + 1, count=PAGE_EVENTS))
            if page.head.uid != session.uid or not page.events or page.events[0].revision != after + 1:
                raise NotFoundError.missing(key.session_id)  # it was deleted meanwhile, or fell back behind us
            after = page.events[-1].revision
            yield await redact(page.events) if redact else page.events

    async def _archive(
        self, key: SessionKey, session: Session, pages: AsyncIterator[Sequence[StoredEvent]], *, with_artifacts: bool
    ) -> AsyncIterator[bytes]:
        """The session comes first in the file, and is the fold of what follows: so the events are kept aside first."""
        folded = Folded(Session(session.id, session.uid, session.incarnation))
        digests: dict[str, int] = {}
        async with Spool(self.max_bytes) as spool:
            async for events in pages:
                for event in events:
                    folded.add(self.codec.decode(event.body), event.commit_us)
                    if with_artifacts:
                        digests |= _attached(self.details(event.body))
                await spool.add(events)
            folded.session.tier = session.tier
            artifacts = self._artifacts(key.tenant, digests) if digests else None
            async with aclosing(self.archives.write(folded, spool.pages(), artifacts)) as data:  # type: ignore[type-var]
                async for piece in data:
                    yield piece

    async def _artifacts(self, tenant: str, digests: dict[str, int]) -> AsyncIterator[ArtifactSource]:
        """The bytes that we have: a writer may keep its artifacts elsewhere."""
        for sha256 in digests:
            path = artifact_path(tenant, sha256)
            blob = await self.blobs.head(path)
            if blob is not None:
                yield ArtifactSource(sha256, blob.size, self.blobs.read(path))


def _attached(details: Sequence[Detail]) -> dict[str, int]:
    """Digests of artifacts and their sizes."""
    return {
        detail.sha256: detail.size_bytes
        for detail in details
        if isinstance(detail, ArtifactDetail) and not detail.uri and is_sha256(detail.sha256)
    }
