"""Writing files."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

import zstandard

from ..domain.errors import ArtifactCorruptError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..ports.archives import ArchivedArtifact, ArtifactSource
from . import records
from .frames import MAGIC, Kind, pack
from .index import Trailer, entry_of
from .records import End
from .threads import threaded

EVENTS_BYTES = 256 << 10
"""A frame of events is about this large, so that reading a few of them does not mean reading many."""
DATA_BYTES = 1 << 20


async def write_file(
    folded: Folded, events: AsyncIterator[Sequence[StoredEvent]], artifacts: AsyncIterator[ArtifactSource] | None,
    *, level: int, written_us: int, producer: str,
) -> AsyncIterator[bytes]:  # fmt: skip
    """The contract is `ports.Archives.write`'s."""
    session, frames = folded.session, _FrameWriter(level)
    yield MAGIC + await frames.add(Kind.HEADER, records.render_header(session, written_us, producer))
    state = sum(map(len, session.state.values())) + sum(map(len, session.results.values()))
    yield await frames.add(Kind.SESSION, await threaded(state, partial(records.render_session, folded)))
    async for batch in _batches(events):
        yield await frames.add_events(batch)
    if frames.revision != session.revision:
        raise ValueError(f"events end at revision {frames.revision}, the session is at {session.revision}")
    if artifacts is not None:
        seen: set[str] = set()
        async for source in artifacts:
            if source.sha256 not in seen:  # what is attached twice is in the file once
                seen.add(source.sha256)
                async for piece in _artifact(frames, source):
                    yield piece
    yield await frames.end()


class _FrameWriter:
    """Makes frames and remembers what the end of the file says of them."""

    def __init__(self, level: int) -> None:
        self.revision = 0
        """Of the last event."""
        self._compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)
        self._digest = hashlib.sha256(MAGIC)
        self._frames = 0
        self._offset = len(MAGIC)
        self._index = bytearray()

    async def add(self, kind: Kind, raw: bytes) -> bytes:
        """The next frame."""
        frame = await threaded(len(raw), partial(self._pack, kind, raw))
        self._frames += 1
        self._offset += len(frame)
        return frame

    async def add_events(self, events: Sequence[StoredEvent]) -> bytes:
        """The next frame of events, which goes into the index."""
        for event in events:
            if event.revision != self.revision + 1:
                raise ValueError(f"the event after revision {self.revision} is of revision {event.revision}")
            self.revision += 1
        offset = self._offset
        frame = await self.add(Kind.EVENTS, b"".join(records.render_events(events)))
        self._index += entry_of(events, offset, len(frame)).pack()
        return frame

    async def end(self) -> bytes:
        """All that comes last."""
        offset = self._offset
        index = await self.add(Kind.INDEX, bytes(self._index))
        end = records.render_end(End(self._frames, self.revision, self._digest.hexdigest()))
        return index + pack(Kind.END, end, self._compressor) + Trailer(offset, len(index)).pack()

    def _pack(self, kind: Kind, raw: bytes) -> bytes:
        frame = pack(kind, raw, self._compressor)
        self._digest.update(frame)
        return frame


async def _batches(events: AsyncIterator[Sequence[StoredEvent]]) -> AsyncIterator[list[StoredEvent]]:
    """The same events in lists that make a frame each."""
    batch: list[StoredEvent] = []
    size = 0
    async for page in events:
        for event in page:
            if batch and size + len(event.body) > EVENTS_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(event)
            size += len(event.body) + records.RECORD_BYTES
    if batch:
        yield batch


async def _artifact(frames: _FrameWriter, source: ArtifactSource) -> AsyncIterator[bytes]:
    """The frames of an artifact. Raises ArtifactCorruptError when its bytes are not what they should be."""
    yield await frames.add(Kind.ARTIFACT, records.render_artifact(ArchivedArtifact(source.sha256, source.size)))
    digest, size = hashlib.sha256(), 0
    async for block in _blocks(source.pieces):
        await threaded(len(block), partial(digest.update, block))
        size += len(block)
        if size > source.size:
            break
        yield await frames.add(Kind.DATA, block)
    if size != source.size or digest.hexdigest() != source.sha256:
        raise ArtifactCorruptError(source.sha256, expected=source.sha256, actual=digest.hexdigest(), stored=True)


async def _blocks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of one size, but for the last."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        while len(held) >= DATA_BYTES:
            yield bytes(held[:DATA_BYTES])
            del held[:DATA_BYTES]
    if held:
        yield bytes(held)
