"""Files that nobody should have written: each is refused with its reason, and nothing of it is left."""

import asyncio
import hashlib
import random
import shutil
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

import sojourn as sdk
from sojourn.v1 import event_pb2, session_pb2
from sojourn_server.archive.frames import HEAD_BYTES, MAGIC, NOWHERE, parse_head
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.session import Session
from sojourn_server.rpc.codec import ProtoCodec
from tests.support.server import ServerUnderTest
from tests.support.transfers import (
    Footprint,
    created,
    exported,
    imported,
    line,
    lines_of,
    peak_memory,
    raw,
    read_archive,
    write_archive,
)

MIB = 1 << 20
SAYS = {"messageAppended": {"role": "MESSAGE_ROLE_USER", "content": "x"}}
UID = "00000000000000aa"
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture(scope="module")
def folder():
    path = Path(tempfile.mkdtemp(prefix="sj"))  # short: the engine's socket is in it
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def server(folder):
    """A deployment whose every part can be looked into. An import has at most 8 MiB of events, a session 4 of state."""
    blobs = folder / "blobs"
    process = ServerUnderTest(
        data_dir=folder / "d", blobs=blobs.as_uri(), max_import_bytes=8 * MIB, max_state_bytes=4 * MIB
    )
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture(scope="module")
def footprint(server, folder):
    return Footprint(folder)


@pytest.fixture(scope="module")
def archive(server):
    """A good file: a session with two artifacts. The session is deleted again."""

    async def made():
        async with sdk.Client(server.target) as client:
            session = await client.create_session("model", state={"n": 1}, tags=["t"], purpose="p")
            for number in range(30):
                await session.add_message("user", f"{number} {random.randbytes(200).hex()}")
            await session.record_invocation("tool", arguments={"a": 1}, result=[1, 2])
            await session.put_artifact("../../name", random.randbytes(1000))
            await session.put_artifact("empty", b"")
            data = await exported(client, "model", artifacts=True)
            lines = await exported(client, "model", format="jsonl")
            await client.delete_session("model")
            return data, lines

    return asyncio.run(made())


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


@pytest.fixture
async def refusal(client, footprint):
    """Imports a file that cannot be; why not. Nothing is left of it."""

    async def refused(data, **how):
        before = await footprint.settled()
        with pytest.raises(sdk.FileInvalidError) as error:
            await imported(client, data, **how)
        assert await asyncio.to_thread(footprint.take) == before
        return error.value.problem

    return refused


def borders(data):
    """Where the frames of an archive begin."""
    at = len(MAGIC)
    while at + HEAD_BYTES <= len(data) and data[at] in range(1, 8):
        yield at
        at += HEAD_BYTES + parse_head(data[at : at + HEAD_BYTES], NOWHERE).stored
    yield at


def frame(kind, payload, size, flags=1):
    """A frame that stands for `size` bytes, as it says."""
    fields = struct.pack(">BBIII", kind, flags, len(payload), size, zlib.crc32(payload))
    return fields + struct.pack(">I", zlib.crc32(fields)) + payload


async def test_a_good_file_is_imported(client, archive, footprint):
    before = await footprint.settled()
    for number, data in enumerate(archive):
        result = await imported(client, data, session_id=f"good-{number}")
        assert result.events == 34
        await client.delete_session(f"good-{number}")
    assert (await footprint.settled())["rows"] == before["rows"]


async def test_truncated_at_every_border_and_elsewhere(refusal, archive):
    data, lines = archive
    ends = {0, 5, *borders(data), len(data) - 1, *random.sample(range(len(data)), 15)}
    for end in sorted(ends - {len(data)}):
        assert await refusal(data[:end]) == "truncated", end
    for end in (1, 100, lines.index(b"\n") + 1, len(lines) - 1, len(lines) // 2):
        assert await refusal(lines[:end]) == "truncated", end


async def test_every_flipped_bit_is_found(refusal, archive):
    data, lines = archive
    for _ in range(25):
        at = random.randrange(len(data))
        assert await refusal(data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]), at
    for _ in range(10):
        at = random.randrange(len(lines) - 100)
        assert await refusal(lines[:at] + bytes([lines[at] ^ 1]) + lines[at + 1 :]), at


async def test_nothing_follows_the_end(refusal, archive):
    assert await refusal(archive[0] + b"x") == "order"
    assert await refusal(archive[1] + b"{}\n") == "content"


@pytest.mark.parametrize("data", [b"\x00" * 100, b"PK\x03\x04" + b"\x00" * 100, b"{", b"[1]\n", b"{}\n", b"null"])
async def test_what_is_no_file_of_a_session(refusal, data):
    assert await refusal(data)


async def test_compressed_more_than_anybody_would(refusal, archive, server):
    data, _ = archive
    _, _, events, *_ = borders(data)
    bomb = zstandard.ZstdCompressor().compress(bytes(16 * MIB))
    assert len(bomb) * 1000 < 16 * MIB
    before = peak_memory(server.pid)
    assert await refusal(data[:events] + frame(3, bomb, 16 * MIB)) == "limit"
    assert await refusal(data[:events] + frame(3, bomb, 4_000_000_000)) == "limit"
    assert await refusal(data[:events] + frame(3, bomb, len(bomb) + 1)) == "content"
    assert await refusal(MAGIC + frame(1, bomb, 16 * MIB)) == "limit"
    assert peak_memory(server.pid) - before < 64 * MIB


async def test_a_little_at_a_time_it_is_still_too_much(client, footprint, server):
    """Every frame is as it should be; there are only too many of them."""
    folded, events, codec = Folded(Session("x", UID, "")), [], ProtoCodec()
    text = random.randbytes(1000).hex() * 95
    creation = event_pb2.Change(session_created=event_pb2.SessionCreated(uid=UID, kind="session"))
    says = event_pb2.Change(log_appended=event_pb2.LogAppended(text=text))
    for revision in range(1, 130):
        body = event_pb2.Event(changes=[creation if revision == 1 else says]).SerializeToString()
        folded.add(codec.decode(body), revision)
        events.append(stored(revision, body))
    data = await write_archive(folded, events)
    assert len(data) < 2 * MIB
    before, memory = await footprint.settled(), peak_memory(server.pid)
    with pytest.raises(sdk.TooLargeError) as refused:
        await imported(client, data)
    assert (refused.value.field, refused.value.limit) == ("events", 8 * MIB)
    assert await asyncio.to_thread(footprint.take) == before
    assert peak_memory(server.pid) - memory < 64 * MIB


def stored(revision, body):
    from sojourn_server.domain.events import StoredEvent

    return StoredEvent("x", UID, "", revision, revision, 0, 1 << 10, body)


async def test_a_million_levels(refusal):
    deep = b"[" * 1_000_000 + b"]" * 1_000_000
    assert await refusal(deep + b"\n") == "magic"
    assert await refusal(b'{"a": ' + deep + b"}\n") == "limit"
    assert await refusal(b'{"sojourn_export": ' + deep + b"}\n") == "limit"
    for levels in (33, 5_000, 500_000):
        value = b"[" * levels + b"]" * levels
        creation = created(state={"k": raw(value)})
        assert await refusal(lines_of(line(1, creation))) == "content"
        state = {"k": session_pb2.Value(json=value)}
        body = event_pb2.Event(
            changes=[event_pb2.Change(session_created=event_pb2.SessionCreated(uid=UID, kind="session", state=state))]
        ).SerializeToString()
        folded = Folded(Session("x", UID, ""))
        folded.add(ProtoCodec().decode(event_pb2.Event(changes=[_plain()]).SerializeToString()), 1)
        assert await refusal(await write_archive(folded, [stored(1, body)])) == "content"


def _plain():
    return event_pb2.Change(session_created=event_pb2.SessionCreated(uid=UID, kind="session"))


@pytest.mark.parametrize("session_id", ["../../x", "/etc/passwd", "a/b", "", "..", "x" * 200, "a\n"])
async def test_an_id_that_is_a_path(refusal, session_id):
    assert await refusal(lines_of(line(1, created(), session_id=session_id), session_id=session_id)) in (
        "content",
        "header",
    )


FUTURE = "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("problem", "events"),
    [
        ("order", [line(2, created())]),
        ("order", [line(1, created()), line(3, SAYS)]),
        ("order", [line(1, created()), line(1, SAYS)]),
        ("order", [line(1, created()), line(0, SAYS)]),
        ("time", [line(1, created()) | {"commitTime": "2024-06-01T00:00:00Z"}, line(2, SAYS)]),
        ("time", [line(1, created()) | {"commitTime": FUTURE}]),
        ("time", [line(1, created()) | {"commitTime": "0001-01-01T00:00:00Z"}]),
        ("content", [line(1, SAYS)]),
        ("content", [line(1, created()), line(2, created())]),
        ("content", [line(1, created(), created())]),
        ("content", [line(1, created()), line(2)]),
        ("content", [line(1, created()), line(2, {})]),
        ("content", [line(1, created(uid="00000000000000bb"))]),
        ("content", [line(1, created(uid="../../../x"))]),
        ("content", [line(1, created(kind="A Kind"))]),
        ("content", [line(1, created(parent="../x"))]),
        ("content", [line(1, created(tags=["x" * 100]))]),
        ("content", [line(1, created(idleTimeout="-1s"))]),
        ("content", [line(1, created(state={"k": raw(b"{")}))]),
        ("content", [line(1, created(state={"k" * 300: raw(b"1")}))]),
        ("content", [line(1, created()), line(2, {"statusChanged": {"status": 99}})]),
        ("content", [line(1, created()), line(2, {"requestAdmitted": {"requestId": ""}})]),
        ("content", [line(1, created()), line(2, {"forked": {"uid": "x", "parentId": "a", "parentRevision": "1"}})]),
        ("content", [line(1, created()), line(2, {"stateIncremented": {"key": "n", "delta": "1"}}, writer="x" * 200)]),
        ("content", [line(1, created(state={"n": raw(b'"t"')})), line(2, {"stateIncremented": {"key": "n"}})]),
        ("status", [line(1, created()), line(2, {"statusChanged": {"status": 2}}), line(3, SAYS)]),
        ("content", [line(1, created()), line(2, SAYS, session_id="y")]),
        ("content", [line(1, created()) | {"unheardOf": 1}]),
    ],
)
async def test_a_history_that_never_was(refusal, problem, events):
    assert await refusal(lines_of(*events)) == problem


async def test_more_state_than_a_session_may_have(refusal):
    big = raw(b'"' + b"x" * 900_000 + b'"')
    events = [line(1, created()), *(line(n, {"stateSet": {"values": {f"k{n}": big}}}) for n in range(2, 8))]
    assert await refusal(lines_of(*events)) == "limit"


async def test_a_session_that_its_events_do_not_add_up_to(refusal, archive):
    folded, events, _ = await read_archive(archive[0])
    session = folded.session
    for fake in (
        replace(session, state={"n": b"2"}),
        replace(session, user_id="root"),
        replace(session, counters=session.counters | {"messages": 1000}),
        replace(session, usage={"cost_micros": 1}),
        replace(session, created_us=session.created_us - 1),
        replace(session, tags=["other"]),
        replace(session, max_concurrent_requests=1_000_000),
        replace(session, artifacts={"../../name": 7}),
    ):
        assert await refusal(await write_archive(replace(folded, session=fake), events)) == "content"
    open_call = replace(folded, open_invocations={"i": "/tool"})
    assert await refusal(await write_archive(open_call, events)) == "content"


async def test_events_that_say_more_than_events_do(refusal, archive):
    folded, events, _ = await read_archive(archive[0])
    for said in (
        event_pb2.Event(session_id="other"),
        event_pb2.Event(revision=7),
        event_pb2.Event(cursor=session_pb2.Cursor(token="x")),
        event_pb2.Event(writer="x" * 500),
    ):
        body = events[5].body + said.SerializeToString()
        changed = [*events[:5], replace(events[5], body=body), *events[6:]]
        assert await refusal(await write_archive(folded, changed)) == "content"
    for body in (b"\xff\xff", b"", b"\x32\x00"):
        changed = [*events[:5], replace(events[5], body=body), *events[6:]]
        assert await refusal(await write_archive(folded, changed)) == "content"


async def test_artifacts_that_do_not_belong(refusal, archive):
    folded, events, artifacts = await read_archive(archive[0])
    (sha256, data), *_ = artifacts
    assert await refusal(await write_archive(folded, events, [(OTHER, b"other")])) == "content"
    assert await refusal(await write_archive(folded, events, [*artifacts, (OTHER, b"other")])) == "content"
    whole = await write_archive(folded, events, [(sha256, data)])
    at = whole.index(data)
    good = whole[at - HEAD_BYTES : at]
    fake = bytes(reversed(data))
    fields = good[:10] + struct.pack(">I", zlib.crc32(fake))
    forged = whole[: at - HEAD_BYTES] + fields + struct.pack(">I", zlib.crc32(fields)) + fake + whole[at + len(data) :]
    assert await refusal(forged) == "checksum"


async def test_names_are_no_paths(client, archive, server, folder, footprint, tmp_path):
    """What is in it is imported; where it is kept has nothing to do with its name."""
    result = await imported(client, archive[0], new_id=True)
    session = client.session(result.session.id)
    assert len(await session.get_artifact("../../name")) == 1000
    made = await session.export_directory(tmp_path)
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {made.name}
    assert not any("name" in path for path in footprint.take()["blobs"])
    await client.delete_session(result.session.id)


async def test_an_id_that_is_taken(client, archive, footprint):
    await client.create_session("model")
    before = await footprint.settled()
    for data in archive:
        with pytest.raises(sdk.SessionAlreadyExistsError):
            await imported(client, data)
    assert await footprint.settled() == before
    await client.delete_session("model")


async def test_whoever_is_first_has_the_id(client, archive, footprint):
    """A creation and an import of the same id at once: one of them happens, whole."""
    before = await footprint.settled()
    for number in range(10):
        both = await asyncio.gather(
            imported(client, archive[0], session_id="both"), client.create_session("both"), return_exceptions=True
        )
        refused = [result for result in both if isinstance(result, sdk.SessionAlreadyExistsError)]
        assert len(refused) == 1, (number, both)
        info = (await client.get_session("both")).info
        assert info.uid == (both[1].info.uid if refused[0] is both[0] else both[0].session.uid)
        assert info.revision == (1 if refused[0] is both[0] else 34)
        await client.delete_session("both")
    assert (await footprint.settled())["rows"] == before["rows"]


async def test_the_same_session_twice_is_two_sessions(client, archive):
    one = await imported(client, archive[0], session_id="one")
    two = await imported(client, archive[0], session_id="two")
    assert len({one.session.uid, two.session.uid, "model"}) == 3
    await client.delete_session("one")
    assert (await client.get_session("two")).info.counters == two.session.counters
    assert len(await client.session("two").get_artifact("../../name")) == 1000
    await client.delete_session("two")


@pytest.mark.parametrize("how", [{"session_id": "../x"}, {"session_id": "a", "new_id": True}])
async def test_what_cannot_be_asked_for(client, archive, how):
    with pytest.raises(sdk.InvalidFieldError):
        await imported(client, archive[0], **how)


async def test_a_caller_that_goes_away_leaves_nothing(client, archive, footprint):
    before = await footprint.settled()
    data = archive[0]

    class Stops:
        def __init__(self):
            self.at = 0

        def read(self, size):
            if self.at >= len(data) // 2:
                raise OSError("unplugged")
            self.at += 1000
            return data[self.at - 1000 : self.at]

    with pytest.raises(OSError, match="unplugged"):
        await client.import_session(Stops())
    await footprint.becomes(before)
