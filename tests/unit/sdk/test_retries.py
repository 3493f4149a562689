"""Retries: what is tried again, for how long, and why it never takes effect twice."""

import asyncio
import time
from collections.abc import Sequence

import grpc
import pytest

from sojourn import (
    Batching,
    Client,
    DeadlineExceededError,
    OutcomeUnknownError,
    RetryPolicy,
    ServerUnreachableError,
    SessionAlreadyExistsError,
    SessionEndedError,
    SojournError,
    StoreUnavailableError,
    Timeouts,
)
from sojourn._batching import Batcher
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running, connected, serve
from tests.unit.sdk.fake_service import FakeService, fail, hold, item_status, lose, refuse

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
SHORT = Timeouts(total=0.3, attempt=0.1, connect=5)


def keys(service: FakeService) -> list[str]:
    return [write.idempotency_key for request in service.requests("BatchWriteSessions") for write in request.writes]


@pytest.mark.parametrize(
    "step",
    [
        fail(UNAVAILABLE, "STORE_UNAVAILABLE", cause="loading"),
        fail(UNAVAILABLE, "SERVER_DRAINING"),
        fail(grpc.StatusCode.CANCELLED),
        lose(UNAVAILABLE, "OUTCOME_UNKNOWN"),
        lose(UNAVAILABLE),
        lose(grpc.StatusCode.DEADLINE_EXCEEDED),
        refuse(0, item_status("STORE_UNAVAILABLE", UNAVAILABLE)),
        refuse(0, item_status("OUTCOME_UNKNOWN", UNAVAILABLE)),
    ],
)
async def test_a_write_is_retried_with_its_key_and_takes_effect_once(client: Client, service: FakeService, step):
    service.add_session("s")
    service.plan("BatchWriteSessions", step)
    assert await client.session("s").log("once") == 2
    assert service.texts("s")[1:] == ["once"]
    assert len(keys(service)) == 2
    assert len(set(keys(service))) == 1


async def test_every_write_has_a_key_of_its_own_unless_given(client: Client, service: FakeService):
    service.add_session("s")
    session = client.session("s")
    for _ in range(3):
        await session.log("x")
    for _ in range(2):
        async with session.write(idempotency_key="mine") as write:
            write.log("y")
        assert write.revision == 5
    assert write.result is not None
    assert write.result.replayed
    assert len(set(keys(service))) == 4
    assert keys(service)[-1] == "mine"
    assert service.texts("s")[1:] == ["x", "x", "x", "y"]


async def test_single_calls_are_retried_with_their_keys(client: Client, service: FakeService):
    service.plan("CreateSession", lose(), fail(UNAVAILABLE, "STORE_UNAVAILABLE"))
    session = await client.create_session("s")
    assert session.revision == 1
    service.plan("CompleteSession", lose())
    assert await session.complete() == 2
    service.plan("DeleteSession", fail(UNAVAILABLE, "SERVER_DRAINING"))
    assert await client.delete_session("s") == 2
    for method, count in (("CreateSession", 3), ("CompleteSession", 2), ("DeleteSession", 2)):
        sent = [request.idempotency_key for request in service.requests(method)]
        assert len(sent) == count
        assert len(set(sent)) == 1
        assert sent[0]


async def test_a_failed_batch_is_retried_in_order(client: Client, service: FakeService):
    service.add_session("s")
    service.plan("BatchWriteSessions", lose(), fail(UNAVAILABLE, "STORE_UNAVAILABLE"))
    revisions = await asyncio.gather(*[client.session("s").log(f"{number}") for number in range(5)])
    assert revisions == [2, 3, 4, 5, 6]
    assert service.texts("s")[1:] == [f"{number}" for number in range(5)]


async def test_a_refused_item_goes_before_those_made_after_it(client: Client, service: FakeService):
    service.add_session("s")
    service.plan("BatchWriteSessions", refuse(0, item_status("STORE_UNAVAILABLE", UNAVAILABLE)))
    first = asyncio.create_task(client.session("s").log("first"))
    await wait_until(lambda: service.calls)
    second = asyncio.create_task(client.session("s").log("second"))
    assert await asyncio.gather(first, second) == [2, 3]
    assert service.texts("s")[1:] == ["first", "second"]


async def test_other_sessions_do_not_wait_for_a_refused_item(running: Running, service: FakeService):
    service.add_session("away")
    service.add_session("here")
    service.plan("BatchWriteSessions", refuse(0, item_status("STORE_UNAVAILABLE", UNAVAILABLE)))
    patient = {"retry": RetryPolicy(initial_delay=30, max_delay=30), "timeouts": Timeouts(total=60)}
    async with connected(running, **patient) as client:
        slow = asyncio.create_task(client.session("away").log("x"))
        await wait_until(lambda: service.calls)
        behind = asyncio.create_task(client.session("away").log("z"))
        assert await client.session("here").log("y") == 2
        assert not slow.done()
        assert not behind.done()
        for task in (slow, behind):
            task.cancel()


@pytest.mark.parametrize("method", ["read", "list"])
async def test_reads_are_retried(client: Client, service: FakeService, method: str):
    service.add_session("s")
    service.plan("BatchGetSessions", fail(UNAVAILABLE, "STORE_UNAVAILABLE"))
    service.plan("ListSessions", fail(UNAVAILABLE, "STORE_UNAVAILABLE"))
    if method == "read":
        assert (await client.get_session("s")).revision == 1
    else:
        assert [session.id async for session in client.list_sessions()] == ["s"]


async def test_what_cannot_succeed_is_not_retried(client: Client, service: FakeService):
    service.plan("CreateSession", fail(grpc.StatusCode.ALREADY_EXISTS, "SESSION_ALREADY_EXISTS", session_id="s"))
    with pytest.raises(SessionAlreadyExistsError):
        await client.create_session("s")
    service.add_session("s")
    ended = item_status("SESSION_ENDED", grpc.StatusCode.FAILED_PRECONDITION, status="COMPLETED")
    service.plan("BatchWriteSessions", refuse(0, ended))
    with pytest.raises(SessionEndedError):
        await client.session("s").log("x")
    assert len(service.calls) == 2


async def test_the_wait_the_server_asks_for_is_kept(running: Running, service: FakeService):
    async with connected(running, retry=RetryPolicy(initial_delay=0.001)) as client:
        step = fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", retry_after=0.2, limit_name="writes")
        service.plan("CreateSession", step)
        started = time.monotonic()
        await client.create_session("s")
        assert time.monotonic() - started >= 0.2
        service.plan("BatchWriteSessions", fail(UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=0.2))
        started = time.monotonic()
        await client.session("s").log("x")
        assert time.monotonic() - started >= 0.2


async def test_retries_end_with_the_deadline(running: Running, service: FakeService):
    service.add_session("s")
    for method in ("BatchWriteSessions", "CreateSession"):
        service.plan(method, *[fail(UNAVAILABLE, "STORE_UNAVAILABLE", cause="loading")] * 1000)
    # Time for two attempts, and much of it left for the second.
    policy = RetryPolicy(initial_delay=0.6, max_delay=0.6, jitter=0)
    async with connected(running, timeouts=Timeouts(total=1, connect=5), retry=policy) as client:
        for call in (client.session("s").log, client.create_session):
            with pytest.raises(StoreUnavailableError) as caught:
                await call("x")
            assert caught.value.cause == "loading"
    assert len(service.calls) == 4


async def test_an_unknown_outcome_is_not_forgotten(running: Running, service: FakeService):
    """One attempt may have been successful: that later ones surely were not does not change it."""
    service.add_session("s")
    away = [fail(UNAVAILABLE, "STORE_UNAVAILABLE")] * 1000
    service.plan("BatchWriteSessions", lose(UNAVAILABLE, "OUTCOME_UNKNOWN"), *away)
    service.plan("DeleteSession", fail(UNAVAILABLE, "OUTCOME_UNKNOWN"), *away)
    async with connected(running, timeouts=SHORT) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            async with client.session("s").write(idempotency_key="k") as write:
                write.log("x")
        assert (caught.value.session_id, caught.value.idempotency_key) == ("s", "k")
        assert isinstance(caught.value.__cause__, StoreUnavailableError)
        with pytest.raises(OutcomeUnknownError):
            await client.delete_session("s")


async def test_no_answer_in_time(running: Running, service: FakeService):
    service.add_session("s")
    gate = asyncio.Event()
    for method in ("BatchWriteSessions", "BatchGetSessions", "ListSessions"):
        service.plan(method, *[hold(gate)] * 100)
    async with connected(running, timeouts=SHORT) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.session("s").log("x")
        with pytest.raises(DeadlineExceededError):
            await client.get_session("s")
        with pytest.raises(TimeoutError):
            [_ async for _ in client.list_sessions()]
    assert len(service.requests("BatchWriteSessions")) > 1  # the attempt's deadline is shorter than the call's
    gate.set()


async def test_a_call_behind_a_stuck_one_keeps_its_deadline():
    async def never(_payloads: Sequence[bytes], _timeout: float) -> list[int | SojournError]:
        await asyncio.Event().wait()
        return []

    batcher: Batcher[int] = Batcher(
        never, ordered=True, batching=Batching(), timeouts=Timeouts(total=0.1), policy=RetryPolicy()
    )
    stuck = batcher.submit("s", b"first", "key 1")
    await asyncio.sleep(0)
    behind = batcher.submit("s", b"second", "key 2")
    with pytest.raises(DeadlineExceededError):  # never sent: it surely did not happen
        await behind
    with pytest.raises(OutcomeUnknownError):
        await stuck
    batcher.close()
    await batcher.wait_closed()


async def test_a_server_that_comes_back_is_found(running: Running, service: FakeService):
    service.add_session("s")
    port = int(running.target.rpartition(":")[2])
    async with connected(running) as client:
        await client.session("s").log("before")
        await running.server.stop(None)
        write = asyncio.create_task(client.session("s").log("meanwhile"))
        read = asyncio.create_task(client.get_session("s"))
        again = await serve(service, port)
        try:
            assert await write == 3
            assert (await read).id == "s"
        finally:
            await again.server.stop(None)


async def test_a_server_that_stays_away_is_told(running: Running, service: FakeService):
    service.add_session("s")
    async with connected(running, timeouts=Timeouts(total=1.5, attempt=1, connect=5)) as client:
        await client.session("s").log("x")
        await running.server.stop(None)
        with pytest.raises(ServerUnreachableError):
            await client.get_session("s")


def test_waits_grow_to_a_bound_and_differ():
    policy = RetryPolicy(initial_delay=0.1, max_delay=1, multiplier=2, jitter=0.5)
    full = [policy.delay(retry, chance=lambda: 0.0) for retry in (1, 2, 3, 4, 5, 10_000)]
    assert full == [0.1, 0.2, 0.4, 0.8, 1, 1]
    assert policy.delay(1, chance=lambda: 1.0) == pytest.approx(0.05)
