"""What a watch sends, message by message."""

import asyncio
from uuid import uuid4

import grpc
import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.wire import create, message, revisions, state_set, write

MESSAGES, STATE = event_pb2.CHANGE_KIND_MESSAGE_APPENDED, event_pb2.CHANGE_KIND_STATE_SET


@pytest.fixture
async def stub(sojourn_server):
    async with wire.connect(sojourn_server) as stub:
        yield stub


@pytest.fixture
def sid():
    return f"x{uuid4().hex[:12]}"


async def read(call):
    """The next message of a watch."""
    async with asyncio.timeout(10):
        return await call.read()


async def read_events(call, count):
    """The next so many events; markers between them are passed over."""
    events = []
    while len(events) < count:
        events += (await read(call)).events
    return events


async def ended(call):
    """The rest of a watch that ends in good order: its events and its last marker."""
    async with asyncio.timeout(10):
        found = [answer async for answer in wire.messages(call)]
    assert await call.code() is grpc.StatusCode.OK
    return [event for answer in found for event in answer.events], found[-1] if found else None


async def test_from_now_on_with_a_marker_when_live(stub, sid):
    session = await create(stub, sid)
    call = stub.WatchSession(wire.watch(sid))
    first = await read(call)
    assert (first.WhichOneof("marker"), first.progress.revision) == ("progress", 1)
    assert first.progress.cursor == session.cursor
    changes = [state_set(a=1), message("hello")]
    written = await stub.WriteSession(pb.WriteSessionRequest(session_id=sid, changes=changes, writer="me"))
    (event,) = await read_events(call, 1)
    assert (event.session_id, event.revision, event.writer) == (sid, 2, "me")
    assert list(event.changes) == changes
    assert (event.cursor, event.commit_time) == (written.cursor, written.commit_time)
    call.cancel()


async def test_a_snapshot_then_exactly_what_follows(stub, sid):
    await create(stub, sid, state={"a": wire.value(1)})
    await stub.WriteSession(write(sid, state_set(b=2)))
    call = stub.WatchSession(wire.watch(sid, snapshot=True))
    snapshot = (await read(call)).snapshot
    assert snapshot == (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session
    assert (snapshot.revision, set(snapshot.state)) == (2, {"a", "b"})
    assert (await read(call)).progress.revision == 2
    await stub.WriteSession(write(sid))
    assert revisions(await read_events(call, 1)) == [3]
    call.cancel()


@pytest.mark.parametrize("place", ["revision", "cursor"])
async def test_after_a_position(stub, sid, place):
    await create(stub, sid)
    written = [await stub.WriteSession(write(sid)) for _ in range(5)]
    at = written[1].revision if place == "revision" else written[1].cursor.token
    call = stub.WatchSession(wire.watch(sid, at))
    assert revisions(await read_events(call, 3)) == [4, 5, 6]
    await stub.WriteSession(write(sid))
    assert revisions(await read_events(call, 1)) == [7]
    call.cancel()


async def test_every_event_and_marker_is_a_place_to_resume_at(stub, sid):
    await create(stub, sid)
    for _ in range(3):
        await stub.WriteSession(write(sid))
    for event in await wire.log_of(stub, sid):
        call = stub.WatchSession(wire.watch(sid, event.cursor.token, progress=0.1))
        expected = list(range(event.revision + 1, 5))
        assert revisions(await read_events(call, len(expected))) == expected
        call.cancel()


async def test_kinds_keep_whole_events_and_markers_tell_of_the_rest(stub, sid):
    await create(stub, sid)
    call = stub.WatchSession(wire.watch(sid, kinds=[MESSAGES], progress=0.1))
    assert (await read(call)).progress.revision == 1
    await stub.WriteSession(write(sid, state_set(a=1)))
    dropped = await stub.WriteSession(write(sid, state_set(a=2)))

    async def marker(revision):
        while (found := (await read(call)).progress).revision < revision:
            pass
        return found

    assert (await marker(3)).cursor == dropped.cursor
    await stub.WriteSession(write(sid, state_set(a=3), message("hello")))
    (event,) = await read_events(call, 1)
    assert (event.revision, len(event.changes)) == (4, 2)
    call.cancel()
    # Resuming at the marker skips nothing that another filter would want.
    call = stub.WatchSession(wire.watch(sid, dropped.cursor.token, kinds=[STATE]))
    assert revisions(await read_events(call, 1)) == [4]
    call.cancel()


async def test_markers_come_on_a_quiet_watch(stub, sid):
    await create(stub, sid)
    call = stub.WatchSession(wire.watch(sid, progress=0.1))
    started = asyncio.get_running_loop().time()
    for _ in range(4):
        assert (await read(call)).progress.revision == 1
    assert asyncio.get_running_loop().time() - started >= 0.25
    call.cancel()


async def test_the_end_of_a_session(stub, sid):
    await create(stub, sid)
    goes_on = stub.WatchSession(wire.watch(sid))
    stops = stub.WatchSession(wire.watch(sid, until_ended=True))
    filtered = stub.WatchSession(wire.watch(sid, until_ended=True, kinds=[MESSAGES]))
    for call in (goes_on, stops, filtered):
        await read(call)
    await stub.WriteSession(write(sid))
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    events, _ = await ended(stops)
    assert revisions(events) == [2, 3]
    assert events[-1].changes[0].status_changed.status == session_pb2.SESSION_STATUS_COMPLETED
    assert (await ended(filtered))[0] == []
    await stub.WriteSession(write(sid, tagged(purpose="p")))
    assert revisions(await read_events(goes_on, 3)) == [2, 3, 4]
    goes_on.cancel()
    late = stub.WatchSession(wire.watch(sid, 0, until_ended=True))
    assert revisions((await ended(late))[0]) == [1, 2, 3, 4]


async def test_the_deletion_of_a_session(stub, sid):
    session = await create(stub, sid)
    call = stub.WatchSession(wire.watch(sid))
    await read(call)
    await stub.WriteSession(write(sid))
    await read_events(call, 1)
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))
    events, last = await ended(call)
    assert events == []
    assert last.deleted == pb.SessionDeleted(session_id=sid, uid=session.uid, revision=2)


async def test_many_sessions_by_filter(stub, sid):
    wanted = session_pb2.SessionFilter(project=sid, all_tags=["hot"])
    old, cold, new = f"{sid}-old", f"{sid}-cold", f"{sid}-new"
    await create(stub, old, project=sid, tags=["hot"])
    await create(stub, cold, project=sid)
    call = stub.WatchSessions(pb.WatchSessionsRequest(filter=wanted, snapshot=True))
    assert (await read(call)).snapshot.id == old
    assert (await read(call)).WhichOneof("marker") == "progress"

    async def follows(session_id, revision):
        (event,) = await read_events(call, 1)
        assert (event.session_id, event.revision) == (session_id, revision)

    await create(stub, new, project=sid, tags=["hot"])
    await follows(new, 1)
    await stub.WriteSession(write(old, tagged(remove_tags=["hot"])))
    await follows(old, 2)  # it leaves, and this is still delivered
    await stub.WriteSession(write(old))
    await stub.WriteSession(write(cold, tagged(add_tags=["hot"])))
    await follows(cold, 2)  # it enters
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=new))
    assert (await read(call)).deleted.session_id == new
    call.cancel()


def tagged(**tags):
    return event_pb2.Change(info_updated=event_pb2.InfoUpdated(**tags))


async def test_many_sessions_are_resumed_at_a_marker(stub, sid):
    wanted = session_pb2.SessionFilter(project=sid)
    call = stub.WatchSessions(pb.WatchSessionsRequest(filter=wanted))
    cursor = (await read(call)).progress.cursor
    call.cancel()
    for number in range(20):
        await create(stub, f"{sid}-{number}", project=sid)
        await stub.WriteSession(write(f"{sid}-{number}"))
    call = stub.WatchSessions(pb.WatchSessionsRequest(filter=wanted, after=cursor))
    events = await read_events(call, 40)
    call.cancel()
    for number in range(20):
        assert [e.revision for e in events if e.session_id == f"{sid}-{number}"] == [1, 2]
