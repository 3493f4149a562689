"""Reading parts of a file that is in the blob store, by its beginning and its index."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from ..domain.errors import BlobMissingError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..ports.blobs import BlobStore
from .frames import HEAD_BYTES, NOWHERE, Frame, Kind, parse_head, unpack
from .index import TRAILER_BYTES, Index, parse_trailer
from .reading import MOST_BYTES, UNLIMITED, FrameReader, read_events, read_header, read_session
from .records import Identity
from .threads import threaded

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
FIRST_READ = LAST_READ = 64 << 10
"""Bytes of a file's beginning and end that are read at once: enough for most sessions and indexes."""
KNOWN_FILES, KNOWN_FRAMES = 256, 16
KNOWN_BYTES = 512 << 10
"""Indexes and frames that are larger are not kept."""


class _Known(NamedTuple):
    """What is kept of a file."""

    identity: Identity
    entries: Index


class StoredFiles:
    """Parts of files that never change. Keeps indexes, and the frames read last, for whoever reads page by page."""

    def __init__(self) -> None:
        self._files: _Recent[str, _Known] = _Recent(KNOWN_FILES)
        self._frames: _Recent[tuple[str, int], Frame] = _Recent(KNOWN_FRAMES)

    async def session(self, blobs: BlobStore, path: str) -> Folded:
        """Reads as much of the file's beginning as it takes."""
        async with aclosing(_growing(blobs, path)) as pieces:
            _, _, folded = await read_session(FrameReader(pieces, UNLIMITED))
        return folded

    async def events(
        self, blobs: BlobStore, path: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> list[StoredEvent]:
        """The contract is `ports.Archives.events`'s."""
        known = await self._look_up(blobs, path)
        frames = known.entries.between(after, before)
        found: list[StoredEvent] = []
        for number in reversed(frames) if reverse else frames:
            if len(found) >= count:
                break
            if mask and not known.entries[number].mask & mask:
                continue
            wanted = [
                event
                for event in await self._events_of(blobs, path, known, number)
                if after < event.revision
                and (before is None or event.revision < before)
                and (not mask or event.mask & mask)
            ]
            found += reversed(wanted) if reverse else wanted
        return found[:count]

    async def _look_up(self, blobs: BlobStore, path: str) -> _Known:
        known = self._files.get(path)
        if known is None:
            known = _Known(await _identity(blobs, path), await _index(blobs, path))
            self._files.put(path, known, known.entries.size)
        return known

    async def _events_of(self, blobs: BlobStore, path: str, known: _Known, number: int) -> list[StoredEvent]:
        entry = known.entries[number]
        frame = self._frames.get((path, number))
        if frame is None:
            frame = await _frame(blobs, path, Kind.EVENTS, entry.offset, entry.length)
            self._frames.put((path, number), frame, len(frame.raw))
        events = await read_events(frame, known.identity, entry.first)
        if events[-1].revision != entry.last:
            raise NOWHERE.error("content", "a frame of events does not hold what the index says")
        return events


class _Recent(Generic[K, V]):
    """What was used last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
        return found

    def put(self, key: K, value: V, size: int) -> None:
        """Keeps it, unless it is large."""
        if size <= KNOWN_BYTES:
            self._items[key] = value
            if len(self._items) > self._count:
                self._items.popitem(last=False)


async def _growing(blobs: BlobStore, path: str) -> AsyncGenerator[bytes, None]:
    """A file from its beginning, in ranges that grow: whoever wants little reads little."""
    start, size = 0, FIRST_READ
    while True:
        end = start
        async for piece in blobs.read(path, start=start, end=start + size):
            end += len(piece)
            yield piece
        if end < start + size:
            return
        start, size = end, size * 4


async def _identity(blobs: BlobStore, path: str) -> Identity:
    async with aclosing(_growing(blobs, path)) as pieces:
        _, identity = await read_header(FrameReader(pieces, UNLIMITED))
    return identity


async def _index(blobs: BlobStore, path: str) -> Index:
    found = await blobs.head(path)
    if found is None:
        raise BlobMissingError(path)
    begin = max(0, found.size - LAST_READ)
    tail = await _range(blobs, path, begin, found.size)
    offset, length = parse_trailer(tail[-TRAILER_BYTES:])
    if offset < begin:
        frame = await _frame(blobs, path, Kind.INDEX, offset, length)
    else:
        frame = await _unpacked(tail[offset - begin :][:length], Kind.INDEX, length)
    return Index(frame.raw)


async def _frame(blobs: BlobStore, path: str, kind: Kind, offset: int, length: int) -> Frame:
    if length > HEAD_BYTES + MOST_BYTES[kind]:
        raise NOWHERE.error("limit", f"a frame {kind.name} has {length} bytes")
    return await _unpacked(await _range(blobs, path, offset, offset + length), kind, length)


async def _unpacked(encoded: bytes, kind: Kind, length: int) -> Frame:
    if len(encoded) != length or length < HEAD_BYTES:
        raise NOWHERE.error("truncated", f"a frame {kind.name} is not whole")
    head = parse_head(encoded[:HEAD_BYTES], NOWHERE)
    payload = encoded[HEAD_BYTES:]
    if head.kind != kind or head.stored != len(payload) or head.raw > MOST_BYTES[kind]:
        raise NOWHERE.error("content", f"there is no frame {kind.name} where one should be")
    return Frame(kind, await threaded(head.raw, partial(unpack, head, payload, NOWHERE)), NOWHERE, length)


async def _range(blobs: BlobStore, path: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in blobs.read(path, start=start, end=end)])
