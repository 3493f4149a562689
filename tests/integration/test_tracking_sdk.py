"""Tracked requests through the SDK, on the real service: admission, signals, what the log says of them."""
# ruff: noqa: PT012 - it is the blocks that raise

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

import sojourn
from sojourn.changes import InvocationFinished, RequestAdmitted, RequestFinished, RequestLost, RequestProgressed
from tests.support.waiting import wait_until


@pytest.fixture
async def client(server):
    async with sojourn.Client(server.target) as client:
        yield client


@pytest.fixture
async def session(client, sid):
    """A session that admits one request at a time."""
    return await client.create_session(sid, max_concurrent_requests=1)


async def log_of(session, *kinds):
    """The changes of these kinds, in their order."""
    return [change async for event in session.events() for change in event.changes if isinstance(change, kinds)]


@asynccontextmanager
async def in_background(tracked):
    """A request that waits, or works until it is told to go."""
    entered, go = asyncio.Event(), asyncio.Event()

    async def work():
        async with tracked:
            entered.set()
            await go.wait()

    task = asyncio.create_task(work())
    try:
        yield entered, go, task
    finally:
        go.set()
        await asyncio.wait([task])


async def queued(session, number):
    """Waits until so many requests wait in the session."""

    async def there():
        return len([request async for request in session.requests(state="queued")]) == number

    await wait_until(there, description=f"{number} queued requests")


async def test_admitted_at_once(session):
    async with session.track("plan") as request:
        assert request.fencing_token > 0
        assert request.queued_for == timedelta(0)
        (found,) = [found async for found in session.requests()]
        assert (found.id, found.name, found.state) == (request.id, "plan", "admitted")
        assert found.fencing_token == request.fencing_token
        assert (await session.refresh()).admitted_requests == 1
    assert [found async for found in session.requests()] == []
    assert await log_of(session, RequestFinished) == [RequestFinished(request_id=request.id, outcome="succeeded")]


async def test_the_queue_goes_by_priority_then_arrival(session):
    order = []

    async def work(name, priority):
        async with session.track(name, priority=priority):
            order.append(name)

    async with in_background(session.track("holder")) as (entered, go, _), asyncio.TaskGroup() as group:
        await entered.wait()
        for number, (name, priority) in enumerate([("a", 1), ("b", 5), ("c", 5), ("d", 0)]):
            group.create_task(work(name, priority))
            await queued(session, number + 1)
        positions = {found.name: found.position async for found in session.requests(state="queued")}
        assert positions == {"b": 1, "c": 2, "a": 3, "d": 4}
        go.set()
    assert order == ["b", "c", "a", "d"]
    tokens = [admitted.fencing_token for admitted in await log_of(session, RequestAdmitted)]
    assert tokens == sorted(set(tokens))


async def test_a_place_in_the_queue_moves_up(session):
    async with AsyncExitStack() as stack:
        _, go_first, first = await stack.enter_async_context(in_background(session.track("first")))
        await wait_until(lambda: session_admitted(session))
        waiting = session.track("waiting")
        _, go_second, _ = await stack.enter_async_context(in_background(session.track("second", priority=9)))
        await queued(session, 1)
        entered, _, _ = await stack.enter_async_context(in_background(waiting))
        await wait_until(lambda: waiting.position == 2)
        assert waiting.waiting_for == "requests_per_session"
        go_first.set()
        await first
        await wait_until(lambda: waiting.position == 1)
        go_second.set()
        await entered.wait()
        assert waiting.queued_for > timedelta(0)
        assert waiting.position == 0


async def session_admitted(session):
    return (await session.refresh()).admitted_requests


async def test_the_time_in_the_queue_is_limited(session):
    async with session.track("holder"):
        with pytest.raises(sojourn.QueueTimeoutError) as raised:
            async with session.track("late", timeout=0.2):
                raise AssertionError("not to be entered")
    assert raised.value.session_id == session.id


async def test_who_does_not_want_to_wait_is_refused(session):
    async with session.track("holder"):
        with pytest.raises(sojourn.LimitExceededError) as raised:
            async with session.track("other", policy="reject"):
                raise AssertionError("not to be entered")
    assert (raised.value.limit_name, raised.value.limit) == ("requests_per_session", 1)


async def test_to_stop_waiting_leaves_the_queue_at_once(session):
    async with session.track("holder"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), session.track("impatient"):
                raise AssertionError("not to be entered")
        assert [found.name async for found in session.requests()] == ["holder"]
    *_, ended = await log_of(session, RequestFinished)
    assert ended.outcome == "succeeded"
    assert (await log_of(session, RequestFinished))[0].outcome == "cancelled"


async def test_asked_to_stop(session):
    async with sojourn.Client(session._client.target) as supervisor:
        with pytest.raises(sojourn.RequestCancelledError, match="stuck") as raised:
            async with session.track("plan") as request:
                assert await supervisor.cancel_request(session.id, request.id, reason="stuck") is False
                await asyncio.Event().wait()
        assert raised.value.cancel_reason == request.cancelled.reason == "stuck"
        with pytest.raises(sojourn.RequestEndedError) as ended:
            await supervisor.cancel_request(session.id, request.id)
        assert ended.value.outcome == "cancelled"
        with pytest.raises(sojourn.RequestNotFoundError):
            await supervisor.cancel_request(session.id, "nobody")
    assert await log_of(session, RequestFinished) == [
        RequestFinished(request_id=request.id, outcome="cancelled", error="stuck")
    ]


async def test_asked_to_stop_and_only_told(session):
    async with session.track("plan", on_cancel="flag") as request:
        assert not request.cancelled
        await session.cancel_request(request.id, reason="enough")
        assert await request.cancelled == "enough"
    (ended,) = await log_of(session, RequestFinished)
    assert ended.outcome == "succeeded"


async def test_cancelled_in_the_queue(session):
    async with session.track("holder"):
        waiting = session.track("waiting", request_id="waiting")
        async with in_background(waiting) as (entered, _, task):
            await queued(session, 1)
            assert await session.cancel_request("waiting", reason="not needed") is True
            with pytest.raises(sojourn.RequestCancelledError, match="not needed"):
                await task
            assert not entered.is_set()


async def test_replaced_in_the_queue(session):
    async with AsyncExitStack() as stack:
        _, go, _ = await stack.enter_async_context(in_background(session.track("holder")))
        await wait_until(lambda: session_admitted(session))
        _, _, old = await stack.enter_async_context(in_background(session.track("old")))
        await queued(session, 1)
        newest = session.track("newest", policy="replace_queued", request_id="newest")
        entered, _, _ = await stack.enter_async_context(in_background(newest))
        with pytest.raises(sojourn.RequestCancelledError, match="newest"):
            await old
        go.set()
        await entered.wait()


async def test_interrupted(session):
    """The holder is asked to stop; who interrupts gets its place when it has left."""
    async with in_background(session.track("holder")) as (entered, _, holder):
        await entered.wait()
        async with session.track("urgent", policy="interrupt") as urgent:
            with pytest.raises(sojourn.RequestCancelledError, match=urgent.id):
                await holder


async def test_taken_away(session):
    """By force: the body ends, its late write is refused, its open invocation is closed by the server."""
    late = None
    async with sojourn.Client(session._client.target) as supervisor:
        with pytest.raises(sojourn.LeaseLostError) as raised:
            async with session.track("plan") as request:
                async with session.write() as write:
                    write.start_invocation("git", invocation_id="open")
                try:  # the body may be ended before it hears that the request was
                    assert await supervisor.cancel_request(session.id, request.id, reason="dead", force=True) is True
                    await asyncio.Event().wait()
                finally:
                    with pytest.raises(sojourn.FencingTokenRejectedError) as late:
                        await session.set_state({"late": True})
    assert raised.value.cause == request.lost.reason != ""
    assert late is not None
    assert late.value.fencing_token == request.fencing_token
    (lost,) = await log_of(session, RequestLost)
    assert (lost.request_id, lost.fencing_token) == (request.id, request.fencing_token)
    (closed,) = await log_of(session, InvocationFinished)
    assert (closed.invocation_id, closed.status) == ("open", "interrupted")


async def test_taken_away_and_only_told(session):
    async with session.track("plan", on_lost="flag") as request:
        await session.cancel_request(request.id, force=True)
        assert await request.lost
        with pytest.raises(sojourn.RequestNotAdmittedError):
            async with session._client.session(session.id).write(fencing_token=None) as write:
                write._batch.writes[0].precondition.Clear()  # as one without a fence
                write.start_invocation("git")


async def test_writes_and_invocations_in_the_body_belong_to_the_request(session, client):
    async with session.track("plan", request_id="mine"):
        async with session.invocation("search", arguments={"to": "BER"}) as call:
            call.result = 3
        await session.set_state({"step": "book"})
    calls = [call async for call in session.invocations()]
    assert [(call.request_id, call.status, call.result) for call in calls] == [("mine", "succeeded", 3)]


async def test_the_end_of_the_session_inside_the_body(session):
    async with session.track("plan"):
        await session.complete()
    info = await session.refresh()
    assert (info.status, info.admitted_requests) == ("completed", 0)
    with pytest.raises(sojourn.SessionEndedError):
        async with session.track("again"):
            raise AssertionError("not to be entered")


async def test_an_exception_is_recorded(session):
    with pytest.raises(RuntimeError):
        async with session.track("plan") as request:
            raise RuntimeError("no offers")
    assert await log_of(session, RequestFinished) == [
        RequestFinished(request_id=request.id, outcome="failed", error="no offers")
    ]


async def test_progress_is_seen(session):
    async with session.track("plan") as request:
        for number in range(50):
            await request.progress(number / 50, f"step {number}")
        await request.progress(0.9, "x" * 10_000)

        async def told():
            return [found.progress async for found in session.requests()] == [0.9]

        await wait_until(told)
        await request.progress(1.0, "all")
    told = await log_of(session, RequestProgressed)
    assert len(told) <= 4
    assert (told[-1].fraction, told[-1].text) == (1.0, "all")


async def test_the_lease_is_kept(session):
    async with session.track("plan", lease_ttl=1) as request:
        await asyncio.sleep(2.5)
        await session.set_state({"still": "here"})
        assert not request.lost
    assert await log_of(session, RequestLost) == []


async def test_preconditions(session):
    with pytest.raises(sojourn.RevisionConflictError):
        async with session.track("plan", expected_revision=99):
            raise AssertionError("not to be entered")
    with pytest.raises(sojourn.StatusConflictError):
        async with session.track("plan", required_status="failed"):
            raise AssertionError("not to be entered")
    async with session.track("plan", expected_revision=1, required_status="active"):
        pass


async def test_what_is_not_there(client, sid):
    with pytest.raises(sojourn.SessionNotFoundError):
        async with client.session(sid).track("plan"):
            raise AssertionError("not to be entered")
    session = await client.create_session(sid)
    with pytest.raises(sojourn.PoolNotFoundError) as raised:
        async with session.track("plan", pool="nowhere"):
            raise AssertionError("not to be entered")
    assert raised.value.pool == "nowhere"
    for wrong in ({"request_id": "no/slash"}, {"name": "x" * 300}, {"lease_ttl": 0.1}):
        with pytest.raises(sojourn.InvalidRequestError):
            async with session.track(**{"name": "plan", **wrong}):
                raise AssertionError("not to be entered")


async def test_another_process_takes_a_request_up(session):
    """With the id it goes on where the first was, which learns that it is not its own any more."""
    async with sojourn.Client(session._client.target) as other:
        first = session.track("plan", request_id="shared")
        second = other.session(session.id).track("plan", request_id="shared")
        with pytest.raises(sojourn.RequestSupersededError):
            async with first, second:
                assert second.fencing_token == first.fencing_token
                await asyncio.Event().wait()
    assert len(await log_of(session, RequestAdmitted)) == 1


async def test_slots_of_a_pool(client, sid):
    pool = client.pool(sid)
    assert (await pool.resize(2)).size == 2
    async with pool.slot("one") as one, pool.slot("two") as two:
        assert {one.pool_slot.slot, two.pool_slot.slot} == {0, 1}
        assert one.pool_slot.fencing_token < two.pool_slot.fencing_token
        assert one.session.id == two.session.id
        waiting = pool.slot("three", priority=9)
        async with in_background(waiting) as (entered, go, _):
            await wait_until(lambda: waiting.waiting_for == "pool")
            assert (await pool.info()).model_dump() == {"name": sid, "size": 2, "used": 2, "queued": 1}
            found = {request.name: request.state async for request in client.requests(pool=sid)}
            assert found == {"one": "admitted", "two": "admitted", "three": "queued"}
            await pool.resize(3)
            await entered.wait()
            assert waiting.pool_slot.slot == 2
            go.set()
    assert sid in [found.name for found in await client.pools()]
    await pool.resize(0)
    with pytest.raises(sojourn.PoolNotFoundError):
        await pool.info()


async def test_a_pool_that_is_removed_ends_those_who_wait(client, sid):
    pool = client.pool(sid)
    await pool.resize(1)
    async with pool.slot("one"), in_background(waiting := pool.slot("two")) as (_, _, task):
        await wait_until(lambda: waiting.waiting_for == "pool")
        await pool.resize(0)
        with pytest.raises(sojourn.PoolNotFoundError):
            await task


async def test_sessions_of_slots_end_with_their_client(server, client, sid):
    await client.pool(sid).resize(1)
    async with sojourn.Client(server.target, user_id=sid) as other, other.pool(sid).slot() as request:
        info = (await client.get_session(request.session.id)).info
        assert (info.kind, info.user_id, info.status) == ("slots", sid, "active")
    assert (await client.get_session(request.session.id)).info.status == "completed"
