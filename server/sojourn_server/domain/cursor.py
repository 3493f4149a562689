"""Opaque resume tokens.

A session cursor is (uid, incarnation, revision, commit time). The commit time serves as a digest: when the store
lost history and used a revision again, the commit time of that revision differs, so the loss is noticed however the
numbers look.
A shard cursor, for watches over many sessions, is one sequence number per shard.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

from .errors import PositionError

_HEAD = struct.Struct(">BQQQQ")
_SESSION, _SHARDS = 0x71, 0x72


class SessionCursor(NamedTuple):
    """A place in one session's log. `commit_us` is 0 before the first event and where the commit time is unknown."""

    uid: str
    incarnation: str
    revision: int
    commit_us: int

    def encode(self) -> str:
        return _text(_HEAD.pack(_SESSION, int(self.uid, 16), int(self.incarnation, 16), self.revision, self.commit_us))


class ShardCursor(NamedTuple):
    """A place in the logs of all shards: per shard its incarnation's checksum and its last sequence number."""

    checksum: int
    sequences: tuple[int, ...]

    def encode(self) -> str:
        numbers = struct.pack(
            f">BIH{len(self.sequences)}Q", _SHARDS, self.checksum, len(self.sequences), *self.sequences
        )
        return _text(bytes([_SHARDS]) + zlib.compress(numbers, 1))


def decode_session_cursor(token: str, field: str) -> SessionCursor:
    """Raises PositionError (CURSOR_MALFORMED) for anything but a session cursor."""
    raw = _bytes(token, field)
    if len(raw) != _HEAD.size or raw[0] != _SESSION:
        raise _malformed(field)
    _, uid, incarnation, revision, commit_us = _HEAD.unpack(raw)
    return SessionCursor(f"{uid:016x}", f"{incarnation:016x}", revision, commit_us)


def decode_shard_cursor(token: str, field: str, shards: int) -> ShardCursor:
    """Raises PositionError (CURSOR_MALFORMED) for anything but a cursor over `shards` shards."""
    raw = _bytes(token, field)
    shape = struct.Struct(f">BIH{shards}Q")
    try:
        if not raw or raw[0] != _SHARDS:
            raise _malformed(field)
        unpacker = zlib.decompressobj()
        numbers = unpacker.decompress(raw[1:], shape.size + 1)
        _, checksum, count, *sequences = shape.unpack(numbers)
    except (zlib.error, struct.error):
        raise _malformed(field) from None
    if count != shards:
        raise _malformed(field)
    return ShardCursor(checksum, tuple(sequences))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(token: str, field: str) -> bytes:
    try:
        return base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(field) from None


def _malformed(field: str) -> PositionError:
    return PositionError(f"{field}: not a cursor of this call", reason="CURSOR_MALFORMED", field=field)
