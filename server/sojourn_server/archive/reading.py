"""Reading files, frame by frame and in their one order."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..domain.errors import FileInvalidError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..ports.archives import ArchivedArtifact, ArchiveHeader, ArchivePart
from . import records
from .documents import ContentError
from .frames import (
    HEAD_BYTES,
    MAGIC,
    OPTIONAL,
    Frame,
    Head,
    Kind,
    Place,
    check_magic,
    check_payload,
    parse_head,
    unpack,
)
from .index import TRAILER_BYTES, Trailer, entry_of, parse_trailer
from .records import Identity
from .threads import threaded

T = TypeVar("T")
MOST_BYTES: dict[Kind | None, int] = {
    Kind.HEADER: 64 << 10, Kind.EVENTS: 16 << 20, Kind.ARTIFACT: 64 << 10, Kind.DATA: 4 << 20, Kind.INDEX: 16 << 20,
    Kind.END: 64 << 10,
}  # fmt: skip
"""What a frame's payload may stand for; SESSION has its own limit."""
MOST_SKIPPED = 4 << 20
MOST_ARTIFACTS = 100_000


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How much a file may be, in bytes once it is decompressed."""

    session_bytes: int = 64 << 20
    total_bytes: int = 1 << 40


UNLIMITED = FileLimits((1 << 32) - 1, 1 << 62)
"""For what the server wrote itself, whatever its settings were then."""


class FrameReader:
    """The frames of a file, from its first byte on."""

    def __init__(self, pieces: AsyncIterator[bytes], limits: FileLimits) -> None:
        self.frames = 0
        """How many were read; END does not count."""
        self._digest = hashlib.sha256()
        self._bytes = _Bytes(pieces)
        self._limits = limits
        self._raw = 0

    @property
    def sha256(self) -> str:
        """Of all that was read, without END."""
        return self._digest.hexdigest()

    async def begin(self) -> None:
        """Reads what is before the first frame."""
        magic = await self._bytes.take(len(MAGIC))
        check_magic(magic)
        self._digest.update(magic)

    async def next(self) -> Frame:
        """The next frame of a kind we know, decompressed."""
        while True:
            place = Place(self.frames, self._bytes.offset)
            encoded = await self._take(HEAD_BYTES, place)
            head = parse_head(encoded, place)
            kind = self._checked(head, place)
            payload = await self._take(head.stored, place)
            raw = await threaded(head.raw, partial(self._unpack, head, encoded, payload, place))
            self.frames += kind is not Kind.END
            if kind is not None:
                return Frame(kind, raw, place, HEAD_BYTES + head.stored)

    async def expect(self, kind: Kind) -> Frame:
        """The next frame, which must be of this kind."""
        frame = await self.next()
        if frame.kind is not kind:
            raise unexpected(frame, kind)
        return frame

    async def trailer(self) -> Trailer:
        """What is after the last frame, and nothing else."""
        place = Place(self.frames, self._bytes.offset)
        found = parse_trailer(await self._bytes.take(TRAILER_BYTES), place)
        if await self._bytes.take(1):
            raise place.error("order", "something follows the end of the file")
        return found

    def _unpack(self, head: Head, encoded: bytes, payload: bytes, place: Place) -> bytes:
        if head.kind != Kind.END:
            self._digest.update(encoded)
            self._digest.update(payload)
        if head.kind in _KINDS:
            return unpack(head, payload, place)
        check_payload(head, payload, place)
        return b""

    def _checked(self, head: Head, place: Place) -> Kind | None:
        kind = _KINDS.get(head.kind)
        if kind is None and not head.flags & OPTIONAL:
            raise place.error("version", f"the frame is of a kind ({head.kind}) that this server does not know")
        most = self._limits.session_bytes if kind is Kind.SESSION else MOST_BYTES.get(kind, MOST_SKIPPED)
        if head.raw > most:
            raise place.error("limit", f"the frame has {head.raw} bytes; {most} are allowed")
        self._raw += head.raw
        if self._raw > self._limits.total_bytes:
            raise place.error("limit", f"the file has more than {self._limits.total_bytes} bytes")
        return kind

    async def _take(self, size: int, place: Place) -> bytes:
        found = await self._bytes.take(size)
        if len(found) < size:
            raise place.error("truncated", "the file ends within a frame, or before its last one")
        return found


_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}


class _Bytes:
    """Pieces of any size as a stream that is read in other sizes."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self.offset = 0
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    async def take(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        parts, missing = [], size
        while True:
            part = self._piece[self._at : self._at + missing]
            self._at += len(part)
            self.offset += len(part)
            missing -= len(part)
            parts.append(part)
            if not missing:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            piece = await anext(self._pieces, None)
            if piece is None:
                return b"".join(parts)
            self._piece, self._at = piece, 0


def content(place: Place, parse: Callable[..., T], *arguments: object) -> T:
    """What a frame holds; raises FileInvalidError when it is not that."""
    try:
        return parse(*arguments)
    except ContentError as error:
        raise place.error("content", str(error)) from None


async def read_header(frames: FrameReader) -> tuple[ArchiveHeader, Identity]:
    """What every file begins with."""
    await frames.begin()
    frame = await frames.expect(Kind.HEADER)
    return content(frame.place, records.parse_header, frame.raw)


async def read_session(frames: FrameReader) -> tuple[ArchiveHeader, Identity, Folded]:
    """The header, and the session that follows it."""
    header, identity = await read_header(frames)
    frame = await frames.expect(Kind.SESSION)
    folded = await threaded(len(frame.raw), partial(content, frame.place, records.parse_session, frame.raw))
    session = folded.session
    if (session.id, session.uid, session.incarnation, session.revision) != (*identity, header.revision):
        raise frame.place.error("content", "the session is not the one the file's header names")
    return header, identity, folded


async def read_file(pieces: AsyncIterator[bytes], limits: FileLimits) -> AsyncGenerator[ArchivePart, None]:
    """The contract is `ports.Archives.read`'s."""
    frames = FrameReader(pieces, limits)
    header, identity, folded = await read_session(frames)
    yield header
    yield folded
    frame = await frames.next()
    revision, index = 0, hashlib.sha256()
    while frame.kind is Kind.EVENTS:
        events = await read_events(frame, identity, revision + 1)
        revision = events[-1].revision
        if revision > header.revision:
            raise frame.place.error("order", f"there are more events than the {header.revision} the header says")
        index.update(entry_of(events, frame.place.offset or 0, frame.size).pack())
        yield events
        frame = await frames.next()
    if revision != header.revision:
        raise frame.place.error("order", f"expected the event of revision {revision + 1}")
    seen: set[bytes] = set()
    while frame.kind is Kind.ARTIFACT:
        artifact = _read_artifact(frame, seen)
        yield artifact
        async for data in _read_data(frames, frame.place, artifact):
            yield data
        frame = await frames.next()
    await _read_end(frames, frame, index.digest(), header)


async def read_events(frame: Frame, identity: Identity, first: int) -> list[StoredEvent]:
    """The events of a frame, from revision `first` on."""
    return await threaded(
        len(frame.raw), partial(content, frame.place, records.parse_events, frame.raw, identity, first)
    )


def _read_artifact(frame: Frame, seen: set[bytes]) -> ArchivedArtifact:
    artifact = content(frame.place, records.parse_artifact, frame.raw)
    key = bytes.fromhex(artifact.sha256)
    if key in seen:
        raise frame.place.error("order", "the artifact was in the file before")
    if len(seen) == MOST_ARTIFACTS:
        raise frame.place.error("limit", f"there are more than {MOST_ARTIFACTS} artifacts")
    seen.add(key)
    return artifact


async def _read_data(frames: FrameReader, place: Place, artifact: ArchivedArtifact) -> AsyncIterator[bytes]:
    digest, left = hashlib.sha256(), artifact.size
    while left:
        frame = await frames.expect(Kind.DATA)
        left -= len(frame.raw)
        if left < 0 or not frame.raw:
            raise frame.place.error("content", "the artifact does not have the size it says")
        await threaded(len(frame.raw), partial(digest.update, frame.raw))
        yield frame.raw
    if digest.hexdigest() != artifact.sha256:
        raise place.error("checksum", "the bytes of the artifact do not have the SHA-256 it says")


async def _read_end(frames: FrameReader, index: Frame, index_digest: bytes, header: ArchiveHeader) -> None:
    if index.kind is not Kind.INDEX:
        raise unexpected(index, Kind.INDEX)
    if hashlib.sha256(index.raw).digest() != index_digest:
        raise index.place.error("content", "the index does not tell where the events are")
    frame = await frames.expect(Kind.END)
    end = content(frame.place, records.parse_end, frame.raw)
    if end.sha256 != frames.sha256:
        raise frame.place.error("checksum", "the file does not have the SHA-256 it says")
    if (end.frames, end.events) != (frames.frames, header.events):
        raise frame.place.error("content", "the file does not have as many frames or events as it says")
    if await frames.trailer() != (index.place.offset, index.size):
        raise frame.place.error("content", "the file's last bytes do not tell where the index is")


def unexpected(frame: Frame, kind: Kind) -> FileInvalidError:
    """The error for a frame that stands where one of another kind should."""
    return frame.place.error("order", f"expected a frame {kind.name}, not {frame.kind.name}")
