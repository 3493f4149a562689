"""Requests that are refused: each with its documented error, and nothing changed."""

import asyncio

import pytest

from sojourn.v1 import admin_service_pb2 as admin_pb
from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.support import wire
from tests.support.request_wire import Track, begin
from tests.support.server import ServerUnderTest
from tests.support.wire import check, create, failure, log_of, revision

BEGIN = pb.BeginRequestRequest
MALFORMED = {
    "no session": ({"session_id": ""}, "session_id"),
    "session": ({"session_id": "a/b"}, "session_id"),
    "request": ({"request_id": "a b"}, "request_id"),
    "long request": ({"request_id": "a" * 129}, "request_id"),
    "nothing to resume": ({"resume": True}, "request_id"),
    "name": ({"name": "a\nb"}, "name"),
    "negative priority": ({"priority": -1}, "priority"),
    "priority": ({"priority": 10}, "priority"),
    "policy": ({"policy": 9}, "policy"),
    "short lease": ({"lease_ttl": wire.interval(0.999)}, "lease_ttl"),
    "long lease": ({"lease_ttl": wire.interval(86_401)}, "lease_ttl"),
    "no lease": ({"lease_ttl": {}}, "lease_ttl"),
    "queue timeout": ({"queue_timeout": {"seconds": -1}}, "queue_timeout"),
    "pool": ({"pool": "a/b"}, "pool"),
    "token": ({"precondition": {"fencing_token": 1}}, "precondition.fencing_token"),
    "revision": ({"precondition": {"expected_revision": 0}}, "precondition.expected_revision"),
    "status": ({"precondition": {"required_status": 99}}, "precondition.required_status"),
    "writer": ({"writer": "\x00"}, "writer"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_begin_names_its_field(stub, sid, case):
    given, field = MALFORMED[case]
    await create(stub, sid)
    request = BEGIN(**({"session_id": sid} | given))
    found = await failure(stub.BeginRequest(request))
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == field
    async with Track(stub, request) as track:
        found = await track.ended()
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == f"begin.{field}"
    assert await revision(stub, sid) == 1


async def test_what_is_too_large(stub, sid):
    await create(stub, sid)
    key = {"session_id": sid, "request_id": "a"}
    note = event_pb2.RequestProgressed(text="x" * 4097)
    cases = [
        (stub.BeginRequest(BEGIN(session_id=sid, name="n" * 257)), "name", 256),
        (stub.BeginRequest(BEGIN(session_id=sid, writer="n" * 129)), "writer", 128),
        (stub.FinishRequest(pb.FinishRequestRequest(**key, error="x" * 16_385)), "error", 16_384),
        (stub.CancelRequest(pb.CancelRequestRequest(**key, reason="x" * 1025)), "reason", 1024),
        (stub.RenewRequest(pb.RenewRequestRequest(**key, progress=note)), "progress.text", 4096),
    ]
    for call, field, limit in cases:
        found = await failure(call)
        check(found, "INVALID_ARGUMENT", "TOO_LARGE")
        assert (found.metadata["field"], found.metadata["limit"]) == (field, str(limit))
    assert await revision(stub, sid) == 1


SENSELESS = {
    "no begin": ([{"heartbeat": pb.Heartbeat()}], "begin"),
    "nothing": ([{}], "begin"),
    "two begins": ([{"begin": BEGIN(session_id="SID")}] * 2, "begin"),
    "empty": ([{"begin": BEGIN(session_id="SID")}, {}], "message"),
    "fraction": (
        [{"begin": BEGIN(session_id="SID")}, {"progress": event_pb2.RequestProgressed(fraction=1.1)}],
        "progress.fraction",
    ),
    "not a number": (
        [{"begin": BEGIN(session_id="SID")}, {"progress": event_pb2.RequestProgressed(fraction=float("nan"))}],
        "progress.fraction",
    ),
    "outcome": (
        [{"begin": BEGIN(session_id="SID")}, {"finish": event_pb2.RequestFinished(outcome=4)}],
        "finish.outcome",
    ),
}


@pytest.mark.parametrize("case", SENSELESS)
async def test_messages_that_make_no_sense_end_the_stream(stub, sid, case):
    sent, field = SENSELESS[case]
    await create(stub, sid)
    call = stub.TrackRequest()
    for message in sent:
        if "begin" in message:
            message = {"begin": BEGIN(session_id=sid)}
        await call.write(pb.TrackRequestRequest(**message))
    found = await wire.watch_failure(call)
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == field


async def test_a_stream_that_says_nothing_is_refused(stub):
    call = stub.TrackRequest()
    await call.done_writing()
    found = await wire.watch_failure(call)
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == "begin"


async def test_bytes_that_are_no_message_end_a_stream_that_runs(server, sid):
    async with wire.channel(server.target) as channel:
        stub = wire.SessionServiceStub(channel)
        await create(stub, sid)
        call = channel.stream_stream("/sojourn.v1.SessionService/TrackRequest")()
        await call.write(pb.TrackRequestRequest(begin=BEGIN(session_id=sid)).SerializeToString())
        await call.read()
        await call.write(b"\x0a\xff\xff\xff\xff\x0f")
        found = await wire.watch_failure(call)
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == "request"


async def both(stub, request):
    """What beginning this fails with, on either way; they must agree."""
    found = await failure(stub.BeginRequest(request))
    async with Track(stub, request) as track:
        tracked = await track.ended()
        assert track.answers == []
    assert (tracked.code, tracked.reason, tracked.metadata) == (found.code, found.reason, found.metadata)
    return found


async def test_what_a_request_may_require_of_its_session(stub, sid):
    check(await both(stub, begin(sid)), "NOT_FOUND", "SESSION_NOT_FOUND")
    await create(stub, sid)
    conflict = await both(stub, begin(sid, precondition={"expected_revision": 7}))
    check(conflict, "ABORTED", "REVISION_CONFLICT")
    wanted = {"required_status": session_pb2.SESSION_STATUS_FAILED}
    check(await both(stub, begin(sid, precondition=wanted)), "FAILED_PRECONDITION", "STATUS_CONFLICT")
    pool = await both(stub, begin(sid, pool="none"))
    check(pool, "NOT_FOUND", "POOL_NOT_FOUND")
    assert pool.metadata == {"pool": "none"}
    check(await both(stub, begin(sid, "a", resume=True)), "NOT_FOUND", "REQUEST_NOT_FOUND")
    assert await revision(stub, sid) == 1
    begun = await stub.BeginRequest(begin(sid, precondition={"expected_revision": 1}))
    assert begun.request.fencing_token
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    check(await both(stub, begin(sid)), "FAILED_PRECONDITION", "SESSION_ENDED")
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))
    check(await both(stub, begin(sid)), "NOT_FOUND", "SESSION_DELETED")


async def test_calls_about_requests_that_are_gone(stub, sid):
    await create(stub, sid)

    def calls(request_id):
        key = {"session_id": sid, "request_id": request_id}
        return [
            stub.RenewRequest(pb.RenewRequestRequest(**key)),
            stub.CancelRequest(pb.CancelRequestRequest(**key)),
            stub.BeginRequest(begin(sid, request_id, resume=True)),
            stub.FinishRequest(pb.FinishRequestRequest(**key)),
        ]

    for call in calls("never"):
        check(await failure(call), "NOT_FOUND", "REQUEST_NOT_FOUND")
    for request_id in ("finished", "forced"):
        await stub.BeginRequest(begin(sid, request_id))
    await stub.FinishRequest(pb.FinishRequestRequest(session_id=sid, request_id="finished", outcome=2, error="e"))
    forced = pb.CancelRequestRequest(session_id=sid, request_id="forced", reason="stuck", force=True)
    assert (await stub.CancelRequest(forced)).ended
    before = await revision(stub, sid)
    for call in calls("finished")[:3]:
        found = await failure(call)
        check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
        assert (found.metadata["outcome"], found.metadata["error"]) == ("FAILED", "e")
    for call in calls("forced"):
        found = await failure(call)
        check(found, "ABORTED", "LEASE_LOST")
        assert found.metadata["cause"] == "stuck"
    assert await revision(stub, sid) == before


@pytest.fixture(scope="module")
def tight():
    """A server with a small limit of each kind."""
    process = ServerUnderTest(
        requests_per_user=2, requests_per_project=2, requests_per_tenant=5, requests_per_server=6,
        queued_per_session=1, queued_per_scope=2, max_tracked_streams=30, pools='{"one": 1}',
    )  # fmt: skip
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


async def finish(stub, sid, *request_ids):
    for request_id in request_ids:
        await stub.FinishRequest(pb.FinishRequestRequest(session_id=sid, request_id=request_id))


def exceeded(found, name, value):
    check(found, "RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")
    assert found.metadata == {"limit_name": name, "limit": str(value)}
    assert found.retry_after > 0


async def test_the_limit_of_a_session(tight, sid):
    async with wire.connect(tight.target) as stub:
        await create(stub, sid, max_concurrent_requests=1)
        await stub.BeginRequest(begin(sid, "a"))
        last = await revision(stub, sid)
        exceeded(await both(stub, begin(sid, policy="REJECT")), "requests_per_session", 1)
        assert await revision(stub, sid) == last
        await stub.BeginRequest(begin(sid, "b"))
        last = await revision(stub, sid)
        exceeded(await both(stub, begin(sid)), "queued_requests_per_session", 1)
        assert await revision(stub, sid) == last
        await finish(stub, sid, "b", "a")


@pytest.mark.parametrize(
    ("name", "limit", "labels"),
    [
        ("requests_per_user", 2, {"user_id": "u"}),
        ("requests_per_project", 2, {"project": "p"}),
        ("requests_per_tenant", 5, {}),
        ("pool", 1, {}),
    ],
)
async def test_limits_wider_than_a_session(tight, sid, name, limit, labels):
    """REJECT is refused with nothing recorded; QUEUE waits for exactly this limit."""
    pool = "one" if name == "pool" else ""
    async with wire.connect(tight.target) as stub:
        for number in range(limit):
            await create(stub, f"{sid}-{number}", **labels)
            begun = await stub.BeginRequest(begin(f"{sid}-{number}", "a", policy="REJECT", pool=pool))
            assert begun.request.fencing_token
            assert begun.request.HasField("pool_slot") == bool(pool)
        await create(stub, sid, **labels)
        exceeded(await both(stub, begin(sid, "r", policy="REJECT", pool=pool)), name, limit)
        assert await revision(stub, sid) == 1
        waiting = (await stub.BeginRequest(begin(sid, "q", pool=pool))).request
        assert (waiting.waiting_for, waiting.position, waiting.fencing_token) == (name, 1, 0)
        async with Track(stub, begin(sid, "t", pool=pool)) as track:
            queued = (await track.wait_for("queued")).queued
            assert (queued.waiting_for, queued.position) == (name, 2)
            exceeded(await failure(stub.BeginRequest(begin(sid, "r", pool=pool))), "queued_requests", 2)
            await finish(stub, f"{sid}-0", "a")
            renewed = (await stub.RenewRequest(pb.RenewRequestRequest(session_id=sid, request_id="q"))).request
            assert renewed.fencing_token
            await finish(stub, sid, "q")
            await track.admitted()
            await track.finish()
        for number in range(1, limit):
            await finish(stub, f"{sid}-{number}", "a")
        async with Track(stub, begin(sid, "last", policy="REJECT", pool=pool)) as track:
            await track.admitted()
            await track.finish()


async def test_a_rejected_request_gives_back_what_it_took(tight, sid):
    """The pool has room, the session has not: the slot of the pool is free for the next."""
    async with wire.connect(tight.target) as stub:
        await create(stub, sid, max_concurrent_requests=1)
        await create(stub, f"{sid}-b")
        await stub.BeginRequest(begin(sid, "a"))
        exceeded(await both(stub, begin(sid, policy="REJECT", pool="one")), "requests_per_session", 1)
        begun = await stub.BeginRequest(begin(f"{sid}-b", "b", policy="REJECT", pool="one"))
        assert begun.request.pool_slot.pool == "one"
        again = await stub.BeginRequest(begin(f"{sid}-b", "b", policy="REJECT", pool="one"))
        assert (again.resumed, again.request.fencing_token) == (True, begun.request.fencing_token)
        await finish(stub, sid, "a")
        await finish(stub, f"{sid}-b", "b")


async def test_the_limit_of_all_tenants_together():
    async with ServerUnderTest(requests_per_server=1) as server, wire.connect(server.target) as stub:
        await create(stub, "s")
        await stub.BeginRequest(begin("s", "a"))
        exceeded(await both(stub, begin("s", policy="REJECT")), "requests_per_server", 1)
        assert (await stub.BeginRequest(begin("s", "b"))).request.waiting_for == "requests_per_server"


async def test_how_often_requests_may_begin():
    settings = {"session_request_rate": 0.5, "session_request_burst": 3}
    settings |= {"user_request_rate": 1, "user_request_burst": 5}
    async with ServerUnderTest(**settings) as server, wire.connect(server.target) as stub:
        for name in ("a", "b", "c"):
            await create(stub, name, user_id="u")
        for number in range(3):
            await stub.BeginRequest(begin("a", f"r{number}"))
        last = await revision(stub, "a")
        found = await failure(stub.BeginRequest(begin("a")))
        exceeded(found, "request_rate_per_session", 0.5)
        assert 0 < found.retry_after <= 2
        assert (await stub.BeginRequest(begin("a", "r0", resume=True))).resumed, "resuming is free"
        assert await revision(stub, "a") == last
        for number in range(2):
            await stub.BeginRequest(begin("b", f"r{number}"))
        found = await failure(stub.BeginRequest(begin("c")))
        exceeded(found, "request_rate_per_user", 1)
        assert 0 < found.retry_after <= 1
        await asyncio.sleep(found.retry_after + 0.1)
        await stub.BeginRequest(begin("c", "later"))


async def test_a_worker_has_room_for_so_many_streams(sid):
    async with ServerUnderTest(max_tracked_streams=1) as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        async with Track(stub, begin(sid, "a")) as track:
            await track.admitted()
            async with Track(stub, begin(sid, "b")) as second:
                exceeded(await second.ended(), "tracked_streams_per_worker", 1)
            assert (await log_of(stub, sid))[-1].revision == 2
            await track.finish()
        async with Track(stub, begin(sid, "b")) as third:
            await third.admitted()
            await third.finish()


async def test_a_pool_that_goes_takes_its_queue_with_it(tight, sid):
    async with wire.channel(tight.target) as channel:
        stub, admin = wire.SessionServiceStub(channel), AdminServiceStub(channel)
        await admin.SetPool(admin_pb.SetPoolRequest(name="brief", size=1))
        await create(stub, sid)
        await stub.BeginRequest(begin(sid, "holder", pool="brief"))
        await stub.BeginRequest(begin(sid, "unary", pool="brief"))
        async with Track(stub, begin(sid, "tracked", pool="brief")) as track:
            await track.wait_for("queued")
            await admin.SetPool(admin_pb.SetPoolRequest(name="brief", size=0))
            found = await track.ended()
            check(found, "NOT_FOUND", "POOL_NOT_FOUND")
        renewal = pb.RenewRequestRequest(session_id=sid, request_id="unary")
        check(await failure(stub.RenewRequest(renewal)), "NOT_FOUND", "POOL_NOT_FOUND")
        found = await failure(stub.RenewRequest(renewal))
        check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
        assert found.metadata["error"] == "there is no pool 'brief'"
        await finish(stub, sid, "holder")
        check(await both(stub, begin(sid, pool="brief")), "NOT_FOUND", "POOL_NOT_FOUND")
