"""A body is asked to stop, or its lease is lost: it is cancelled and ends with a typed error, or only learns of it."""
# ruff: noqa: PT012 - it is the blocks that raise

import asyncio
from contextlib import suppress
from typing import Any

import grpc
import pytest

from sojourn import (
    Client,
    ClientStateError,
    LeaseLostError,
    RequestCancelledError,
    RequestSupersededError,
    Signal,
)
from sojourn.v1 import session_service_pb2 as pb
from tests.support.waiting import wait_until
from tests.unit.sdk.fake_service import FakeService, abort
from tests.unit.sdk.fake_tracking import FakeStream, hang, outcome_of


@pytest.fixture
def session(client: Client):
    return client.session("s")


async def ask_to_stop(stream: FakeStream) -> None:
    await stream.admit()
    assert await stream.hear() == "progress"
    await stream.ask_to_stop("too long")
    await stream.serve()


async def lose(stream: FakeStream) -> None:
    await stream.admit()
    assert await stream.hear() == "progress"
    await stream.lose("it was taken away")
    await abort(stream._context, grpc.StatusCode.ABORTED, "LEASE_LOST", session_id="s", cause="it was taken away")


async def test_asked_to_stop_the_body_is_cancelled(session, service: FakeService):
    service.script_streams(ask_to_stop)
    tracked = session.track("plan", request_id="mine")
    with pytest.raises(RequestCancelledError, match="too long") as raised:
        async with tracked as request:
            await request.progress(0.1)
            await hang()
    assert (raised.value.session_id, raised.value.request_id, raised.value.cancel_reason) == ("s", "mine", "too long")
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert (bool(tracked.cancelled), tracked.cancelled.reason, bool(tracked.lost)) == (True, "too long", False)
    assert outcome_of(service.streams[0]) == ("cancelled", "too long")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # nothing of the cancellation is left


async def test_asked_to_stop_the_body_may_only_be_told(session, service: FakeService):
    service.script_streams(ask_to_stop)
    async with session.track("plan", on_cancel="flag") as request:
        await request.progress(0.1)
        assert await request.cancelled == "too long"
        assert request.cancelled
    assert outcome_of(service.streams[0]) == ("succeeded", "")


async def test_a_told_body_may_say_that_it_stopped(session, service: FakeService):
    service.script_streams(ask_to_stop)
    with pytest.raises(RequestCancelledError):
        async with session.track("plan", on_cancel="flag") as request:
            await request.progress(0.1)
            raise RequestCancelledError(cancel_reason=await request.cancelled)
    assert outcome_of(service.streams[0]) == ("cancelled", "too long")


async def test_a_lost_lease_cancels_the_body(session, service: FakeService):
    service.script_streams(lose)
    with pytest.raises(LeaseLostError, match="taken away") as raised:
        async with session.track("plan") as request:
            await request.progress(0.1)
            await hang()
    assert raised.value.cause == request.lost.reason == "it was taken away"
    assert "finish" not in service.streams[0].kinds
    assert not service.requests("FinishRequest")


async def test_a_lost_lease_may_only_be_told(session, service: FakeService):
    service.script_streams(lose)
    async with session.track("plan", on_lost="flag") as request:
        await request.progress(0.1)
        assert await request.lost == "it was taken away"
        await request.progress(0.2)  # goes nowhere, and harms nothing
    assert request.lost


async def test_a_body_that_ended_well_without_its_lease_learns_of_it(session, service: FakeService):
    async def lose_at_the_end(stream: FakeStream) -> None:
        await stream.admit()
        assert await stream.hear() == "finish"
        await stream.lose("its lease ran out")
        await abort(stream._context, grpc.StatusCode.ABORTED, "LEASE_LOST", session_id="s", cause="its lease ran out")

    service.script_streams(lose_at_the_end, lose_at_the_end)
    with pytest.raises(LeaseLostError):
        async with session.track("plan"):
            pass
    async with session.track("plan", on_lost="flag") as request:
        pass
    assert request.lost.reason == "its lease ran out"


async def test_a_request_that_was_taken_up_elsewhere_is_left_to_the_other(session, service: FakeService):
    async def supersede(stream: FakeStream) -> None:
        await stream.admit()
        await abort(stream._context, grpc.StatusCode.ABORTED, "REQUEST_SUPERSEDED", session_id="s", request_id="mine")

    service.script_streams(supersede)
    with pytest.raises(RequestSupersededError):
        async with session.track("plan", request_id="mine"):
            await hang()
    assert len(service.streams) == 1
    assert not service.requests("FinishRequest")


async def test_a_cancellation_from_outside_is_not_swallowed(session, service: FakeService):
    """Both come together: whoever cancelled the task gets its way."""
    stopping = asyncio.Event()

    async def work() -> None:
        async with session.track("plan") as request:
            await request.progress(0.1)
            try:
                await hang()
            finally:
                stopping.set()
                await asyncio.sleep(0.05)  # the other one comes while this one is dealt with

    service.script_streams(ask_to_stop)
    task = asyncio.create_task(work())
    await stopping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_it_works(session, service: FakeService):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), session.track("plan"):
            await hang()
    assert outcome_of(service.streams[0]) == ("cancelled", "")


async def test_a_timeout_inside_it_works(session, service: FakeService):
    service.script_streams(ask_to_stop)
    with pytest.raises(RequestCancelledError):
        async with session.track("plan") as request, asyncio.timeout(5):
            await request.progress(0.1)
            await hang()


async def test_one_inside_another_only_the_one_that_was_asked_ends_so(client: Client, service: FakeService):
    service.script_streams(ask_to_stop)
    outer, inner = client.session("outer").track("outer"), client.session("inner").track("inner")
    with pytest.raises(RequestCancelledError) as raised:
        async with outer, inner:
            await outer.progress(0.1)
            await hang()
    assert raised.value.session_id == "outer"
    assert not inner.cancelled
    assert [outcome_of(stream) for stream in service.streams] == [("cancelled", "too long"), ("cancelled", "")]


async def test_news_at_the_very_end_do_not_hit_what_comes_after(session, service: FakeService):
    """The body is over before its cancellation is delivered."""
    service.script_streams(ask_to_stop)
    async with session.track("plan") as request:
        await request.progress(0.1)
        tracker = request._tracker
        assert tracker is not None
        tracker._listener._on_cancel_requested("late")
    await asyncio.sleep(0.01)
    assert outcome_of(service.streams[0]) == ("succeeded", "")
    assert request.cancelled.reason == "late"


async def test_news_at_the_very_end_leave_another_exception_alone(session, service: FakeService):
    with pytest.raises(ZeroDivisionError):
        async with session.track("plan") as request:
            request._on_cancel_requested("late")
            raise ZeroDivisionError
    assert outcome_of(service.streams[0]) == ("failed", "ZeroDivisionError")


async def test_a_cancellation_caught_at_the_very_end_goes_on(session):
    async def work() -> None:
        async with session.track("plan") as request:
            request._on_cancel_requested("late")
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # somebody else's

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())


async def test_asked_to_stop_together_with_the_admission(session, service: FakeService):
    async def both(stream: FakeStream) -> None:
        await stream.admit(cancel_requested=True, cancel_reason="too late")
        await stream.serve()

    service.script_streams(both)
    with pytest.raises(RequestCancelledError, match="too late"):
        async with session.track("plan"):
            await hang()


async def test_a_body_that_is_done_when_asked_to_stop_has_succeeded(session, service: FakeService):
    service.script_streams(ask_to_stop)
    async with session.track("plan") as request:
        await request.progress(0.1)
        with suppress(asyncio.CancelledError):  # it was about to end anyway
            await hang()
    assert outcome_of(service.streams[0]) == ("succeeded", "")


async def test_a_body_that_goes_on_although_asked_to_stop_is_interrupted_by_a_loss(session, service: FakeService):
    async def ask_and_lose(stream: FakeStream) -> None:
        await stream.admit()
        await stream.ask_to_stop("too long")
        assert await stream.hear() == "progress"
        await stream.lose("it was taken away")

    service.script_streams(ask_and_lose)
    with pytest.raises(LeaseLostError, match="taken away"):
        async with session.track("plan") as request:
            with suppress(asyncio.CancelledError):
                await hang()
            await request.progress(0.9, "almost done")
            await hang()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_asked_again_after_a_reconnect_it_is_interrupted_once(session, service: FakeService):
    async def ask_and_break(stream: FakeStream) -> None:
        await stream.admit()
        await stream.ask_to_stop("too long")
        await abort(stream._context, grpc.StatusCode.UNAVAILABLE)

    async def ask_again(stream: FakeStream) -> None:
        await stream.admit(cancel_requested=True, cancel_reason="too long")
        await stream.ask_to_stop("too long")
        await stream.serve()

    service.script_streams(ask_and_break, ask_again)
    async with session.track("plan"):
        with suppress(asyncio.CancelledError):
            await hang()
        await wait_until(lambda: len(service.streams) == 2)
        await asyncio.sleep(0.1)
    assert outcome_of(service.streams[1]) == ("succeeded", "")


async def test_signals_can_be_awaited_by_many_and_often(session, service: FakeService):
    service.script_streams(ask_to_stop)
    async with session.track("plan", on_cancel="flag") as request:

        async def wait() -> str:
            return await request.cancelled

        waiters = [asyncio.create_task(wait()) for _ in range(3)]
        await request.progress(0.1)
        assert await asyncio.gather(*waiters) == ["too long"] * 3
        assert await request.cancelled == await request.cancelled == "too long"
    assert repr(request.cancelled) == "Signal('too long')"
    assert repr(Signal()) == "Signal(not yet)"


async def test_a_second_cancellation_does_not_wait_for_the_record(session, service: FakeService):
    entered, gate = asyncio.Event(), asyncio.Event()

    async def slow(stream: FakeStream) -> None:
        await stream.admit()
        assert await stream.hear() == "finish"
        await gate.wait()
        await stream.say(finished=pb.FinishRequestResponse())

    async def work() -> None:
        async with session.track("plan"):
            entered.set()
            await hang()

    service.script_streams(slow)
    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    await wait_until(lambda: service.streams[0].kinds == ["finish"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await wait_until(lambda: service.streams[0].ended)


async def test_a_generator_that_is_left_ends_its_request(session, service: FakeService):
    async def answers() -> Any:
        async with session.track("stream"):
            yield 1
            yield 2

    generator = answers()
    assert await anext(generator) == 1
    await generator.aclose()
    assert outcome_of(service.streams[0]) == ("cancelled", "")


async def test_its_session_is_known_at_once(client: Client):
    assert client.session("s").track().session.id == "s"
    with pytest.raises(ClientStateError):
        _ = client.pool("browsers").slot().session
