"""Opaque resume tokens.

A session cursor is (uid, incarnation, revision, commit time). The commit time serves as a digest: when the store
lost history and used a revision again, the commit time of that revision differs, so the loss is noticed however the
numbers look.
A shard cursor, for watches over many sessions, is one position per shard: the sequence number of a commit and 16 bits
of its commit time, for the same reason.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

from .errors import PositionError

_HEAD = struct.Struct(">BQQQQ")
_PLACE = struct.Struct(">QQ")
_STANDARD = bytes.maketrans(b"-_+/", b"+/\x00\x00")
"""From the letters of URLs to those that the decoder knows; theirs are none of ours."""
_SESSION, _SHARDS = 0x71, 0x72


class SessionCursor(NamedTuple):
    """A place in one session's log. `commit_us` is 0 before the first event and where the commit time is unknown."""

    uid: str
    incarnation: str
    revision: int
    commit_us: int

    def encode(self) -> str:
        return _text(_HEAD.pack(_SESSION, int(self.uid, 16), int(self.incarnation, 16), self.revision, self.commit_us))


class ShardPosition(NamedTuple):
    """A place in the log of one shard: a commit, and a digest of its time. Sequence 0 is before the first."""

    sequence: int
    digest: int


def shard_position(sequence: int, commit_us: int) -> ShardPosition:
    """The position of a commit."""
    return ShardPosition(sequence, commit_us % 65536)


class ShardCursor(NamedTuple):
    """A place in the logs of all shards; `checksum` is that of their incarnations."""

    checksum: int
    positions: tuple[ShardPosition, ...]

    def encode(self) -> str:
        sequences, digests = zip(*self.positions, strict=True)
        numbers = _shape(len(sequences)).pack(_SHARDS, self.checksum, len(sequences), *sequences, *digests)
        return _text(bytes([_SHARDS]) + zlib.compress(numbers, 1))


def decode_session_cursor(token: str, field: str) -> SessionCursor:
    """Raises PositionError (CURSOR_MALFORMED) for anything but a session cursor."""
    raw = _bytes(token, field)
    if len(raw) != _HEAD.size or raw[0] != _SESSION:
        raise _malformed(field)
    # Most writes have one: this is the quickest way.
    return SessionCursor(raw[1:9].hex(), raw[9:17].hex(), *_PLACE.unpack_from(raw, 17))


def decode_shard_cursor(token: str, field: str, shards: int) -> ShardCursor:
    """Raises PositionError (CURSOR_MALFORMED) for anything but a cursor over `shards` shards."""
    raw = _bytes(token, field)
    shape = _shape(shards)
    try:
        if not raw or raw[0] != _SHARDS:
            raise _malformed(field)
        unpacker = zlib.decompressobj()
        numbers = unpacker.decompress(raw[1:], shape.size + 1)
        _, checksum, count, *rest = shape.unpack(numbers)
    except (zlib.error, struct.error):
        raise _malformed(field) from None
    if count != shards:
        raise _malformed(field)
    return ShardCursor(checksum, tuple(map(ShardPosition, rest[:shards], rest[shards:])))


def _shape(shards: int) -> struct.Struct:
    return struct.Struct(f">BIH{shards}Q{shards}H")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(token: str, field: str) -> bytes:
    try:
        letters = token.encode("ascii").translate(_STANDARD) + b"=" * (-len(token) % 4)
        return binascii.a2b_base64(letters, strict_mode=True)
    except (binascii.Error, ValueError):
        raise _malformed(field) from None


def _malformed(field: str) -> PositionError:
    return PositionError(f"{field}: not a cursor of this call", reason="CURSOR_MALFORMED", field=field)
