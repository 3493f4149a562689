"""Sessions that are not as a call needs them, limits that are reached: the documented error, and nothing changed."""

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest

from sojourn.v1 import error_reason_pb2, event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.server import ServerUnderTest
from tests.support.wire import (
    after,
    check,
    create,
    failure,
    incremented,
    message,
    revision,
    state_set,
    watch_failure,
    write,
)


@pytest.fixture(scope="module")
def server():
    """One server with small limits of its own for all tests here."""
    process = ServerUnderTest(max_state_bytes=4096, max_watches=3)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


async def test_unknown_deleted_and_taken_ids(stub, sid):
    for call in (stub.GetSession(pb.GetSessionRequest(session_id=sid)), stub.WriteSession(write(sid))):
        check(await failure(call), "NOT_FOUND", "SESSION_NOT_FOUND")
    await create(stub, sid)
    taken = await failure(stub.CreateSession(pb.CreateSessionRequest(session_id=sid)))
    check(taken, "ALREADY_EXISTS", "SESSION_ALREADY_EXISTS")
    assert taken.metadata == {"session_id": sid, "revision": "1"}
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))
    calls = [
        stub.GetSession(pb.GetSessionRequest(session_id=sid)),
        stub.WriteSession(write(sid)),
        stub.ListEvents(pb.ListEventsRequest(session_id=sid)),
        stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid)),
    ]
    for call in calls:
        check(await failure(call), "NOT_FOUND", "SESSION_DELETED")
    check(await watch_failure(stub.WatchSession(wire.watch(sid))), "NOT_FOUND", "SESSION_DELETED")


async def test_failed_preconditions_tell_the_present_revision(stub, sid):
    await create(stub, sid, state={"text": wire.value("x"), "top": wire.value(2**63 - 1)})
    await stub.WriteSession(write(sid, key="k-1"))
    cases = [
        (write(sid, expected_revision=1), "ABORTED", "REVISION_CONFLICT"),
        (write(sid, expected_revision=9), "ABORTED", "REVISION_CONFLICT"),
        (write(sid, required_status=session_pb2.SESSION_STATUS_FAILED), "FAILED_PRECONDITION", "STATUS_CONFLICT"),
        (write(sid, fencing_token=7), "FAILED_PRECONDITION", "FENCING_TOKEN_REJECTED"),
        (write(sid, incremented("text")), "FAILED_PRECONDITION", "NOT_AN_INTEGER"),
        (write(sid, incremented("top")), "FAILED_PRECONDITION", "INTEGER_OVERFLOW"),
        (write(sid, incremented("n", 2), key="k-1"), "INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED"),
        (write(sid, state_set(big="x" * 4096)), "RESOURCE_EXHAUSTED", "STATE_LIMIT_EXCEEDED"),
    ]
    before = await wire.log_of(stub, sid)
    for request, code, reason in cases:
        found = await failure(stub.WriteSession(request))
        check(found, code, reason)
        assert (found.metadata["session_id"], found.metadata["revision"]) == (sid, "2")
    assert await wire.log_of(stub, sid) == before


async def test_half_of_a_write_never_becomes_visible(stub, sid):
    await create(stub, sid, state={"text": wire.value("x")})
    changes = [state_set(a=1), incremented("n", 5), message("hello"), incremented("text")]
    check(await failure(stub.WriteSession(write(sid, *changes))), "FAILED_PRECONDITION", "NOT_AN_INTEGER")
    session = (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session
    assert (session.revision, dict(session.state), session.counters.messages) == (1, {"text": wire.value("x")}, 0)


async def test_an_ended_session_takes_only_info(stub, sid):
    await create(stub, sid)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    for call in (
        stub.WriteSession(write(sid)),
        stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid)),
    ):
        found = await failure(call)
        check(found, "FAILED_PRECONDITION", "SESSION_ENDED")
        assert (found.metadata["status"], found.metadata["revision"]) == ("COMPLETED", "2")
    info = event_pb2.Change(info_updated=event_pb2.InfoUpdated(purpose="read again"))
    assert (await stub.WriteSession(write(sid, info))).revision == 3


async def test_too_many_watches_say_when_to_come_back(stub, sid):
    await create(stub, sid)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            call = stub.WatchSession(wire.watch(sid))
            stack.callback(call.cancel)
            assert (await call.read()).progress.revision == 1
        found = await watch_failure(stub.WatchSession(wire.watch(sid)))
    check(found, "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")
    assert found.metadata == {"limit_name": "watches_per_worker", "limit": "3"}
    assert found.retry_after == 1.0


async def test_each_item_of_a_batch_has_its_own_status(stub, sid):
    await create(stub, sid)
    writes = [write(sid), write(f"{sid}-none"), write(sid, expected_revision=1), write("-"), write(sid)]
    answer = await stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=writes))
    assert [item.result.revision for item in answer.items] == [2, 0, 0, 0, 3]
    name = error_reason_pb2.ErrorReason.Name
    statuses = [(item.status.code, name(item.status.reason)) for item in answer.items[1:4]]
    assert statuses == [
        (grpc.StatusCode.NOT_FOUND.value[0], "ERROR_REASON_SESSION_NOT_FOUND"),
        (grpc.StatusCode.ABORTED.value[0], "ERROR_REASON_REVISION_CONFLICT"),
        (grpc.StatusCode.INVALID_ARGUMENT.value[0], "ERROR_REASON_INVALID_FIELD"),
    ]
    assert dict(answer.items[2].status.metadata) == {"session_id": sid, "expected_revision": "1", "revision": "2"}
    reads = await stub.BatchGetSessions(pb.BatchGetSessionsRequest(session_ids=[sid, f"{sid}-none", sid]))
    assert [item.session.revision for item in reads.items] == [3, 0, 3]
    assert dict(reads.items[1].status.metadata) == {"session_id": f"{sid}-none"}


async def test_a_batch_itself_is_refused_whole(stub, sid):
    await create(stub, sid)
    many = await failure(stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=[write(sid)] * 1001)))
    check(many, "INVALID_ARGUMENT", "TOO_LARGE")
    none = await failure(stub.BatchGetSessions(pb.BatchGetSessionsRequest()))
    check(none, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert (many.metadata["field"], none.metadata["field"]) == ("writes", "session_ids")
    assert await revision(stub, sid) == 1


async def test_watches_and_lists_that_make_no_sense(stub, sid):
    await create(stub, sid)
    found = await failure(stub.ListEvents(pb.ListEventsRequest(session_id=sid, after=after(-1))))
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    both = await watch_failure(stub.WatchSession(wire.watch(sid, 1, snapshot=True)))
    check(both, "INVALID_ARGUMENT", "INVALID_FIELD")
    often = await watch_failure(stub.WatchSession(wire.watch(sid, progress=0.05)))
    check(often, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert [e.metadata["field"] for e in (found, both, often)] == ["after.revision", "after", "progress_interval"]
