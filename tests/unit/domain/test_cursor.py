"""Resume tokens."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn_server.domain.cursor import (
    SessionCursor,
    ShardCursor,
    ShardPosition,
    decode_session_cursor,
    decode_shard_cursor,
    shard_position,
)
from sojourn_server.domain.errors import PositionError

U64 = st.integers(0, 2**64 - 1)
HEX = U64.map(lambda n: f"{n:016x}")
session_cursors = st.builds(SessionCursor, HEX, HEX, U64, U64)
positions = st.builds(ShardPosition, U64, st.integers(0, 65535))
shard_cursors = st.builds(
    ShardCursor, st.integers(0, 2**32 - 1), st.lists(positions, min_size=4, max_size=4).map(tuple)
)


def malformed(decode, *args) -> None:
    with pytest.raises(PositionError) as raised:
        decode(*args)
    assert (raised.value.reason, raised.value.metadata) == ("CURSOR_MALFORMED", {"field": "after"})


@given(session_cursors)
def test_a_session_cursor_is_what_it_was(cursor):
    token = cursor.encode()
    assert decode_session_cursor(token, "after") == cursor
    assert token.isascii()
    assert not set(token) & set("+/= ")


@given(shard_cursors)
def test_a_shard_cursor_is_what_it_was(cursor):
    assert decode_shard_cursor(cursor.encode(), "after", 4) == cursor


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"\x71" + rest))
def test_random_bytes_are_no_cursor(raw):
    for token in (base64.urlsafe_b64encode(raw).decode(), base64.urlsafe_b64encode(raw).rstrip(b"=").decode()):
        if len(raw) != 33 or raw[0] != 0x71:
            malformed(decode_session_cursor, token, "after")
        else:
            assert base64.urlsafe_b64decode(decode_session_cursor(token, "after").encode() + "==") == raw
        if not raw.startswith(b"\x72"):
            malformed(decode_shard_cursor, token, "after", 4)


@given(st.text(max_size=40))
def test_random_text_raises_nothing_else(token):
    malformed(decode_session_cursor, token, "after")
    malformed(decode_shard_cursor, token, "after", 4)


@given(st.binary(max_size=200))
def test_random_compressed_bytes_raise_nothing_else(numbers):
    token = base64.urlsafe_b64encode(b"\x72" + zlib.compress(numbers)).decode()
    malformed(decode_shard_cursor, token, "after", 4)


@given(shard_cursors, st.integers(1, 300).filter(lambda n: n != 4))
def test_a_cursor_over_another_number_of_shards(cursor, shards):
    malformed(decode_shard_cursor, cursor.encode(), "after", shards)


@given(session_cursors, shard_cursors)
def test_one_kind_is_not_the_other(session, shards):
    malformed(decode_shard_cursor, session.encode(), "after", 4)
    malformed(decode_session_cursor, shards.encode(), "after")


@given(session_cursors, st.integers(0, 43))
def test_a_cursor_cut_short(cursor, length):
    malformed(decode_session_cursor, cursor.encode()[:length], "after")


def test_a_bomb_is_not_unpacked():
    bomb = zlib.compress(b"\0" * (64 << 20), 9)
    malformed(decode_shard_cursor, base64.urlsafe_b64encode(b"\x72" + bomb).decode(), "after", 256)


def test_the_digest_of_a_position_tells_times_apart():
    assert shard_position(7, 1_700_000_000_000_000) != shard_position(7, 1_700_000_000_000_001)
    assert shard_position(7, 65536 + 5) == ShardPosition(7, 5)


def test_a_cursor_over_all_shards_fits_the_metadata_of_an_error():
    busy = ShardCursor(2**32 - 1, tuple(shard_position(n * 7919 % 2**20, n * 104_729) for n in range(256)))
    assert len(busy.encode()) < 3000
