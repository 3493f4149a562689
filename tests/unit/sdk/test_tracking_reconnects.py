"""A tracked request outlives its connection and its worker, as long as its lease does."""
# ruff: noqa: PT012 - it is the blocks that raise

import asyncio
import time
from typing import Any

import grpc
import pytest

from sojourn import (
    Client,
    DeadlineExceededError,
    LeaseLostError,
    LimitExceededError,
    QueueTimeoutError,
    RequestCancelledError,
    RetryPolicy,
    ServerUnreachableError,
    SessionDeletedError,
    StoreUnavailableError,
    Timeouts,
)
from sojourn.v1 import session_service_pb2 as pb
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running, connected
from tests.unit.sdk.fake_service import FakeService, abort, fail, lose
from tests.unit.sdk.fake_tracking import FakeStream, hang, outcome_of

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def session(client: Client):
    return client.session("s")


def breaks(code: str = "UNAVAILABLE", reason: str = "", *, admitted: bool = True, **fault: Any):
    """A stream that gets the request somewhere and breaks."""

    async def script(stream: FakeStream) -> None:
        if admitted:
            await stream.admit()
        else:
            await stream.queue(1)
        await abort(stream._context, grpc.StatusCode[code], reason, **fault)

    return script


def refuses(code: str = "UNAVAILABLE", reason: str = "", **fault: Any):
    async def script(stream: FakeStream) -> None:
        await abort(stream._context, grpc.StatusCode[code], reason, **fault)

    return script


async def sends_away(stream: FakeStream) -> None:
    await stream.admit()
    await stream.say(going_away=pb.GoingAway())


async def ends(stream: FakeStream) -> None:
    await stream.admit()


@pytest.mark.parametrize(
    "cut",
    [
        breaks(),
        breaks("CANCELLED"),
        breaks("INTERNAL", "INTERNAL", error_id="1"),
        breaks("UNAVAILABLE", "STORE_UNAVAILABLE"),
        sends_away,
        ends,
    ],
)
async def test_an_admitted_request_is_taken_up_again(session, service: FakeService, cut):
    service.script_streams(cut)
    async with session.track("plan") as request:
        await wait_until(lambda: len(service.streams) == 2)
        await request.progress(0.5)
        assert not request.lost
    first, second = service.streams
    assert (first.begin.resume, second.begin.resume) == (False, True)
    assert first.begin.request_id == second.begin.request_id == request.id
    assert second.kinds == ["progress", "finish"]


async def test_the_first_attempt_to_come_back_is_soon(running: Running, service: FakeService):
    """A broken stream releases its request after half a second."""
    service.script_streams(breaks())
    async with (
        connected(running, retry=RetryPolicy(initial_delay=3, jitter=0)) as client,
        client.session("s").track("plan"),
    ):
        await wait_until(lambda: len(service.streams) == 2, timeout=0.45)


async def test_it_comes_back_until_its_lease_must_be_over(session, service: FakeService):
    service.ttl = 0.6
    service.script_streams(breaks(), *[refuses()] * 1_000)
    started = time.monotonic()
    with pytest.raises(LeaseLostError, match=r"no renewal was confirmed for 0\.6 s"):
        async with session.track("plan"):
            await hang()
    assert 0.5 < time.monotonic() - started < 2


async def test_a_lease_that_is_not_renewed_counts_as_lost(session, service: FakeService):
    """The server hears the heartbeats and never answers: to this process the lease runs out, and it stops."""

    async def deaf(stream: FakeStream) -> None:
        await stream.admit()
        while await stream.hear() is not None:
            pass

    service.ttl = 0.5
    service.script_streams(deaf)
    started = time.monotonic()
    with pytest.raises(LeaseLostError, match="no renewal"):
        async with session.track("plan"):
            await hang()
    assert 0.4 < time.monotonic() - started < 1.5
    assert "heartbeat" in service.streams[0].kinds
    await wait_until(lambda: service.streams[0].ended)


async def test_the_lease_counts_from_when_a_renewal_was_asked_for(session, service: FakeService):
    """An answer that was long under way does not make the lease longer than the server thinks it is."""

    answered = 0.0

    async def slow(stream: FakeStream) -> None:
        nonlocal answered
        await stream.admit()
        assert await stream.hear() == "heartbeat"
        await asyncio.sleep(0.6)
        answered = time.monotonic()
        await stream.say(renewed=pb.Renewed())
        while await stream.hear() is not None:
            pass

    service.ttl = 1.2
    service.script_streams(slow)
    started = time.monotonic()
    with pytest.raises(LeaseLostError):
        async with session.track("plan"):
            await hang()
    # Asked after 0.4 s, answered at 1.0 s: over at 1.6 s and not at 2.2 s.
    assert time.monotonic() - started > 1.5
    assert time.monotonic() - answered < service.ttl


async def test_answers_to_progress_do_not_pass_for_answers_to_heartbeats(session, service: FakeService):
    """Whatever the server answers, the time that counts is that of the question asked first."""

    answered = 0.0

    async def answers_late(stream: FakeStream) -> None:
        nonlocal answered
        await stream.admit()
        while await stream.hear() is not None:
            if len(stream.heard) == 2:
                answered = time.monotonic()
                await stream.say(renewed=pb.Renewed())

    service.ttl = 1.5
    service.script_streams(answers_late)
    started = time.monotonic()
    with pytest.raises(LeaseLostError):
        async with session.track("plan") as request:
            await request.progress(0.1)
            await hang()
    assert service.streams[0].kinds[:2] == ["progress", "heartbeat"]
    assert time.monotonic() - started > service.ttl - 0.1
    assert time.monotonic() - answered < service.ttl - 0.1  # of the progress, 0.5 s before the heartbeat


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (refuses("ABORTED", "LEASE_LOST", cause="its lease ran out"), "its lease ran out"),
        (refuses("NOT_FOUND", "REQUEST_NOT_FOUND"), "REQUEST_NOT_FOUND happened"),
        (refuses("FAILED_PRECONDITION", "REQUEST_ENDED", outcome="FAILED"), "REQUEST_ENDED happened"),
        (refuses("NOT_FOUND", "SESSION_DELETED", revision="3"), "SESSION_DELETED happened"),
        (refuses("PERMISSION_DENIED"), "PERMISSION_DENIED happened"),
    ],
)
async def test_what_cannot_be_taken_up_again_is_lost(session, service: FakeService, refusal, cause):
    service.script_streams(breaks(), refusal)
    with pytest.raises(LeaseLostError) as raised:
        async with session.track("plan"):
            await hang()
    assert raised.value.cause == cause
    if "SESSION_DELETED" in cause:
        assert isinstance(raised.value.__cause__, SessionDeletedError)


async def test_the_end_is_recorded_when_the_stream_breaks_meanwhile(session, service: FakeService):
    async def break_at_the_end(stream: FakeStream) -> None:
        await stream.admit()
        assert await stream.hear() == "finish"
        await abort(stream._context, UNAVAILABLE)

    service.script_streams(break_at_the_end)
    service.plan("FinishRequest", fail(UNAVAILABLE), lose())
    with pytest.raises(ZeroDivisionError):
        async with session.track("plan", request_id="mine"):
            raise ZeroDivisionError("of course")
    requests = service.requests("FinishRequest")
    assert len(requests) == 3
    assert {(r.session_id, r.request_id, r.outcome, r.error) for r in requests} == {("s", "mine", 2, "of course")}
    assert len(service.streams) == 1


async def test_the_end_is_recorded_while_it_waits_to_come_back(running: Running, service: FakeService):
    service.script_streams(breaks(), refuses(), refuses())
    async with connected(running, retry=RetryPolicy(initial_delay=30, max_delay=30)) as client:
        async with client.session("s").track("plan"):
            await wait_until(lambda: len(service.streams) == 2)
            await asyncio.sleep(0.05)
        assert len(service.requests("FinishRequest")) == 1


async def test_an_end_that_cannot_be_recorded_is_told(running: Running, service: FakeService):
    async def mute(stream: FakeStream) -> None:
        await stream.admit()
        while await stream.hear() is not None:
            pass

    service.script_streams(mute, mute)
    service.plan("FinishRequest", *[fail(UNAVAILABLE, "STORE_UNAVAILABLE")] * 1_000)
    async with connected(running, timeouts=Timeouts(total=0.5, attempt=0.2)) as client:
        started = time.monotonic()
        with pytest.raises((StoreUnavailableError, DeadlineExceededError)):
            async with client.session("s").track("plan"):
                pass
        assert time.monotonic() - started < 1.5
        with pytest.raises(ZeroDivisionError):
            async with client.session("s").track("plan"):
                raise ZeroDivisionError


async def test_in_the_queue_it_is_taken_up_again(session, service: FakeService):
    service.script_streams(refuses(), breaks(admitted=False), breaks(admitted=False))
    async with session.track("plan", timeout=20):
        pass
    assert [stream.begin.resume for stream in service.streams] == [False, False, True, True]
    assert len({stream.begin.request_id for stream in service.streams}) == 1
    left = [stream.begin.queue_timeout.ToTimedelta() for stream in service.streams]
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize("reason", ["LEASE_LOST", "REQUEST_NOT_FOUND"])
async def test_a_place_in_the_queue_that_was_lost_is_taken_anew(session, service: FakeService, reason):
    gone = refuses("ABORTED", reason)
    service.script_streams(breaks(admitted=False), gone, gone)  # the second one: what is left of it is still there
    async with session.track("plan"):
        pass
    assert [stream.begin.resume for stream in service.streams] == [False, True, False, False]


async def test_a_place_in_the_queue_at_a_revision_is_not_taken_anew(session, service: FakeService):
    """Its own events have moved the session on: begun anew, it would be refused for the wrong reason."""
    service.script_streams(breaks(admitted=False), refuses("ABORTED", "LEASE_LOST"))
    with pytest.raises(LeaseLostError):
        async with session.track("plan", expected_revision=3):
            raise AssertionError("not to be entered")
    assert [stream.begin.resume for stream in service.streams] == [False, True]


async def test_cancelled_in_the_queue_while_there_was_no_stream(session, service: FakeService):
    ended = refuses("FAILED_PRECONDITION", "REQUEST_ENDED", outcome="CANCELLED", error="not needed")
    service.script_streams(breaks(admitted=False), ended)
    with pytest.raises(RequestCancelledError, match="not needed"):
        async with session.track("plan"):
            raise AssertionError("not to be entered")


async def test_one_that_did_not_begin_yet_is_tried_until_the_deadline(running: Running, service: FakeService):
    service.script_streams(*[refuses()] * 1_000)
    async with connected(running, timeouts=Timeouts(total=0.3)) as client:
        with pytest.raises(ServerUnreachableError):
            async with client.session("s").track("plan"):
                raise AssertionError("not to be entered")
    assert len(service.streams) > 3


async def test_a_server_that_does_not_answer_is_given_up(running: Running, service: FakeService):
    async def silent(_stream: FakeStream) -> None:
        await hang()

    service.script_streams(silent)
    async with (
        connected(running, timeouts=Timeouts(total=5, attempt=0.2)) as client,
        client.session("s").track("plan"),
    ):
        assert len(service.streams) == 2


async def test_no_time_left_in_the_queue_while_the_server_is_away(session, service: FakeService):
    service.script_streams(breaks(admitted=False), *[refuses()] * 1_000)
    started = time.monotonic()
    with pytest.raises(QueueTimeoutError):
        async with session.track("plan", timeout=0.3):
            raise AssertionError("not to be entered")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("policy", ["reject", "queue"])
async def test_a_limit_is_waited_for_unless_it_is_not_to_be(session, service: FakeService, policy):
    service.script_streams(refuses("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED", retry_after=0.05, limit_name="x", limit="1"))
    if policy == "reject":
        with pytest.raises(LimitExceededError) as raised:
            async with session.track("plan", policy="reject"):
                raise AssertionError("not to be entered")
        assert (raised.value.limit_name, raised.value.limit) == ("x", 1)
    else:
        async with session.track("plan"):
            assert len(service.streams) == 2


async def test_asked_to_stop_while_there_was_no_stream(session, service: FakeService):
    async def told(stream: FakeStream) -> None:
        await stream.admit(cancel_requested=True, cancel_reason="meanwhile")
        await stream.serve()

    service.script_streams(breaks(), told)
    async with session.track("plan", on_cancel="flag") as request:
        assert await request.cancelled == "meanwhile"
    assert outcome_of(service.streams[1]) == ("succeeded", "")


async def test_a_server_that_is_gone(running: Running, service: FakeService):
    """The connection itself cannot be made: nothing is written for ever, nothing stays behind."""
    service.ttl = 0.5
    async with connected(running) as client:
        with pytest.raises(LeaseLostError):
            async with client.session("s").track("plan"):
                await running.server.stop(None)
                await hang()
        await wait_until(lambda: not client._live()._background)
