"""The Archives port."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from .. import __version__
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..ports.archives import ArchiveHeader, ArchivePart, ArtifactSource
from ..ports.blobs import BlobStore
from .reading import UNLIMITED, FileLimits, read_file
from .stored import StoredFiles
from .writing import write_file


class SessionFiles:
    """The contract of each method is `ports.Archives`'s. `limits` are those of files of unknown origin; `clock` gives
    microseconds since the epoch."""

    def __init__(
        self, limits: FileLimits | None = None, *, producer: str = f"sojourn {__version__}",
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:  # fmt: skip
        self._limits = limits or FileLimits()
        self._producer = producer
        self._clock = clock
        self._stored = StoredFiles()

    def write(
        self, folded: Folded, events: AsyncIterator[Sequence[StoredEvent]],
        artifacts: AsyncIterator[ArtifactSource] | None = None, *, level: int = 3,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        return write_file(folded, events, artifacts, level=level, written_us=self._clock(), producer=self._producer)

    def read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[ArchivePart]:
        return read_file(pieces, self._limits)

    async def verify(self, blobs: BlobStore, path: str) -> ArchiveHeader:
        async with aclosing(read_file(blobs.read(path), UNLIMITED)) as parts:
            header = await anext(parts)
            async for _ in parts:
                pass
        assert isinstance(header, ArchiveHeader)
        return header

    async def session(self, blobs: BlobStore, path: str) -> Folded:
        return await self._stored.session(blobs, path)

    async def events(
        self, blobs: BlobStore, path: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> list[StoredEvent]:
        return await self._stored.events(
            blobs, path, after=after, before=before, mask=mask, count=count, reverse=reverse
        )  # fmt: skip
