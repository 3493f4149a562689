"""Concurrent calls share requests, keep their order, and never harm each other."""

import asyncio

import grpc
import pytest

from sojourn import Batching, Client, SessionNotFoundError
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running, connected
from tests.unit.sdk.fake_service import FakeService, fail, hold


def sizes(service: FakeService) -> list[int]:
    return [len(request.writes) for request in service.requests("BatchWriteSessions")]


async def test_a_lone_call_goes_at_once(client: Client, service: FakeService):
    service.add_session("s")
    for number in range(3):
        await client.session("s").log(f"line {number}")
    assert sizes(service) == [1, 1, 1]


async def test_calls_made_together_share_a_batch(client: Client, service: FakeService):
    for number in range(20):
        service.add_session(f"s{number}")
    revisions = await asyncio.gather(*[client.session(f"s{number}").log("x") for number in range(20)])
    assert revisions == [2] * 20
    assert sizes(service) == [20]


async def test_calls_made_meanwhile_form_the_next_batch(running: Running, service: FakeService):
    for number in range(12):
        service.add_session(f"s{number}")
    gate = asyncio.Event()
    service.plan("BatchWriteSessions", hold(gate), hold(gate))
    async with connected(running, batching=Batching(max_in_flight=2)) as client:
        tasks = []
        for number in range(2):
            tasks.append(asyncio.create_task(client.session(f"s{number}").log("x")))
            await wait_until(lambda count=number + 1: len(service.calls) == count)
        for number in range(2, 12):
            tasks.append(asyncio.create_task(client.session(f"s{number}").log("x")))
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)
    assert sizes(service) == [1, 1, 10]


async def test_batches_are_bounded_in_items_and_bytes(running: Running, service: FakeService):
    service.add_session("s")
    async with connected(running, batching=Batching(max_items=4, max_in_flight=1)) as client:
        await asyncio.gather(*[client.session("s").log("x") for _ in range(10)])
    assert sizes(service) == [4, 4, 2]
    service.calls.clear()
    async with connected(running, batching=Batching(max_bytes=2500, max_in_flight=1)) as client:
        await asyncio.gather(*[client.session("s").log("x" * length) for length in (1000, 1000, 9000, 10, 10)])
    assert sizes(service) == [2, 1, 2]


async def test_writes_of_one_session_keep_their_order(running: Running, service: FakeService):
    service.add_session("hot")
    service.add_session("other")
    gate = asyncio.Event()
    service.plan("BatchWriteSessions", hold(gate))
    async with connected(running, batching=Batching(max_items=3, max_in_flight=4)) as client:
        tasks = [asyncio.create_task(client.session("hot").log(f"{number}")) for number in range(10)]
        await wait_until(lambda: len(service.calls) == 1)
        # The hot session's batch is held up: its next ones must wait for it, another session's need not.
        assert await client.session("other").log("free") == 2
        assert len(service.logs["hot"]) == 1
        gate.set()
        revisions = await asyncio.gather(*tasks)
    assert service.texts("hot")[1:] == [f"{number}" for number in range(10)]
    assert revisions == list(range(2, 12))


async def test_an_error_meets_only_its_caller(client: Client, service: FakeService):
    service.add_session("here")
    outcomes = await asyncio.gather(
        client.session("here").log("a"),
        client.session("missing").log("b"),
        client.session("here").log("c"),
        return_exceptions=True,
    )
    assert outcomes[0::2] == [2, 3]
    assert isinstance(outcomes[1], SessionNotFoundError)
    assert outcomes[1].session_id == "missing"
    assert sizes(service) == [3]


async def test_a_batch_refused_as_a_whole_is_sent_item_by_item(client: Client, service: FakeService):
    for name in "abc":
        service.add_session(name)
    too_large = fail(grpc.StatusCode.RESOURCE_EXHAUSTED)
    service.plan("BatchWriteSessions", too_large, too_large)
    outcomes = await asyncio.gather(*[client.session(name).log(name) for name in "abc"], return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["ResourceExhaustedError", "int", "int"]
    assert sizes(service) == [3, 1, 1, 1]


async def test_a_cancelled_call_leaves_the_others_alone(client: Client, service: FakeService):
    for name in "abc":
        service.add_session(name)
    gate = asyncio.Event()
    service.plan("BatchWriteSessions", hold(gate))
    tasks = [asyncio.create_task(client.session(name).log(name)) for name in "abc"]
    await wait_until(lambda: len(service.calls) == 1)
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    gate.set()
    assert await tasks[0] == 2
    assert await tasks[2] == 2
    assert sizes(service) == [3]


async def test_a_call_cancelled_before_it_was_sent_is_not_sent(running: Running, service: FakeService):
    service.add_session("a")
    service.add_session("b")
    gate = asyncio.Event()
    service.plan("BatchWriteSessions", hold(gate))
    async with connected(running, batching=Batching(max_in_flight=1)) as client:
        first = asyncio.create_task(client.session("a").log("sent"))
        await wait_until(lambda: len(service.calls) == 1)
        second = asyncio.create_task(client.session("b").log("never"))
        await asyncio.sleep(0)
        second.cancel()
        third = asyncio.create_task(client.session("b").log("sent"))
        gate.set()
        await asyncio.gather(first, third)
    assert service.texts("b")[1:] == ["sent"]


async def test_reads_share_requests_too(client: Client, service: FakeService):
    for number in range(5):
        service.add_session(f"s{number}", revision=number + 1)
    sessions = await asyncio.gather(
        *[client.get_session(f"s{number}") for number in range(5)], client.get_session("x"), return_exceptions=True
    )
    assert [session.revision for session in sessions[:5]] == [1, 2, 3, 4, 5]
    assert isinstance(sessions[5], SessionNotFoundError)
    assert len(service.requests("BatchGetSessions")) == 1
