"""A tracked request: admitted, renewed in the background, told about, finished with how its body ended."""

import asyncio
from datetime import timedelta

import grpc
import pytest

from sojourn import (
    Client,
    ClientStateError,
    InvalidFieldError,
    LeaseLostError,
    PoolSlot,
    QueueTimeoutError,
    RequestCancelledError,
    SessionEndedError,
)
from sojourn.v1 import request_pb2
from tests.support.waiting import wait_until
from tests.unit.sdk.fake_service import FakeService, abort
from tests.unit.sdk.fake_tracking import FakeStream, hang, outcome_of


@pytest.fixture
def session(client: Client):
    return client.session("s")


async def test_what_it_begins_with(session, service: FakeService):
    tracked = session.track(
        "plan", priority=3, policy="interrupt", exclusive=True, timeout=timedelta(seconds=9), pool="browsers",
        request_id="mine", lease_ttl=20, expected_revision=4, required_status="active",
    )  # fmt: skip
    async with tracked:
        pass
    begin = service.streams[0].begin
    assert (begin.session_id, begin.request_id, begin.name, begin.priority) == ("s", "mine", "plan", 3)
    assert (begin.policy, begin.exclusive, begin.pool) == (request_pb2.REQUEST_POLICY_INTERRUPT, True, "browsers")
    assert begin.lease_ttl.ToTimedelta() == timedelta(seconds=20)
    assert timedelta(seconds=8) < begin.queue_timeout.ToTimedelta() <= timedelta(seconds=9)
    assert (begin.precondition.expected_revision, begin.precondition.required_status) == (4, 1)
    assert not begin.resume


async def test_what_it_knows_once_it_is_admitted(session, service: FakeService):
    async def admit(stream: FakeStream) -> None:
        await stream.admit(41, pool_slot=request_pb2.PoolSlot(pool="browsers", slot=2, fencing_token=8))
        await stream.serve()

    service.script_streams(admit)
    tracked = session.track("plan")
    assert (tracked.fencing_token, tracked.pool_slot, tracked.queued_for) == (0, None, timedelta(0))
    async with tracked as request:
        assert request is tracked
        assert (request.name, request.session, request.fencing_token) == ("plan", session, 41)
        assert request.pool_slot == PoolSlot(pool="browsers", slot=2, fencing_token=8)
        assert request.queued_for == timedelta(seconds=3)
        assert len(request.id) == 32
        assert not request.cancelled
        assert not request.lost
    assert outcome_of(service.streams[0]) == ("succeeded", "")


async def test_its_place_in_the_queue_is_known_while_it_waits(session, service: FakeService):
    place, admission = asyncio.Event(), asyncio.Event()

    async def queue(stream: FakeStream) -> None:
        await stream.queue(2)
        await place.wait()
        await stream.queue(1, "pool")
        await admission.wait()
        await stream.admit()
        await stream.serve()

    service.script_streams(queue)
    tracked = session.track("plan")

    async def work() -> None:
        async with tracked:
            pass

    task = asyncio.create_task(work())
    await wait_until(lambda: (tracked.position, tracked.waiting_for) == (2, "requests_per_session"))
    place.set()
    await wait_until(lambda: (tracked.position, tracked.waiting_for) == (1, "pool"))
    admission.set()
    await task
    assert (tracked.position, tracked.waiting_for) == (0, "")


@pytest.mark.parametrize(
    ("error", "outcome", "text"),
    [
        (RuntimeError("no offers"), "failed", "no offers"),
        (KeyError(), "failed", "KeyError"),
        (RuntimeError("x" * 20_000 + "é"), "failed", "x" * 16_384),
        (RuntimeError("half \ud800 pair"), "failed", "half ? pair"),
        (RequestCancelledError("stopped", cancel_reason="no budget"), "cancelled", "no budget"),
        (asyncio.CancelledError(), "cancelled", ""),
    ],
)
async def test_an_exception_is_recorded_and_goes_on_its_way(session, service: FakeService, error, outcome, text):
    with pytest.raises(type(error)) as raised:
        async with session.track("plan"):
            raise error
    assert raised.value is error
    assert outcome_of(service.streams[0]) == (outcome, text)


async def test_progress_is_told_and_only_the_latest(session, service: FakeService):
    async with session.track("plan") as request:
        for number in range(1, 101):
            await request.progress(number / 100, f"step {number}")
    told = [message.progress for message in service.streams[0].heard if message.HasField("progress")]
    assert 1 <= len(told) <= 5
    assert (told[-1].fraction, told[-1].text) == (1.0, "step 100")
    assert service.streams[0].kinds[-1] == "finish"


async def test_progress_that_is_none(session):
    tracked = session.track("plan")
    with pytest.raises(ClientStateError):
        await tracked.progress(0.1)
    async with tracked as request:
        for fraction in (-0.1, 1.1, float("nan"), "half"):
            with pytest.raises(InvalidFieldError):
                await request.progress(fraction)
        await request.progress(1, "x" * 5_000)
    with pytest.raises(ClientStateError):
        await request.progress(0.1)


async def test_the_lease_is_renewed_in_the_background(session, service: FakeService):
    service.ttl = 0.3
    async with session.track("plan") as request:
        await wait_until(lambda: service.streams[0].kinds.count("heartbeat") >= 5)
        assert not request.lost
    assert len(service.streams) == 1


async def test_the_lease_is_renewed_in_the_queue(session, service: FakeService):
    service.ttl = 0.3

    async def queue(stream: FakeStream) -> None:
        await stream.queue(1)
        for _ in range(4):
            assert await stream.hear() == "heartbeat"
            await stream.say(renewed={})
        await stream.admit()
        await stream.serve()

    service.script_streams(queue)
    async with session.track("plan") as request:
        assert not request.lost


@pytest.mark.parametrize(
    ("code", "reason", "kind", "metadata"),
    [
        ("RESOURCE_EXHAUSTED", "QUEUE_TIMEOUT", QueueTimeoutError, {"request_id": "mine"}),
        ("FAILED_PRECONDITION", "SESSION_ENDED", SessionEndedError, {"status": "FAILED"}),
        ("ABORTED", "LEASE_LOST", LeaseLostError, {"cause": "it was taken away"}),
    ],
)
async def test_what_ends_the_wait_is_raised(session, service: FakeService, code, reason, kind, metadata):
    async def refuse(stream: FakeStream) -> None:
        await stream.queue(1)
        await abort(stream._context, grpc.StatusCode[code], reason, session_id="s", **metadata)

    service.script_streams(refuse)
    with pytest.raises(kind) as raised:
        async with session.track("plan", request_id="mine"):
            raise AssertionError("not to be entered")
    assert raised.value.reason == reason
    assert len(service.streams) == 1


async def test_cancelled_in_the_queue(session, service: FakeService):
    async def cancel(stream: FakeStream) -> None:
        await stream.queue(1)
        await abort(
            stream._context, grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ENDED",
            session_id="s", request_id="mine", outcome="CANCELLED", error="replaced by other",
        )  # fmt: skip

    service.script_streams(cancel)
    with pytest.raises(RequestCancelledError, match="replaced by other") as raised:
        async with session.track("plan", request_id="mine"):
            raise AssertionError("not to be entered")
    assert (raised.value.request_id, raised.value.cancel_reason) == ("mine", "replaced by other")


async def test_to_stop_waiting_ends_the_request(session, service: FakeService):
    async def queue(stream: FakeStream) -> None:
        await stream.queue(3)
        await stream.serve()

    service.script_streams(queue)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), session.track("plan"):
            raise AssertionError("not to be entered")
    assert outcome_of(service.streams[0]) == ("cancelled", "")


async def test_arguments_that_are_wrong_on_their_face(session, service: FakeService):
    for wrong in (
        {"priority": 10},
        {"priority": True},
        {"policy": "wait"},
        {"timeout": 0},
        {"timeout": -1},
        {"lease_ttl": -1},
        {"required_status": "done"},
        {"on_cancel": "ignore"},
        {"on_lost": "ignore"},
    ):
        with pytest.raises(InvalidFieldError):
            session.track("plan", **wrong)
    assert service.streams == []


async def test_a_request_is_entered_once(session):
    tracked = session.track("plan")
    async with tracked:
        pass
    with pytest.raises(ClientStateError):
        async with tracked:
            pass


async def test_nothing_stays_behind(client: Client, session, service: FakeService):
    before = asyncio.all_tasks()
    async with session.track("plan") as request:
        await request.progress(0.5)
    with pytest.raises(ZeroDivisionError):
        async with session.track("plan"):
            raise ZeroDivisionError
    await wait_until(lambda: all(stream.ended for stream in service.streams))
    await wait_until(lambda: not client._live()._background)
    assert {task for task in asyncio.all_tasks() if task.get_coro().__qualname__.startswith(("Tracker", "Outbox"))} == (
        set()
    )
    assert len(asyncio.all_tasks() - before) <= 4  # gRPC's own


async def test_closing_the_client_loses_what_it_tracks(running, service: FakeService):
    client = await running.client().connect()
    entered = asyncio.Event()

    async def work() -> None:
        async with client.session("s").track("plan"):
            entered.set()
            await hang()

    task = asyncio.create_task(work())
    await entered.wait()
    await client.close()
    with pytest.raises(LeaseLostError, match="client was closed"):
        await task
    await wait_until(lambda: service.streams[0].ended)
