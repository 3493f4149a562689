"""Who is admitted, who waits, and who is let in before whom."""

import asyncio

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain.errors import ConflictError, NotFoundError
from sojourn_server.domain.requests import (
    RequestPolicy,
    RequestState,
)
from sojourn_server.domain.session import SessionStatus
from tests.support.requests import FREE, Clerk
from tests.support.sessions import Desk


async def test_admitted_at_once_where_there_is_room(clerk):
    await clerk.create()
    begun = await clerk.begin("a", name="plan", priority=3, lease_ms=5000, writer="me")
    request = begun.request
    assert (begun.resumed, begun.replaced) == (False, ())
    assert (request.key, request.name, request.state) == (clerk.key("a"), "plan", RequestState.ADMITTED)
    assert (request.priority, request.policy, request.exclusive) == (3, RequestPolicy.QUEUE, False)
    assert (request.attachment, request.position, request.waiting_for) == (1, 0, "")
    assert (request.cancel_reason, request.slot, request.scopes, request.pool) == (None, None, (), "")
    assert request.begin_us == request.admit_us <= request.token
    assert abs(request.lease_deadline_us - request.begin_us - 5_000_000) <= 1000
    assert await clerk.get("a") == request
    assert await clerk.news() == [["admitted a"]]
    admitted = event_pb2.RequestAdmitted(request_id="a", name="plan", fencing_token=request.token, priority=3)
    assert clerk.event() == event_pb2.Event(writer="me", changes=[event_pb2.Change(request_admitted=admitted)])


async def test_waits_where_there_is_none(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    request = (await clerk.begin("b", name="n", priority=9, exclusive=True, writer="me")).request
    assert (request.state, request.position, request.waiting_for) == (RequestState.QUEUED, 1, "requests_per_session")
    assert (request.token, request.admit_us) == (0, 0)
    assert await clerk.get("b") == request
    assert await clerk.news() == [["admitted a"], ["queued b"]]
    queued = event_pb2.RequestQueued(request_id="b", name="n", priority=9, exclusive=True)
    assert clerk.event() == event_pb2.Event(writer="me", changes=[event_pb2.Change(request_queued=queued)])


async def test_the_next_is_admitted_in_the_step_in_which_one_leaves(clerk):
    await clerk.create(limit=1)
    first = await clerk.admitted("a")
    await clerk.queued("b", name="n", priority=2, exclusive=True)
    await clerk.news()
    left = await clerk.finish("a", writer="me")
    assert (left.ended.revision, left.scopes, left.reserving) == (4, (), ())
    assert await clerk.news() == [["finished a SUCCEEDED", "admitted b"]]
    assert clerk.event().writer == "me"
    second = await clerk.get("b")
    assert second.token > first.token
    assert second.admit_us > second.begin_us
    admitted = clerk.event().changes[1].request_admitted
    assert admitted == event_pb2.RequestAdmitted(
        request_id="b", name="n", priority=2, exclusive=True, fencing_token=second.token
    )


async def test_the_servers_limit_where_the_session_says_nothing(clerk):
    await clerk.create()
    begun = await asyncio.gather(*(clerk.begin(f"r{n}") for n in range(FREE + 3)))
    assert sum(one.request.state is RequestState.ADMITTED for one in begun) == FREE
    assert len(await clerk.queue()) == 3
    assert len(await clerk.holders()) == FREE


async def test_the_sessions_own_limit_comes_first(clerk, open_another, desk):
    await clerk.create("few", limit=2)
    await clerk.create("many", limit=FREE + 1)
    for sid, limit in (("few", 2), ("many", FREE + 1)):
        begun = await asyncio.gather(*(clerk.begin(f"r{n}", sid=sid) for n in range(limit + 1)))
        assert sum(one.request.state is RequestState.ADMITTED for one in begun) == limit


async def test_a_leaving_request_lets_in_one_and_no_more(clerk):
    await clerk.create(limit=3)
    for rid in "abcdefg":
        await clerk.begin(rid)
    await clerk.finish("b")
    assert (await clerk.holders(), await clerk.queue()) == (["a", "c", "d"], ["e", "f", "g"])
    await clerk.finish("f")  # it only waited
    assert (await clerk.holders(), await clerk.queue()) == (["a", "c", "d"], ["e", "g"])


async def test_by_priority_and_then_by_arrival(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("holder")
    for rid, priority in (("a", 0), ("b", 5), ("c", 9), ("d", 5), ("e", 0), ("f", 9)):
        await clerk.queued(rid, priority=priority)
    order = ["c", "f", "b", "d", "a", "e"]
    assert await clerk.queue() == order
    leaving = "holder"
    for rid in order:
        await clerk.finish(leaving)
        assert await clerk.holders() == [rid]
        leaving = rid


async def test_arrival_is_kept_beyond_ten(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("holder")
    ids = [f"r{n}" for n in range(25)]
    for rid in ids:
        await clerk.queued(rid)
    assert await clerk.queue() == ids
    assert [one.key.request_id for one in await clerk.live()] == ["holder", *ids]


async def test_an_exclusive_request_is_alone(clerk):
    await clerk.create()
    await clerk.admitted("a", exclusive=True)
    await clerk.queued("b")
    await clerk.queued("c", exclusive=True)
    await clerk.queued("d")
    await clerk.queued("e")
    await clerk.finish("a")
    assert await clerk.holders() == ["b"]  # and nobody overtakes c
    await clerk.finish("b")
    assert await clerk.holders() == ["c"]
    await clerk.finish("c")
    assert await clerk.holders() == ["d", "e"]
    assert (await clerk.news())[-1] == ["finished c SUCCEEDED", "admitted d", "admitted e"]


async def test_a_shared_request_never_overtakes_a_waiting_exclusive_one(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.queued("b", exclusive=True)
    await clerk.queued("c")
    await clerk.admitted("urgent", priority=1)  # it is before b in the queue, and there is room
    await clerk.finish("a")
    assert (await clerk.holders(), await clerk.queue()) == (["urgent"], ["b", "c"])
    await clerk.finish("urgent")
    assert (await clerk.holders(), await clerk.queue()) == (["b"], ["c"])


async def test_when_the_first_in_the_queue_gives_up_those_behind_it_move(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.queued("b", exclusive=True)
    await clerk.queued("c")
    await clerk.queued("d")
    await clerk.news()
    await clerk.cancel("b")
    assert await clerk.news() == [["finished b CANCELLED: why", "admitted c", "admitted d"]]


@pytest.mark.parametrize("limit", [1, 2])
async def test_what_must_hold_is_decided_in_the_same_step(clerk, limit):
    """Neither a slot nor a place in the queue is taken when the precondition fails."""
    await clerk.create(limit=limit)
    await clerk.admitted("a")
    before = (await clerk.live(), await clerk.desk.get())
    for required, reason in (
        ({"expected_revision": 1}, "REVISION_CONFLICT"),
        ({"expected_revision": 3}, "REVISION_CONFLICT"),
        ({"required_status": SessionStatus.FAILED}, "STATUS_CONFLICT"),
    ):
        with pytest.raises(ConflictError) as raised:
            await clerk.begin("b", **required)
        assert (raised.value.reason, raised.value.metadata["revision"]) == (reason, "2")
        assert raised.value.metadata["session_id"] == "s"
    assert (await clerk.live(), await clerk.desk.get()) == before
    await clerk.begin("b", expected_revision=2, required_status=SessionStatus.ACTIVE)
    assert [one.key.request_id for one in await clerk.live()] == ["a", "b"]


async def test_of_many_with_one_expectation_one_begins(clerk):
    await clerk.create()
    begun = await asyncio.gather(
        *(clerk.begin(f"r{n}", expected_revision=1) for n in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(one, Exception) for one in begun) == 1
    assert len(await clerk.live()) == 1


async def test_no_such_session(clerk):
    for reason in ("SESSION_NOT_FOUND", "SESSION_DELETED"):
        for call in (clerk.begin, clerk.get, clerk.finish, clerk.cancel):
            with pytest.raises(NotFoundError) as raised:
                await call("a")
            assert (raised.value.reason, raised.value.metadata["session_id"]) == (reason, "s")
        with pytest.raises(NotFoundError) as raised:
            await clerk.live()
        assert raised.value.reason == reason
        assert (await clerk.lose("a"), await clerk.detach("a")) == (None, None)
        if reason == "SESSION_NOT_FOUND":
            await clerk.create()
            await clerk.desk.delete()


async def test_sessions_do_not_know_each_other(clerk):
    await clerk.create("s", limit=1)
    await clerk.create("t", limit=1)
    await clerk.admitted("a", sid="s")
    await clerk.admitted("a", sid="t")
    await clerk.queued("b", sid="t")
    await clerk.finish("a", sid="s")
    assert await clerk.queue("t") == ["b"]


async def test_the_requests_of_all_sessions_of_a_tenant(clerk, desk):
    other = Clerk(Desk(desk.store))
    expected = set()
    for clerk_, tenant in ((clerk, "mine"), (other, "other")):
        for sid in ("s", "t", "u", "v"):
            await clerk_.create(sid, limit=1, user_id=f"user-{sid}", project="p")
        for sid in ("s", "t", "u"):
            for rid in ("a", "b"):
                await clerk_.begin(rid, sid=sid)
                if tenant == "mine":
                    expected.add(
                        (sid, rid, RequestState.ADMITTED if rid == "a" else RequestState.QUEUED, f"user-{sid}")
                    )
    found = await clerk.store.of_tenant(desk.tenant)
    assert {(one.key.session.session_id, one.key.request_id, one.state, one.user_id) for one in found} == expected
    assert {one.key.session.tenant for one in found} == {desk.tenant}
    assert len(found) == len(expected)
    await other.desk.delete_all()
    assert await clerk.store.of_tenant(other.desk.tenant) == []
