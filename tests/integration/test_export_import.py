"""A session goes out of one deployment and into another, and is the same session there."""

import asyncio
import io
import os

import pytest

import sojourn as sdk
from tests.support.server import ServerUnderTest
from tests.support.transfers import content, exported, imported
from tests.support.waiting import wait_until

FORMATS = ["archive", "jsonl"]


@pytest.fixture(scope="module")
def elsewhere():
    """Another deployment, which archives sessions as soon as they have ended."""
    process = ServerUnderTest(recent_after_seconds=0, archive_after_seconds=0, archiver_seconds=0.1)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def here(server):
    async with sdk.Client(server.target) as client:
        yield client


@pytest.fixture
async def there(elsewhere):
    async with sdk.Client(elsewhere.target) as client:
        yield client


async def eventful(client, session_id):
    """A session with something of every kind."""
    session = await client.create_session(
        session_id, user_id="ann", project="p", purpose="all of it", tags=["a", "b"], metadata={"m": 1.5},
        state={"n": 1, "deep": {"x": ["ü\u2028", None]}}, idle_timeout=3600, max_lifetime=7200,
    )  # fmt: skip
    await session.add_message("user", 'hello "there"\n', parts=[{"type": "text"}], usage=sdk.Usage(input_tokens=3))
    async with session.invocation("search", arguments={"q": 1}) as call:
        call.result = {"hits": [1, 2]}
    with pytest.raises(RuntimeError):
        async with session.invocation("fail"):
            raise RuntimeError("no")
    await session.record_step("login", status="passed", duration=1.5)
    await session.record_step("login", status="failed", run=2)
    await session.increment_state("n", 41)
    await session.set_state({"gone": 1})
    await session.delete_state("gone")
    await session.set_result("answer", {"is": 42})
    await session.update(purpose="more", add_tags=["c"], remove_tags=["a"], metadata={"k": "v"})
    await session.log("a line", level="warning")
    await session.add_custom("acme.mark", {"x": 1})
    return session


@pytest.mark.parametrize("file_format", FORMATS)
async def test_the_recorded_sessions_are_the_same_elsewhere(replayed, there, file_format):
    chosen = replayed.sessions[:: 3 if file_format == "archive" else 9]
    turn = asyncio.Semaphore(8)

    async def move(source, session_id):
        async with turn:
            data = await exported(source, session_id, format=file_format)
            result = await imported(there, data, session_id=f"{file_format}-{session_id}")
            assert result.source_session_id == session_id
            one, other = await content(source, session_id), await content(there, result.session.id)
            one["session"]["id"] = other["session"]["id"]
            for call in (*one["invocations"], *other["invocations"]):
                call.pop("session_id")
            assert one == other

    async with sdk.Client(replayed.target) as source:
        await asyncio.gather(*(move(source, recorded.info.id) for recorded in chosen))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("end", [False, True])
async def test_a_session_keeps_all_it_has(here, there, sid, file_format, end):
    session = await eventful(here, sid)
    if end:
        await session.complete(status="failed", error="why")
        await session.update(add_tags=["seen"])
    result = await imported(there, await exported(here, sid, format=file_format))
    assert (result.session.id, result.events) == (sid, session.revision)
    assert result.session.uid != session.info.uid
    assert await content(there, sid) == await content(here, sid)
    one, other = await session.statistics(), await there.session(sid).statistics()
    assert one.model_dump(exclude={"session_id"}) == other.model_dump(exclude={"session_id"})


@pytest.mark.parametrize("file_format", FORMATS)
async def test_the_largest_writes_there_are(here, there, sid, file_format):
    session = await here.create_session(sid)
    await session.add_message("user", "\x01" * (1 << 20))
    await session.set_state({f"k{n}": "x" * 1_000_000 for n in range(3)})
    await session.set_state({f"key-{n}": n for n in range(10_000)})
    await imported(there, await exported(here, sid, format=file_format))
    assert await content(there, sid) == await content(here, sid)


async def test_what_is_imported_lives_on(here, there, sid):
    await eventful(here, sid)
    await imported(there, await exported(here, sid))
    session = await there.get_session(sid)
    revision = session.info.revision
    assert await session.add_message("user", "and now?") == revision + 1
    assert [event.revision async for event in session.events()] == list(range(1, revision + 2))
    assert await session.increment_state("n") == revision + 2
    assert (await session.refresh()).state["n"] == 43
    found = [one.id async for one in there.list_sessions(text="and now")]
    assert sid in found


async def test_an_import_is_found_by_what_is_in_it(here, there, sid):
    await eventful(here, sid)
    await imported(there, await exported(here, sid))
    assert [found.session.id async for found in there.search('"hello there"', project="p")].count(sid) == 1
    assert {call.tool async for call in there.invocations(session_id=sid)} == {"search", "fail"}


async def test_a_copy_of_a_copy(here, there, sid):
    await eventful(here, sid)
    await imported(there, await exported(here, sid), session_id=f"{sid}-1")
    await imported(here, await exported(there, f"{sid}-1", format="jsonl"), session_id=f"{sid}-2")
    one, other = await content(here, sid), await content(here, f"{sid}-2")
    assert one["events"] == other["events"]


async def test_an_id_is_taken_once(here, sid):
    await eventful(here, sid)
    data = await exported(here, sid)
    with pytest.raises(sdk.SessionAlreadyExistsError):
        await imported(here, data)
    again = await imported(here, data, new_id=True)
    assert again.session.id != sid
    assert again.session.id.startswith("session-")
    with pytest.raises(sdk.SessionAlreadyExistsError):
        await imported(here, data, session_id=again.session.id)


async def test_of_many_imports_of_one_id_one_is_made(here, there, sid):
    await eventful(here, sid)
    data = await exported(here, sid)
    results = await asyncio.gather(*(imported(there, data) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, sdk.ImportResult) for result in results) == 1
    assert sum(isinstance(result, sdk.SessionAlreadyExistsError) for result in results) == 5
    assert await content(there, sid) == await content(here, sid)


async def test_a_deleted_session_comes_back_from_its_file(here, sid):
    session = await eventful(here, sid)
    data, before = await exported(here, sid), await content(here, sid)
    assert [found.id async for found in here.list_sessions(limit=1)]  # the catalog has it
    await here.delete_session(sid)
    result = await imported(here, data)
    assert result.session.uid != session.info.uid
    assert await content(here, sid) == before


async def test_a_dry_run_stores_nothing(here, there, sid):
    await eventful(here, sid)
    result = await imported(there, await exported(here, sid), dry_run=True)
    assert (result.session.id, result.session.uid) == (sid, "")
    assert result.session.revision == result.events
    with pytest.raises(sdk.SessionNotFoundError):
        await there.get_session(sid)


async def test_requests_that_were_live_are_lost(here, there, sid):
    session = await here.create_session(sid, max_concurrent_requests=1)
    async with session.track("work"), session.invocation("tool"):
        data = await exported(here, sid)
    result = await imported(there, data)
    assert (result.session.admitted_requests, result.session.revision) == (0, result.events + 1)
    *_, last = [event async for event in there.session(sid).events()]
    assert [change.kind for change in last.changes] == ["request_lost"]
    assert result.session.counters.open_invocations == 1
    async with there.session(sid).track("again"):
        pass  # its place is free


async def test_a_fork_keeps_its_parent(here, there, sid):
    session = await eventful(here, sid)
    fork = await session.fork(at_revision=5)
    await fork.add_message("user", "mine")
    await imported(there, await exported(here, fork.id))
    assert await content(there, fork.id) == await content(here, fork.id)
    assert (await there.get_session(fork.id)).info.parent == sid


async def test_artifacts_travel_in_archives(here, there, sid):
    session = await here.create_session(sid)
    large = os.urandom(3 << 20)
    await session.put_artifact("a.bin", large)
    await session.put_artifact("b/../c", b"small", phase="after", labels={"k": "v"})
    await session.put_artifact("b/../c", large)
    await session.put_artifact("empty", b"")
    result = await imported(there, await exported(here, sid, artifacts=True))
    assert result.artifacts == 3  # as many as there are contents
    copy = there.session(sid)
    assert await copy.get_artifact("a.bin") == large
    assert await copy.get_artifact("b/../c", version=1) == b"small"
    assert await copy.get_artifact("b/../c") == large
    assert await copy.get_artifact("empty") == b""


async def test_without_their_bytes_artifacts_are_known_only(here, there, sid):
    session = await here.create_session(sid)
    await session.put_artifact("a.bin", os.urandom(100))
    for file_format in FORMATS:
        result = await imported(there, await exported(here, sid, format=file_format), new_id=True)
        assert result.artifacts == 0
        assert [one.name async for one in there.session(result.session.id).artifacts()] == ["a.bin"]
        with pytest.raises((sdk.ArtifactNotFoundError, sdk.ArtifactCorruptError)):
            await there.session(result.session.id).get_artifact("a.bin")


@pytest.mark.parametrize("file_format", FORMATS)
async def test_what_is_redacted_is_in_no_byte_of_the_file_and_is_a_session(here, there, sid, file_format):
    session = await here.create_session(
        sid, user_id="bob@acme.test", state={"pin": 1234, "deep": {"Token": "s3cret"}}, metadata={"token": "s3cret"}
    )
    await session.increment_state("pin")
    await session.add_message("user", "I am bob@acme.test, call me")
    await session.record_invocation("t", arguments={"token": ["s3cret"], "to": "bob@acme.test"}, result=1.0)
    await session.set_result("token", "s3cret")
    rules = {"redact_keys": ["TOKEN", "pin"], "redact_patterns": ["[a-z]+@[a-z.]+"]}
    data = await exported(here, sid, format=file_format, **rules)
    await imported(there, data)
    found = repr(await content(there, sid))
    assert "s3cret" not in found
    assert "bob" not in found
    copy = (await there.get_session(sid)).info
    assert copy.state == {"pin": "[redacted]", "deep": {"Token": "[redacted]"}}
    assert [message.content async for message in there.session(sid).messages()] == ["I am [redacted], call me"]


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"format": "xml"}, "format"),
        ({"format": "jsonl", "artifacts": True}, "include_artifacts"),
        ({"redact_patterns": ["("]}, "redaction.patterns[0]"),
        ({"redact_patterns": ["a"] * 33}, "redaction.patterns"),
        ({"redact_keys": ["x" * 300]}, "redaction.keys[0]"),
    ],
)
async def test_an_export_that_cannot_be_is_refused(here, sid, how, field):
    await here.create_session(sid)
    with pytest.raises((sdk.InvalidFieldError, sdk.TooLargeError)) as refused:
        await exported(here, sid, **how)
    assert refused.value.field == field


async def test_there_is_no_file_of_a_session_that_is_not_there(here, sid, tmp_path):
    with pytest.raises(sdk.SessionNotFoundError):
        await here.session(sid).export(tmp_path / "file")
    assert not list(tmp_path.iterdir())


async def test_a_file_is_replaced_whole(here, sid, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    session = await eventful(here, sid)
    told = []
    result = await session.export(path, progress=lambda done, total: told.append(done))
    assert (result.revision, result.size_bytes) == (session.revision, path.stat().st_size)
    assert told[-1] == result.size_bytes
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert (await here.import_session(path, dry_run=True, session_id=f"{sid}-2")).events == session.revision


async def test_a_session_that_is_archived_goes_out_as_well(here, there, sid):
    session = await eventful(there, sid)
    await session.put_artifact("a.bin", b"bytes")
    before = await exported(there, sid, artifacts=True)
    await session.complete()

    async def archived():
        return (await there.get_session(sid)).info.storage.tier == "archive"

    await wait_until(archived)
    files = [await exported(there, sid, format=file_format) for file_format in FORMATS]
    for number, data in enumerate([before, *files]):
        result = await imported(here, data, session_id=f"{sid}-{number}")
        assert result.events == session.revision - (number == 0)
    assert (await content(here, f"{sid}-1"))["events"] == (await content(there, sid))["events"]
    assert (await content(here, f"{sid}-2"))["events"] == (await content(there, sid))["events"]
    await here.session(f"{sid}-0").add_message("user", "not over")


async def test_an_import_from_a_stream(here, there, sid):
    await eventful(here, sid)
    data = await exported(here, sid)

    class OneWay(io.RawIOBase):
        def __init__(self):
            self.left = data

        def read(self, size=-1):
            piece, self.left = self.left[:100], self.left[100:]
            return piece

    assert (await there.import_session(OneWay(), new_id=True)).events == (await here.get_session(sid)).info.revision
