"""Requests of callers that hold no stream; lists of requests; pools."""

import asyncio

import pytest

from sojourn.v1 import admin_service_pb2 as admin_pb
from sojourn.v1 import event_pb2, request_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.support import wire
from tests.support.request_wire import Track, begin, live
from tests.support.waiting import wait_until
from tests.support.wire import check, create, failure, log_of, revision


def renewal(sid, request_id, **progress):
    note = event_pb2.RequestProgressed(**progress) if progress else None
    return pb.RenewRequestRequest(session_id=sid, request_id=request_id, progress=note)


def finish(sid, request_id, **rest):
    return pb.FinishRequestRequest(session_id=sid, request_id=request_id, **rest)


async def test_begin_renew_finish(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    first = await stub.BeginRequest(begin(sid, "a", lease=5, snapshot=True))
    assert (first.request.state, first.resumed) == (request_pb2.REQUEST_STATE_ADMITTED, False)
    assert first.snapshot.id == sid
    second = await stub.BeginRequest(begin(sid, name="minted"))
    assert second.request.id
    assert (second.request.state, second.request.position) == (request_pb2.REQUEST_STATE_QUEUED, 1)
    assert (second.request.waiting_for, second.HasField("snapshot")) == ("requests_per_session", False)
    again = await stub.BeginRequest(begin(sid, "a", name="other"))
    assert (again.resumed, again.request.name) == (True, "")
    assert again.request.fencing_token == first.request.fencing_token

    renewed = (await stub.RenewRequest(renewal(sid, "a", fraction=0.5, text="half"))).request
    assert renewed.lease_expire_time.ToMicroseconds() > first.request.lease_expire_time.ToMicroseconds()
    assert (renewed.progress, renewed.progress_text) == (0.5, "half")
    ended = await stub.FinishRequest(finish(sid, "a", outcome=event_pb2.REQUEST_OUTCOME_FAILED, error="no"))
    repeated = await stub.FinishRequest(finish(sid, "a"))
    assert (ended.outcome, repeated) == (event_pb2.REQUEST_OUTCOME_FAILED, ended)
    promoted = (await stub.RenewRequest(renewal(sid, second.request.id))).request
    assert promoted.fencing_token > first.request.fencing_token
    assert (await stub.FinishRequest(finish(sid, promoted.id))).outcome == event_pb2.REQUEST_OUTCOME_SUCCEEDED
    log = await log_of(stub, sid)
    assert log[-1].revision == await revision(stub, sid)
    assert [change.WhichOneof("kind") for event in log for change in event.changes] == [
        "session_created", "request_admitted", "request_queued", "request_progressed",
        "request_finished", "request_admitted", "request_finished",
    ]  # fmt: skip


async def test_a_lease_that_nobody_renews_is_lost(stub, sid):
    await create(stub, sid)
    begun = (await stub.BeginRequest(begin(sid, "a", lease=1))).request
    await asyncio.sleep(1.1)
    found = await failure(stub.RenewRequest(renewal(sid, "a")))
    check(found, "ABORTED", "LEASE_LOST")
    check(await failure(stub.FinishRequest(finish(sid, "a"))), "ABORTED", "LEASE_LOST")
    lost = (await log_of(stub, sid))[-1]
    assert lost.changes[0].request_lost.fencing_token == begun.fencing_token
    assert lost.commit_time.ToMicroseconds() >= begun.lease_expire_time.ToMicroseconds()


async def test_a_queue_timeout_of_a_caller_without_a_stream(stub, sid):
    await create(stub, sid, max_concurrent_requests=1)
    await stub.BeginRequest(begin(sid, "a"))
    await stub.BeginRequest(begin(sid, "b", queue_timeout=0.2))
    await asyncio.sleep(0.3)
    for call in (stub.RenewRequest(renewal(sid, "b")), stub.RenewRequest(renewal(sid, "b"))):
        found = await failure(call)
        check(found, "RESOURCE_EXHAUSTED", "QUEUE_TIMEOUT")
        assert found.metadata == {"session_id": sid, "request_id": "b"}


async def test_a_stream_and_calls_may_take_turns(stub, sid):
    """A request may be begun with a call, taken up by a stream, and finished with a call."""
    await create(stub, sid)
    begun = (await stub.BeginRequest(begin(sid, "a"))).request
    async with Track(stub, begin(sid, "a", resume=True)) as track:
        assert (await track.admitted()).fencing_token == begun.fencing_token
        await stub.FinishRequest(finish(sid, "a"))
        found = await track.ended()
        check(found, "FAILED_PRECONDITION", "REQUEST_ENDED")
        assert found.metadata["outcome"] == "SUCCEEDED"


async def test_lists_are_paged_from_the_oldest_and_bound_to_their_conditions(stub, sid):
    user = f"u-{sid}"
    for name in ("x", "y"):
        await create(stub, f"{sid}-{name}", max_concurrent_requests=1, user_id=user, project=f"p-{name}-{sid}")
    for number in range(3):
        for name in ("x", "y"):
            await stub.BeginRequest(begin(f"{sid}-{name}", f"r{number}", priority=number))
    everything = await live(stub, user_id=user)
    assert [(one.session_id[-1], one.id) for one in everything] == [
        ("x", "r0"), ("y", "r0"), ("x", "r1"), ("y", "r1"), ("x", "r2"), ("y", "r2"),
    ]  # fmt: skip
    assert [one.position for one in everything] == [0, 0, 2, 2, 1, 1]
    assert {one.user_id for one in everything} == {user}

    query = pb.ListRequestsRequest(user_id=user, page_size=4)
    first = await stub.ListRequests(query)
    query.page_token = first.next_page_token
    second = await stub.ListRequests(query)
    assert [*first.requests, *second.requests] == everything
    assert second.next_page_token == ""
    assert len(await live(stub, session_id=f"{sid}-x")) == 3
    assert len(await live(stub, project=f"p-y-{sid}")) == 3
    admitted = await live(stub, user_id=user, state=request_pb2.REQUEST_STATE_ADMITTED)
    assert [one.id for one in admitted] == ["r0", "r0"]
    queued = await live(stub, user_id=user, state=request_pb2.REQUEST_STATE_QUEUED)
    assert len(queued) == 4
    assert await live(stub, user_id=user, pool="none") == []
    query.user_id = ""
    other = await failure(stub.ListRequests(query))
    check_field(other, "PAGE_TOKEN_INVALID", "page_token")
    wrong = {"session_id": "a/b", "pool": "a/b", "state": 9, "page_size": -1, "user_id": "\n", "page_token": "x"}
    for field, value in wrong.items():
        found = await failure(stub.ListRequests(pb.ListRequestsRequest(**{field: value})))
        check_field(found, "PAGE_TOKEN_INVALID" if field == "page_token" else "INVALID_FIELD", field)
    missing = await failure(stub.ListRequests(pb.ListRequestsRequest(session_id=f"{sid}-none")))
    check(missing, "NOT_FOUND", "SESSION_NOT_FOUND")


def check_field(found, reason, field):
    assert (found.code, found.reason, found.metadata["field"]) == ("INVALID_ARGUMENT", reason, field)


@pytest.fixture
async def admin(server):
    async with wire.channel(server.target) as channel:
        yield AdminServiceStub(channel)


async def test_pools_are_made_resized_and_removed(stub, admin, sid):
    async def pools():
        listed = (await admin.ListPools(admin_pb.ListPoolsRequest())).pools
        return {pool.name: (pool.size, pool.used, pool.queued) for pool in listed if pool.name.endswith(sid)}

    name = f"b-{sid}"
    made = await admin.SetPool(admin_pb.SetPoolRequest(name=name, size=1))
    assert (made.pool.name, made.pool.size, made.pool.used) == (name, 1, 0)
    await admin.SetPool(admin_pb.SetPoolRequest(name=f"a-{sid}", size=2))
    assert list(await pools()) == [f"a-{sid}", name]
    for number in range(3):
        await create(stub, f"{sid}-{number}")
    async with (
        Track(stub, begin(f"{sid}-0", "a", pool=name)) as a,
        Track(stub, begin(f"{sid}-1", "b", pool=name)) as b,
        Track(stub, begin(f"{sid}-2", "c", pool=name, priority=1)) as c,
    ):
        slot = (await a.admitted()).pool_slot
        assert (slot.pool, slot.slot) == (name, 0)
        await b.wait_for("queued")
        await c.wait_for("queued")
        assert (await pools())[name] == (1, 1, 2)
        assert {one.id for one in await live(stub, pool=name)} == {"a", "b", "c"}  # b and c began at the same time
        await admin.SetPool(admin_pb.SetPoolRequest(name=name, size=2))
        second = (await c.admitted()).pool_slot
        assert (second.slot, second.fencing_token > slot.fencing_token) == (1, True)
        await wait_until(lambda: b.of_kind("queued")[-1].position == 1, description="the next place is told")
        await a.finish()
        assert (await b.admitted()).pool_slot.slot == 0
        for track in (b, c):
            await track.finish()
    assert (await pools())[name] == (2, 0, 0)
    await admin.SetPool(admin_pb.SetPoolRequest(name=name, size=0))
    assert list(await pools()) == [f"a-{sid}"]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": "", "size": 1}, "name"), ({"name": "a/b"}, "name"), ({"name": "a", "size": -1}, "size"),
     ({"name": "a", "size": 10_001}, "size")],
)  # fmt: skip
async def test_pools_that_cannot_be(admin, given, field):
    found = await failure(admin.SetPool(admin_pb.SetPoolRequest(**given)))
    check(found, "INVALID_ARGUMENT", "INVALID_FIELD")
    assert found.metadata["field"] == field


async def test_a_slot_of_a_pool_comes_back_with_a_broken_stream(stub, admin, sid):
    await admin.SetPool(admin_pb.SetPoolRequest(name=sid, size=1))
    for name in ("x", "y"):
        await create(stub, f"{sid}-{name}")
    async with Track(stub, begin(f"{sid}-x", "a", pool=sid)) as first:
        token = (await first.admitted()).pool_slot.fencing_token
        async with Track(stub, begin(f"{sid}-y", "b", pool=sid)) as second:
            await second.wait_for("queued")
            await first.close()
            assert (await second.admitted(timeout=2)).pool_slot.fencing_token > token
            await second.finish()
