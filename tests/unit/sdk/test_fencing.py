"""Inside the block of a tracked request its client's writes to the session carry the fencing token and its id."""

import asyncio

import grpc
import pytest

from sojourn import Client, FencingTokenRejectedError
from tests.support.waiting import wait_until
from tests.unit.sdk.fake_service import FakeService, item_status, refuse
from tests.unit.sdk.fake_tracking import FakeStream

LATE = item_status("FENCING_TOKEN_REJECTED", grpc.StatusCode.FAILED_PRECONDITION, fencing_token="7")


@pytest.fixture
def session(client: Client, service: FakeService):
    for name in ("s", "other"):
        service.add_session(name)
    return client.session("s")


def admit_with(token: int):
    async def script(stream: FakeStream) -> None:
        await stream.admit(token)
        await stream.serve()

    return script


def tokens(service: FakeService) -> list[int]:
    """The fencing token of each write, 0 for none, in their order."""
    found = [write for method, request in service.calls if method == "BatchWriteSessions" for write in request.writes]
    return [write.precondition.fencing_token for write in found]


def started_under(service: FakeService) -> list[str]:
    """The request that each invocation was started under."""
    changes = [change for event in service.logs["s"] for change in event.changes]
    return [change.invocation_started.request_id for change in changes if change.HasField("invocation_started")]


async def test_writes_in_the_body_carry_the_token(session, service: FakeService):
    await session.log("before")
    async with session.track("plan") as request:
        await session.log("inside")
        async with session.write(required_status="active") as write:
            write.log("inside")
    await session.log("after")
    assert tokens(service) == [0, request.fencing_token, request.fencing_token, 0]


async def test_the_end_of_the_session_carries_it_too(session, service: FakeService):
    async with session.track("plan"):
        await session.complete()
    await session.complete()
    found = [request.precondition.fencing_token for request in service.requests("CompleteSession")]
    assert found == [7, 0]


async def test_only_for_this_session_and_this_client(running, session, client: Client, service: FakeService):
    async with running.client() as other_client, session.track("plan"):
        await client.session("other").log("x")
        await other_client.session("s").log("x")
        await client.session("s").log("x")  # another handle of the same session
    assert tokens(service) == [0, 0, 7]


async def test_a_token_given_explicitly_is_the_one(session, service: FakeService):
    async with session.track("plan", request_id="mine"), session.write(fencing_token=99) as write:
        write.start_invocation("git")
    assert tokens(service) == [99]
    assert started_under(service) == [""]


async def test_without_a_fence(session, service: FakeService):
    async with session.track("plan", fence=False):
        await session.record_invocation("git")
    assert tokens(service) == [0]
    assert started_under(service) == [""]


async def test_invocations_run_under_the_request(session, service: FakeService):
    async with session.track("plan", request_id="mine"):
        async with session.invocation("git"):
            pass
        await session.record_invocation("git")
        async with session.write() as write:
            write.start_invocation("git")
            write.record_invocation("git", request_id="another")
    await session.record_invocation("git", request_id="given")
    assert started_under(service) == ["mine", "mine", "mine", "another", "given"]


async def test_the_innermost_counts(session, client: Client, service: FakeService):
    service.script_streams(admit_with(1), admit_with(2), admit_with(3))
    other = client.session("other")
    async with session.track():
        async with other.track(), session.track():
            await session.log("x")
            await other.log("x")
        await session.log("x")
    assert tokens(service) == [3, 2, 1]


async def test_tasks_started_in_the_body_carry_it_even_afterwards(session, service: FakeService):
    """That is what the token is for: who writes late is refused."""
    go_on = asyncio.Event()

    async def helper() -> None:
        await session.log("in time")
        await go_on.wait()
        await session.log("late")

    async with session.track("plan"):
        task = asyncio.create_task(helper())
        await wait_until(lambda: tokens(service) == [7])
    service.plan("BatchWriteSessions", refuse(0, LATE))
    go_on.set()
    with pytest.raises(FencingTokenRejectedError):
        await task
    assert tokens(service) == [7, 7]


async def test_tasks_beside_it_do_not_carry_it(session, service: FakeService):
    entered, done = asyncio.Event(), asyncio.Event()

    async def track() -> None:
        async with session.track("plan"):
            entered.set()
            await done.wait()

    task = asyncio.create_task(track())
    await entered.wait()
    await session.log("beside")
    done.set()
    await task
    assert tokens(service) == [0]


async def test_a_block_left_in_another_context(session, service: FakeService):
    tracked = session.track("plan")
    await asyncio.create_task(tracked.__aenter__())
    await session.log("x")
    await tracked.__aexit__(None, None, None)
    assert tokens(service) == [0]
