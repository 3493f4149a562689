"""Files of any origin: whole ones come back as they were written, all others are refused with their reason."""

import asyncio
import hashlib
import random
import struct
import tracemalloc
from dataclasses import replace

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn_server.archive import reading
from sojourn_server.archive.files import SessionFiles
from sojourn_server.archive.frames import MAGIC, Kind
from sojourn_server.archive.reading import FileLimits
from sojourn_server.domain.errors import ArtifactCorruptError, FileInvalidError
from sojourn_server.domain.fold import Folded
from sojourn_server.ports.archives import ArchivedArtifact, ArchiveHeader, ArtifactSource
from tests.support import archived as by_hand
from tests.support.archived import (
    BEGAN_US,
    COMPRESSED,
    INCARNATION,
    OPTIONAL,
    UID,
    cut,
    events_of,
    file_of,
    folded_of,
    frame,
    pages,
    parts_of,
    pieces,
    record,
    rich_session,
    whole,
)  # fmt: skip

PROBLEMS = {"magic", "version", "truncated", "checksum", "order", "limit", "content"}
MIB = 1 << 20
SMALL = [by_hand.header(), by_hand.session(), by_hand.events()]


def patient(examples: int) -> settings:
    """However slow the machine is."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


def read(data: bytes, limits: FileLimits | None = None, piece: int = 1 << 16) -> list:
    return asyncio.run(parts_of(data, SessionFiles(limits), piece))


def refused(data: bytes, limits: FileLimits | None = None) -> FileInvalidError:
    with pytest.raises(FileInvalidError) as raised:
        read(data, limits)
    error = raised.value
    assert error.metadata["problem"] in PROBLEMS
    assert 0 <= int(error.metadata["offset"]) <= len(data)
    return error


def problem_of(data: bytes) -> str | None:
    """Why a file is refused; None when it is not."""
    try:
        read(data)
    except FileInvalidError as error:
        return error.metadata["problem"]
    return None


def artifact_of(content: bytes) -> ArchivedArtifact:
    return ArchivedArtifact(hashlib.sha256(content).hexdigest(), len(content))


# --- what is written comes back ---


@pytest.mark.parametrize("piece", [1, 7, 1000, MIB])
async def test_a_session_comes_back_whole(piece):
    folded, contents = rich_session(), (b"first", b"", random.Random(1).randbytes(3000))
    data = await file_of(folded, None, *contents)
    parts = await parts_of(data, piece=piece)
    header = ArchiveHeader(1, "qa-1", UID, 3, 3, BEGAN_US, "test")
    first, empty, last = map(artifact_of, contents)
    assert parts == [header, folded, events_of(folded), first, contents[0], empty, last, contents[2]]


@patient(100)
@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=20),
    st.lists(st.binary(max_size=300), max_size=3, unique=True), st.integers(1, 19), st.integers(1, 500),
)  # fmt: skip
def test_any_events_and_artifacts_come_back(bodies, contents, level, piece):
    folded = folded_of(len(bodies))
    log = events_of(folded, bodies)
    data = asyncio.run(file_of(folded, log, *contents, level=level))
    expected = [folded, log]
    for content in contents:
        expected += [artifact_of(content), *([content] if content else [])]
    assert read(data, piece=piece)[1:] == expected


async def test_large_things_go_in_many_frames():
    noise, nothing = random.Random(2).randbytes(3 * MIB + 5), bytes(5 * MIB)
    bodies = [b"a" * 1000] * 600 + [noise[:MIB], b"b", noise[MIB:]] + [noise[:1000]] * 600
    folded = folded_of(len(bodies), state={f"k{n}": b'"%s"' % (b"v" * 900_000) for n in range(10)})
    data = await file_of(folded, events_of(folded, bodies), noise, nothing)
    lists = [part async for part in SessionFiles().read(cut(data, 100_000)) if isinstance(part, list)]
    assert len(lists) > 6
    assert all(len(part) == 1 or sum(len(event.body) for event in part) <= 1 << 18 for part in lists)
    parts = await parts_of(data)
    assert parts[1:] == [
        folded, events_of(folded, bodies), artifact_of(noise), noise, artifact_of(nothing), nothing
    ]  # fmt: skip


async def test_what_was_attached_twice_is_in_a_file_once():
    assert await file_of(folded_of(), None, b"a", b"b", b"a") == await file_of(folded_of(), None, b"a", b"b")


async def test_files_are_compressed_but_never_beyond_what_readers_take():
    text = b'"%s"' % b" ".join(b"word %d" % (n % 300) for n in range(20_000))
    folded = folded_of(1, state={"text": text})
    assert len(await file_of(folded)) < len(text) / 3
    folded = folded_of(1, state={"a": b'"%s"' % (b"a" * 500_000)})
    assert len(await file_of(folded)) > 500_000


# --- writers that are told something wrong ---


@pytest.mark.parametrize("revisions", [[], [1, 2], [1, 2, 3, 4], [2, 3], [1, 3], [1, 2, 2, 3], [1, 1, 2, 3], [3, 2, 1]])
async def test_events_that_are_not_all_events_are_not_written(revisions):
    folded = folded_of(3)
    log = [replace(events_of(folded)[0], revision=n) for n in revisions]
    with pytest.raises(ValueError, match="revision"):
        await file_of(folded, log)


@pytest.mark.parametrize("content", [b"", b"shor", b"longer", b"other"])
async def test_an_artifact_that_is_not_what_it_should_be_is_not_written(content):
    async def damaged():
        yield ArtifactSource(hashlib.sha256(b"right").hexdigest(), 5, pieces(content))

    folded = folded_of(1)
    with pytest.raises(ArtifactCorruptError) as raised:
        _ = [piece async for piece in SessionFiles().write(folded, pages(events_of(folded)), damaged())]
    assert raised.value.stored


# --- what is damaged is refused ---


@pytest.fixture(scope="module")
def small() -> bytes:
    """A file with every kind of frame."""
    return asyncio.run(file_of(rich_session(), None, b"artifact"))


def test_no_byte_of_a_file_can_be_changed(small):
    for at in range(len(small)):
        error = refused(small[:at] + bytes([small[at] ^ 1 << at % 8]) + small[at + 1 :])
        assert error.metadata["problem"] in ("magic", "version", "checksum", "truncated")


def test_no_file_can_be_cut_short(small):
    for length in range(len(small)):
        assert refused(small[:length]).metadata["problem"] == "truncated"


@pytest.mark.parametrize("more", [b"\x00", b"garbage", MAGIC])
def test_nothing_may_follow_a_file(small, more):
    assert refused(small + more).metadata["problem"] == "order"
    assert refused(small + small).metadata["problem"] == "order"


@patient(100)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    refused(data)
    assert refused(MAGIC + data).metadata["problem"] in PROBLEMS


FRAMES = [*SMALL, by_hand.artifact(b"abc"), frame(Kind.DATA, b"abc"), by_hand.artifact(b"d"), frame(Kind.DATA, b"d")]


@patient(300)
@given(st.data())
def test_frames_in_any_other_order_are_refused(data):
    """Dropped, repeated, exchanged: with an end that fits whatever is there."""
    changed = data.draw(st.lists(st.sampled_from(FRAMES), max_size=len(FRAMES) + 2))
    # Artifacts in the other order, or without one of them, are a file too.
    if changed in (FRAMES, FRAMES[:5], FRAMES[:3], FRAMES[:3] + FRAMES[5:], FRAMES[:3] + FRAMES[5:] + FRAMES[3:5]):
        assert read(whole(*changed))
    else:
        assert refused(whole(*changed)).metadata["problem"] in ("order", "content")


@patient(300)
@given(st.sampled_from(range(1, 8)), st.binary(max_size=80), st.integers(0, len(FRAMES)), st.booleans())
def test_frames_with_anything_in_them_are_taken_or_refused(kind, payload, at, instead):
    frames = list(FRAMES)
    frames[at : at + instead] = [frame(kind, payload)]
    assert problem_of(whole(*frames)) in PROBLEMS | {None}


# Made once: what is made within a test is made anew for every example.
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ("session_id", "uid", "incarnation", "revision", "events", "written_us", "producer", "id", "sha256", "size")


@patient(100)
@given(
    st.dictionaries(st.sampled_from(MEMBERS), ANY_VALUE, max_size=3),
    st.dictionaries(st.sampled_from(("frames", "events", "sha256")), ANY_VALUE, max_size=2),
)
def test_members_with_anything_in_them_are_taken_or_refused(members, end):
    frames = [by_hand.header(**members), by_hand.session(**members), SMALL[2], by_hand.artifact(b"abc", **members)]
    assert problem_of(whole(*frames, FRAMES[4], **end)) in PROBLEMS | {None}


@patient(300)
@given(st.data())
def test_a_payload_that_is_not_what_its_head_says_is_refused(drawn):
    raw = drawn.draw(st.binary(max_size=200)) * drawn.draw(st.integers(1, 50))
    payload = bytearray(zstandard.ZstdCompressor().compress(raw))
    for _ in range(drawn.draw(st.integers(0, 3))):
        payload[drawn.draw(st.integers(0, len(payload) - 1))] = drawn.draw(st.integers(0, 255))
    payload += drawn.draw(st.binary(max_size=5))
    length = max(0, len(raw) + drawn.draw(st.integers(-2, 2)))
    compressed = frame(Kind.DATA, bytes(payload), flags=COMPRESSED, raw_length=length)
    data = whole(*SMALL, by_hand.artifact(raw), compressed)
    assert problem_of(data) in ("content", "limit", "order", "checksum") or read(data)[-1] == raw


# --- what is made to do harm is refused ---

DEEP = b"[" * 1_000_000
BOMB = zstandard.ZstdCompressor().compress(bytes(4 * MIB))
NO_SIZE = zstandard.ZstdCompressor(write_content_size=False).compress(b"abc" * 100)
ABC = by_hand.artifact(b"abc")
HEADER, SESSION, EVENTS = SMALL


def windowed(exponent: int) -> bytes:
    """100 letters as a zstd frame that asks for a window of 2**(10 + exponent) bytes."""
    return b"\x28\xb5\x2f\xfd\x80" + bytes([exponent << 3]) + struct.pack("<I", 100) + b"\x23\x03\x00a"


HOSTILE = {
    "another file": ("magic", b"PK\x03\x04" + bytes(100)),
    "a later version": ("version", MAGIC[:7] + b"\x02" + whole(*SMALL)[8:]),
    "an unknown kind": ("version", whole(*SMALL, frame(99, b"x"))),
    "kind 0": ("version", whole(frame(0, b""), *SMALL)),
    "an unknown flag": ("version", whole(*SMALL, frame(99, b"x", flags=OPTIONAL | 4))),
    "lengths that differ": ("content", whole(HEADER, frame(Kind.SESSION, b"{}", raw_length=3))),
    "not smaller": ("content", whole(HEADER, frame(Kind.SESSION, b"{}", flags=COMPRESSED))),
    "a frame of 4 GiB": ("limit", whole(*SMALL, ABC, frame(5, b"", raw_length=2**32 - 1, stored_length=2**32 - 1))),
    "a frame of 4 GiB compressed": ("limit", whole(*SMALL, ABC, frame(5, BOMB, flags=1, raw_length=2**32 - 1))),
    "1000:1": ("limit", whole(*SMALL, ABC, frame(5, BOMB, flags=COMPRESSED, raw_length=4 * MIB))),
    "1000:1 that says 100:1": ("content", whole(*SMALL, ABC, frame(5, BOMB, flags=1, raw_length=len(BOMB) * 100))),
    "no content size": ("content", whole(*SMALL, ABC, frame(5, NO_SIZE, flags=COMPRESSED, raw_length=300))),
    "a wide window": ("limit", whole(*SMALL, ABC, frame(5, windowed(17), flags=COMPRESSED, raw_length=100))),
    "not zstd": ("content", whole(*SMALL, ABC, frame(5, b"abc", flags=COMPRESSED, raw_length=5))),
    "a zstd frame that is skipped": (
        "content", whole(*SMALL, ABC, frame(5, b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd", flags=1, raw_length=40))
    ),
    "deep header": ("content", whole(frame(Kind.HEADER, b"[" * 60_000), *SMALL[1:])),
    "deep session": ("content", whole(HEADER, frame(Kind.SESSION, DEEP), EVENTS)),
    "deep object": ("content", whole(HEADER, frame(Kind.SESSION, b'{"session":' * 90_000), EVENTS)),
    "deep artifact": ("content", whole(*SMALL, frame(Kind.ARTIFACT, b"[" * 60_000))),
    "deep state": ("content", whole(HEADER, by_hand.session(state={"k": DEEP.decode()}), EVENTS)),
    "long header": ("limit", whole(by_hand.header(producer="x" * 70_000), *SMALL[1:])),
    "a path for a digest": ("content", whole(*SMALL, by_hand.artifact(b"", sha256="../../../etc/passwd"))),
    "a path for a session": ("content", whole(by_hand.header(session_id="../x"), *SMALL[1:])),
    "another session": ("content", whole(HEADER, by_hand.session(id="t"), EVENTS)),
    "another uid": ("content", whole(HEADER, by_hand.session(uid=INCARNATION), EVENTS)),
    "another incarnation": ("content", whole(HEADER, by_hand.session(incarnation=UID), EVENTS)),
    "another revision": ("content", whole(HEADER, by_hand.session(revision=2), EVENTS)),
    "fewer events than said": ("content", whole(by_hand.header(revision=2), *SMALL[1:])),
    "an event missing": (
        "order", whole(by_hand.header(revision=2, events=2), by_hand.session(revision=2), EVENTS)
    ),
    "an event too many": ("order", whole(HEADER, SESSION, by_hand.events(record(1), record(2)))),
    "no events": ("content", whole(HEADER, SESSION, frame(Kind.EVENTS, b""))),
    "an event twice": ("content", whole(HEADER, SESSION, by_hand.events(record(1), record(1)))),
    "a gap": ("content", whole(HEADER, SESSION, by_hand.events(record(2)))),
    "a cut event": ("content", whole(HEADER, SESSION, frame(Kind.EVENTS, record(1)[:-1]))),
    "a cut head of an event": ("content", whole(HEADER, SESSION, frame(Kind.EVENTS, record(1) + b"x"))),
    "a late event": ("content", whole(HEADER, SESSION, by_hand.events(record(1, commit_us=2**63)))),
    "a large mask": ("content", whole(HEADER, SESSION, by_hand.events(record(1, mask=2**63)))),
    "an artifact twice": ("order", whole(*SMALL, by_hand.artifact(b""), by_hand.artifact(b""))),
    "an artifact that is short": ("order", whole(*SMALL, ABC, frame(5, b"ab"))),
    "an artifact that is long": ("content", whole(*SMALL, ABC, frame(5, b"abcd"))),
    "an artifact of nothing for ever": ("content", whole(*SMALL, ABC, frame(5, b""), frame(5, b"abc"))),
    "other bytes": ("checksum", whole(*SMALL, ABC, frame(5, b"abd"))),
    "an index of another file": ("content", whole(*SMALL, index=frame(6, by_hand.entry(1, 1, 2, 9, 30)))),
    "an empty index": ("content", whole(*SMALL, index=frame(6, b""))),
    "frames miscounted": ("content", whole(*SMALL, frames=3)),
    "events miscounted": ("content", whole(*SMALL, events=2)),
    "another digest": ("checksum", whole(*SMALL, sha256="0" * 64)),
    "a wrong way to the index": ("content", whole(*SMALL)[:-24] + by_hand.trailer(8, 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_made_to_do_harm_is_refused(name):
    problem, data = HOSTILE[name]
    error = refused(data)
    assert error.metadata["problem"] == problem, error.message
    assert f"frame {error.metadata['frame']}, byte {error.metadata['offset']}" in error.message


def test_the_files_made_by_hand_would_be_right_otherwise():
    assert [type(part) for part in read(whole(*FRAMES))[:3]] == [ArchiveHeader, Folded, list]


def test_an_error_says_where():
    error = refused(whole(HEADER, SESSION, by_hand.events(record(7))))
    assert error.metadata == {"problem": "content", "frame": "2", "offset": str(8 + len(HEADER + SESSION))}
    assert error.message.startswith("expected the event of revision 1, not 7 (frame 2, byte ")


@pytest.mark.parametrize(
    "name", ["a frame of 4 GiB", "a frame of 4 GiB compressed", "1000:1", "1000:1 that says 100:1"]
)
def test_what_a_frame_claims_takes_no_memory(name):
    _, data = HOSTILE[name]
    tracemalloc.start()
    try:
        refused(data)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_a_window_that_is_not_so_wide_is_taken():
    content = b"a" * 100
    data = whole(*SMALL, by_hand.artifact(content), frame(5, windowed(11), flags=COMPRESSED, raw_length=100))
    assert read(data)[-1] == content


def test_limits_can_be_set():
    data = whole(HEADER, by_hand.session(purpose="x" * 5000), EVENTS)
    assert read(data, FileLimits(session_bytes=6000))
    assert refused(data, FileLimits(session_bytes=5000)).metadata["problem"] == "limit"
    assert refused(data, FileLimits(total_bytes=5000)).metadata["problem"] == "limit"


def test_artifacts_are_limited(monkeypatch):
    monkeypatch.setattr(reading, "MOST_ARTIFACTS", 2)
    none, one, two = by_hand.artifact(b""), [ABC, frame(5, b"abc")], [by_hand.artifact(b"d"), frame(5, b"d")]
    assert read(whole(*SMALL, none, *one))
    assert refused(whole(*SMALL, none, *one, *two)).metadata["problem"] == "limit"


# --- files of later servers ---


@pytest.mark.parametrize("at", range(len(FRAMES) + 1))
def test_frames_that_may_be_skipped_are(at):
    later = [frame(99, b"of a later server", flags=OPTIONAL), frame(0, b"", flags=OPTIONAL)]
    assert read(whole(*FRAMES[:at], *later, *FRAMES[at:])) == read(whole(*FRAMES))


def test_frames_that_are_skipped_are_checked_too():
    damaged = frame(99, b"of a later server", flags=OPTIONAL, checksum=7)
    assert refused(whole(*SMALL, damaged)).metadata["problem"] == "checksum"
    large = frame(99, b"", flags=OPTIONAL, raw_length=5 * MIB, stored_length=5 * MIB)
    assert refused(whole(*SMALL, large)).metadata["problem"] == "limit"
    compressed = frame(99, b"in a way nobody knows", flags=OPTIONAL | COMPRESSED, raw_length=100)
    assert read(whole(*SMALL, compressed)) == read(whole(*SMALL))


def test_members_that_nobody_knows_are_ignored():
    frames = [by_hand.header(mood="good"), by_hand.session(mood="good"), EVENTS]
    assert read(whole(*frames, mood="good")) == read(whole(*SMALL))
