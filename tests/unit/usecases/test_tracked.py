"""What a tracked stream makes of what others read of its request: reads may come late and in any order."""

import asyncio
from dataclasses import replace

import pytest

from sojourn_server.domain.errors import ConflictError, LeaseLostError
from sojourn_server.domain.requests import (
    Begun,
    Ended,
    Request,
    RequestKey,
    RequestOutcome,
    RequestPolicy,
    RequestState,
    Scope,
    ScopeKind,
)
from sojourn_server.domain.session import SessionKey
from sojourn_server.usecases.tracked import (
    Admitted,
    CancelRequested,
    Finished,
    GoingAway,
    LeaseLost,
    Queued,
    Renewed,
    Tracked,
)

QUEUED = Request(
    key=RequestKey(SessionKey("default", "s"), "a"), name="", state=RequestState.QUEUED, priority=0,
    policy=RequestPolicy.QUEUE, exclusive=False, user_id="", project="", lease_ms=15_000, begin_us=10,
    scopes=(Scope(ScopeKind.POOL, "default", "p"),), position=2,
)  # fmt: skip
RESERVING = replace(QUEUED, state=RequestState.RESERVING, position=0, waiting_for="")
ADMITTED = replace(RESERVING, state=RequestState.ADMITTED, token=7)


def stream(request=QUEUED, *, resumed=False):
    return Tracked(Begun(request, resumed), 0.0)


async def told(tracked):
    """What waits to be told, and the error after it."""
    found = []

    async def listen():
        async for message in tracked.messages():
            found.append(message)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    if not listener.done():
        listener.cancel()
    (error,) = await asyncio.gather(listener, return_exceptions=True)
    return found, error if isinstance(error, Exception) else None


def kinds(found):
    return [type(message) for message in found]


async def test_a_waiting_request_is_told_its_place_when_it_changes():
    tracked = stream()
    assert kinds((await told(tracked))[0]) == [Queued]
    tracked.see(replace(QUEUED, position=2))
    assert (await told(tracked))[0] == []
    tracked.see(replace(QUEUED, position=1))
    found, _ = await told(tracked)
    assert [message.request.position for message in found] == [1]


async def test_a_request_that_reserves_is_quiet_until_its_place_is_known():
    tracked = stream()
    await told(tracked)
    tracked.see(RESERVING)
    assert (await told(tracked))[0] == []
    tracked.see(replace(RESERVING, position=3, waiting_for="pool"))
    tracked.see(RESERVING)
    found, _ = await told(tracked)
    assert [(m.request.position, m.request.waiting_for) for m in found] == [(3, "pool")]


async def test_what_was_read_before_the_admission_does_not_take_it_back():
    tracked = stream()
    tracked.see(ADMITTED)
    for late in (RESERVING, QUEUED, replace(QUEUED, position=1)):
        tracked.see(late)
    assert tracked.admitted
    found, _ = await told(tracked)
    assert kinds(found) == [Queued, Admitted]
    tracked.see(ADMITTED)
    assert (await told(tracked))[0] == []


@pytest.mark.parametrize("later", [{"attachment": 2}, {"begin_us": 11}], ids=["taken up", "begun anew"])
async def test_a_newer_stream_supersedes(later):
    tracked = stream(ADMITTED)
    tracked.see(replace(ADMITTED, **later))
    found, error = await told(tracked)
    assert kinds(found) == [Admitted]
    assert isinstance(error, ConflictError)
    assert error.reason == "REQUEST_SUPERSEDED"
    assert tracked.released


async def test_what_was_read_before_it_was_taken_up_does_not_count():
    tracked = stream(replace(ADMITTED, attachment=2, begin_us=20), resumed=True)
    tracked.see(replace(QUEUED, attachment=1))
    tracked.see(replace(ADMITTED, attachment=7))
    assert tracked.live


async def test_it_is_asked_to_stop_once():
    tracked = stream(replace(ADMITTED, cancel_reason="enough"), resumed=True)
    tracked.see(replace(ADMITTED, cancel_reason="enough"))
    found, _ = await told(tracked)
    assert kinds(found) == [Admitted, CancelRequested]
    tracked.see(replace(ADMITTED, cancel_reason="enough"))
    assert (await told(tracked))[0] == []


async def test_only_the_latest_of_each_kind_waits_for_a_slow_client():
    tracked = stream(ADMITTED)
    for deadline in range(1000):
        tracked.renewed(deadline)
    found, _ = await told(tracked)
    assert kinds(found) == [Admitted, Renewed]
    assert found[1].deadline_us == 999


async def test_a_lost_lease_is_told_before_the_error():
    tracked = stream(ADMITTED)
    tracked.end(error=LeaseLostError("s", "a", "why"))
    found, error = await told(tracked)
    assert found[1:] == [LeaseLost("why")]
    assert isinstance(error, LeaseLostError)


async def test_a_stream_that_finishes_hears_of_nothing_else():
    tracked = stream(ADMITTED)
    tracked.finishing = True
    tracked.end(GoingAway(None))
    tracked.see(replace(ADMITTED, attachment=2))
    ended = Ended(RequestOutcome.SUCCEEDED, "", 5)
    tracked.finished(ended)
    found, error = await told(tracked)
    assert (found[1:], error) == ([Finished(ended)], None)
