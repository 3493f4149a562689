"""The index of a file: where which events are, found from the file's end."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from ..domain.events import StoredEvent
from .frames import NOWHERE, Place

_ENTRY = struct.Struct(">QQQQI")
ENTRY_BYTES = _ENTRY.size
_TRAILER = struct.Struct(">QI")
_CRC = struct.Struct(">I")
_TRAILER_MAGIC = b"\x89SJE\r\n\x1a\x01"
TRAILER_BYTES = _TRAILER.size + _CRC.size + len(_TRAILER_MAGIC)
LARGEST = (1 << 63) - 1


class Entry(NamedTuple):
    """A frame of events: its first and last revision, the kinds of all its changes, and its place in the file."""

    first: int
    last: int
    mask: int
    offset: int
    length: int

    def pack(self) -> bytes:
        return _ENTRY.pack(*self)


def entry_of(events: Sequence[StoredEvent], offset: int, length: int) -> Entry:
    """The entry of a frame that holds these events."""
    mask = 0
    for event in events:
        mask |= event.mask
    return Entry(events[0].revision, events[-1].revision, mask, offset, length)


class Index(Sequence[Entry]):
    """The entries of an index frame, in order; they stay packed."""

    def __init__(self, packed: bytes, place: Place = NOWHERE) -> None:
        """Raises FileInvalidError unless the entries follow one another."""
        if len(packed) % ENTRY_BYTES:
            raise place.error("content", "the index is not a whole number of entries")
        self._packed = packed
        last, end = 0, 0
        for entry in self:
            if entry.first != last + 1 or entry.last < entry.first or entry.offset < end or entry.last > LARGEST:
                raise place.error("content", "the entries of the index do not follow one another")
            last, end = entry.last, entry.offset + entry.length

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self._packed)

    def __len__(self) -> int:
        return len(self._packed) // ENTRY_BYTES

    def __iter__(self) -> Iterator[Entry]:
        return map(Entry._make, _ENTRY.iter_unpack(self._packed))

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        return Entry._make(_ENTRY.unpack_from(self._packed, at * ENTRY_BYTES))

    def between(self, after: int, before: int | None) -> range:
        """Which frames may hold events between two revisions (exclusive)."""
        begin = bisect_right(self, after, key=lambda entry: entry.last)
        end = len(self) if before is None else bisect_left(self, before, key=lambda entry: entry.first)
        return range(begin, max(begin, end))


class Trailer(NamedTuple):
    """The last bytes of a file: where its index frame is."""

    offset: int
    length: int

    def pack(self) -> bytes:
        fields = _TRAILER.pack(*self)
        return fields + _CRC.pack(zlib.crc32(fields)) + _TRAILER_MAGIC


def parse_trailer(encoded: bytes, place: Place = NOWHERE) -> Trailer:
    """Raises FileInvalidError unless these are the last bytes of a file."""
    fields, checksum, magic = encoded[: _TRAILER.size], encoded[_TRAILER.size : -8], encoded[-8:]
    if len(encoded) != TRAILER_BYTES or magic != _TRAILER_MAGIC:
        raise place.error("truncated", "the file does not end as a file of a session does")
    if checksum != _CRC.pack(zlib.crc32(fields)):
        raise place.error("checksum", "the file's last bytes are damaged")
    return Trailer(*_TRAILER.unpack(fields))
