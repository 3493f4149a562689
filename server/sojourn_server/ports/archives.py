"""The port of the archive format: a session as one file. docs/archive-format.md describes the bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..domain.events import StoredEvent
from ..domain.fold import Folded
from .blobs import BlobStore


@dataclass(frozen=True, slots=True)
class ArchiveHeader:
    """The first thing in a file."""

    version: int
    session_id: str
    uid: str
    revision: int
    events: int
    """How many follow: always all of them, 1 to `revision`."""
    written_us: int
    producer: str


class ArchivedArtifact(NamedTuple):
    """The bytes of an artifact follow."""

    sha256: str
    size: int


ArchivePart = ArchiveHeader | Folded | list[StoredEvent] | ArchivedArtifact | bytes
"""In this order: the header, the session, its events (any number of lists), then for each artifact what it is and its
bytes (any number of pieces)."""


class ArtifactSource(NamedTuple):
    """An artifact to write."""

    sha256: str
    size: int
    pieces: AsyncIterator[bytes]


class Archives(Protocol):
    """Writes and reads files. Neither holds more than a few frames (of 1 MiB or so) in memory."""

    def write(
        self, folded: Folded, events: AsyncIterator[Sequence[StoredEvent]],
        artifacts: AsyncIterator[ArtifactSource] | None = None, *, level: int = 3,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        """The bytes of a file. `events` are all events of the session, in order; zstd tries as hard as `level` says, 1
        to 19."""
        ...

    def read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[ArchivePart]:
        """What is in a file of unknown origin, checked as far as it was read: order, lengths, checksums, limits. Only a
        read that came to its end was of a whole, undamaged file.

        Raises:
            FileInvalidError: what is wrong with it, and where.
        """
        ...

    async def verify(self, blobs: BlobStore, path: str) -> ArchiveHeader:
        """Reads a stored file back from its first to its last byte.

        Raises:
            FileInvalidError, BlobMissingError, BlobsUnavailableError.
        """
        ...

    async def session(self, blobs: BlobStore, path: str) -> Folded:
        """The session in a stored file, without reading the rest. Raises like `verify`."""
        ...

    async def events(
        self, blobs: BlobStore, path: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> list[StoredEvent]:
        """Events of a stored file between two revisions (exclusive); only frames that hold them are read. Raises like
        `verify`."""
        ...
