"""An invocation is recorded as started and as finished, however its block ends."""

import asyncio
from datetime import timedelta

import grpc
import pytest

from sojourn import Client, ClientStateError, Invocation, InvocationStatus, SojournError, StoreFullError, Usage
from tests.support.waiting import wait_until
from tests.unit.sdk.fake_service import FakeService, hold, item_status, refuse


@pytest.fixture
def session(client: Client, service: FakeService):
    service.add_session("s")
    return client.session("s")


async def recorded(session) -> list[Invocation]:
    return [invocation async for invocation in session.invocations()]


async def test_success(session):
    async with session.invocation("git", arguments={"command": "status"}) as call:
        assert [(item.id, item.status) for item in await recorded(session)] == [(call.id, "running")]
        call.result = {"clean": True}
        call.cost = 0.25
        call.usage = Usage(input_tokens=3, output_tokens=4)
    [invocation] = await recorded(session)
    assert invocation.id == call.id
    assert (invocation.tool, invocation.arguments) == ("git", {"command": "status"})
    assert (invocation.status, invocation.result) == (InvocationStatus.SUCCEEDED, {"clean": True})
    assert invocation.cost == 0.25
    assert (invocation.started_revision, invocation.finished_revision) == (2, 3)
    assert invocation.duration is not None
    assert timedelta(0) < invocation.duration < timedelta(seconds=5)


async def test_failure_is_recorded_and_goes_on_its_way(session):
    with pytest.raises(RuntimeError, match="no repository"):
        async with session.invocation("git", invocation_id="mine"):
            raise RuntimeError("no repository")
    [invocation] = await recorded(session)
    assert (invocation.id, invocation.status, invocation.error) == ("mine", "failed", "no repository")


async def test_the_block_may_say_how_it_ended(session):
    async with session.invocation("git") as call:
        call.status, call.error = "failed", "exit status 1"
    [invocation] = await recorded(session)
    assert (invocation.status, invocation.error) == ("failed", "exit status 1")


async def test_cancellation_is_recorded_and_goes_on_its_way(session):
    entered = asyncio.Event()

    async def work() -> None:
        async with session.invocation("git"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [invocation] = await recorded(session)
    assert invocation.status == "cancelled"


async def test_a_second_cancellation_does_not_wait_for_the_record(session, service: FakeService):
    entered, gate = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with session.invocation("git"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    service.plan("BatchWriteSessions", hold(gate))
    task.cancel()
    await wait_until(lambda: len(service.calls) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await wait_until(lambda: len(service.logs["s"]) == 3, description="the record made in the background")


async def test_a_result_that_is_not_json_ends_the_invocation_as_failed(session):
    with pytest.raises(SojournError, match="result"):
        async with session.invocation("git") as call:
            call.result = object()
    [invocation] = await recorded(session)
    assert invocation.status == "failed"
    assert "result" in invocation.error


async def test_trouble_with_the_record_does_not_hide_the_blocks_own(session, service: FakeService):
    full = item_status("STORE_FULL", grpc.StatusCode.RESOURCE_EXHAUSTED)

    async def work(error: Exception | None) -> None:
        async with session.invocation("git"):
            service.plan("BatchWriteSessions", refuse(0, full))
            if error is not None:
                raise error

    with pytest.raises(RuntimeError, match="the real one"):
        await work(RuntimeError("the real one"))
    with pytest.raises(StoreFullError):
        await work(None)


async def test_an_invocation_is_entered_once(session):
    call = session.invocation("git")
    async with call:
        pass
    with pytest.raises(ClientStateError):
        async with call:
            pass


async def test_pairs_are_found_in_the_order_of_their_starts(session):
    async with session.write() as write:
        write.start_invocation("slow", invocation_id="a")
        write.start_invocation("quick", invocation_id="b")
        write.finish_invocation("b", result=1)
        write.finish_invocation("lost", tool="gone", status="failed")
    await session.record_invocation("whole", invocation_id="c")
    async with session.write() as write:
        write.finish_invocation("a", result=2)
        write.start_invocation("open", invocation_id="d")
    found = [(item.id, item.tool, item.status.value, item.result) for item in await recorded(session)]
    assert found == [
        ("a", "slow", "succeeded", 2),
        ("b", "quick", "succeeded", 1),
        ("lost", "gone", "failed", None),
        ("c", "whole", "succeeded", None),
        ("d", "open", "running", None),
    ]


async def test_without_a_duration_the_commit_times_tell(session):
    async with session.write() as write:
        write.start_invocation("git", invocation_id="a")
    await session.log("between")
    async with session.write() as write:
        write.finish_invocation("a")
    [invocation] = await recorded(session)
    assert invocation.duration == timedelta(seconds=2)
