"""Frames: the pieces a file is made of, each with its lengths and checksums."""

from __future__ import annotations

import struct
import threading
import zlib
from enum import IntEnum
from typing import NamedTuple

import zstandard

from ..domain.errors import FileInvalidError

VERSION = 1
_SIGNATURE = b"\x89SJA\r\n\x1a"
MAGIC = _SIGNATURE + bytes([VERSION])

COMPRESSED, OPTIONAL = 1, 2
"""Flags: the payload is zstd; a reader that does not know the kind may skip the frame."""
MOST_RATIO = 256
"""No frame is compressed harder than this, so that a small file cannot become a large one."""
MOST_WINDOW = 8 << 20
PLAIN_BYTES = 256
"""Frames up to this size are not worth compressing."""

_FIELDS = struct.Struct(">BBIII")
_CRC = struct.Struct(">I")
HEAD_BYTES = _FIELDS.size + _CRC.size


class Kind(IntEnum):
    """What a frame holds."""

    HEADER = 1
    SESSION = 2
    EVENTS = 3
    ARTIFACT = 4
    DATA = 5
    INDEX = 6
    END = 7


class Place(NamedTuple):
    """Where in a file something is wrong. Frames are counted from 0; `offset` is that of the frame's first byte."""

    frame: int | None
    offset: int | None

    def error(self, problem: str, message: str) -> FileInvalidError:
        return FileInvalidError(message, problem=problem, frame=self.frame, offset=self.offset)


NOWHERE = Place(None, None)
"""In a part of a file, whose frames were not counted."""


class Head(NamedTuple):
    """What stands before a frame's payload. Lengths in bytes: in the file, and of what it stands for."""

    kind: int
    flags: int
    stored: int
    raw: int
    checksum: int


class Frame(NamedTuple):
    """A frame that was read."""

    kind: Kind
    raw: bytes
    place: Place
    size: int
    """Bytes it takes in the file."""


class _Own(threading.local):
    """Each thread has a decompressor of its own; making one costs more than most frames."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()


_own = _Own()


def pack(kind: Kind, raw: bytes, compressor: zstandard.ZstdCompressor) -> bytes:
    """A whole frame; compressed if that makes it smaller, and not beyond what readers take."""
    payload, flags = raw, 0
    if len(raw) > PLAIN_BYTES:
        compressed = compressor.compress(raw)
        if len(compressed) < len(raw) <= len(compressed) * MOST_RATIO:
            payload, flags = compressed, COMPRESSED
    fields = _FIELDS.pack(kind, flags, len(payload), len(raw), zlib.crc32(payload))
    return b"".join((fields, _CRC.pack(zlib.crc32(fields)), payload))


def check_magic(magic: bytes) -> None:
    """Raises FileInvalidError unless a file begins with this."""
    place = Place(0, 0)
    if magic[: len(_SIGNATURE)] != _SIGNATURE[: len(magic)]:
        raise place.error("magic", "this is no file of a session")
    if len(magic) < len(MAGIC):
        raise place.error("truncated", "the file ends in its first bytes")
    if magic != MAGIC:
        raise place.error("version", f"the file is of version {magic[-1]}; this server reads version {VERSION}")


def parse_head(encoded: bytes, place: Place) -> Head:
    """Checks all that can be known from the head alone; limits are the caller's."""
    (checksum,) = _CRC.unpack_from(encoded, _FIELDS.size)
    if zlib.crc32(encoded[: _FIELDS.size]) != checksum:
        raise place.error("checksum", "the head of the frame is damaged")
    head = Head(*_FIELDS.unpack_from(encoded))
    if head.flags & ~(COMPRESSED | OPTIONAL):
        raise place.error("version", f"the frame has flags ({head.flags}) that this server does not know")
    if head.flags & COMPRESSED:
        if head.stored >= head.raw:
            raise place.error("content", "the frame is compressed and not smaller for it")
        if head.stored * MOST_RATIO < head.raw:
            raise place.error("limit", f"the frame is compressed more than {MOST_RATIO} to 1")
    elif head.stored != head.raw:
        raise place.error("content", "the frame is not compressed and has two lengths")
    return head


def check_payload(head: Head, payload: bytes, place: Place) -> None:
    """Raises FileInvalidError when the payload is damaged."""
    if zlib.crc32(payload) != head.checksum:
        raise place.error("checksum", "the payload of the frame is damaged")


def unpack(head: Head, payload: bytes, place: Place) -> bytes:
    """What a frame's payload stands for. Takes no more memory than `head.raw`, whatever the payload claims."""
    check_payload(head, payload, place)
    if not head.flags & COMPRESSED:
        return payload
    try:
        found = zstandard.get_frame_parameters(payload)
        if found.content_size != head.raw:
            raise place.error("content", "the frame is compressed and does not have the length it says")
        if found.window_size > max(MOST_WINDOW, head.raw):
            raise place.error("limit", f"the frame is compressed with a window of {found.window_size} bytes")
        raw = _own.decompressor.decompress(payload, max_output_size=head.raw, allow_extra_data=False)
    except zstandard.ZstdError:
        raise place.error("content", "the frame cannot be decompressed") from None
    if len(raw) != head.raw:
        raise place.error("content", "the frame is compressed and does not have the length it says")
    return raw
