"""Tracking: work in flight is visible, bounded, ordered, can be asked to stop, and never stuck.

A request is a piece of work in a session. It is admitted, or waits its turn; while it is admitted its lease is renewed
in the background; when it ends, however it ends, the next one is admitted.
"""

import asyncio

import pytest

import sojourn


async def test_track_a_piece_of_work(client, name):
    session = await client.create_session(name)
    async with session.track("plan the trip") as request:
        await request.progress(0.4, "comparing flights")
        (found,) = [found async for found in session.requests()]
        assert (found.id, found.name, found.state) == (request.id, "plan the trip", "admitted")
    assert [found async for found in session.requests()] == []


async def test_one_at_a_time(client, name):
    session = await client.create_session(name, max_concurrent_requests=1)
    at_work = 0

    async def work():
        nonlocal at_work
        async with session.track("work"):
            at_work += 1
            assert at_work == 1
            await asyncio.sleep(0.01)
            at_work -= 1

    await asyncio.gather(*(work() for _ in range(5)))


async def test_do_not_wait_too_long(client, name):
    session = await client.create_session(name, max_concurrent_requests=1)
    async with session.track("first"):
        with pytest.raises(sojourn.QueueTimeoutError):
            async with session.track("second", timeout=0.1):
                raise AssertionError("not to be entered")
        with pytest.raises(sojourn.LimitExceededError):
            async with session.track("third", policy="reject"):
                raise AssertionError("not to be entered")


async def test_ask_a_request_to_stop(client, name):
    session = await client.create_session(name)

    async def stuck():
        async with session.track("think", request_id="think"):
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    async for event in session.watch(after=0, kinds="request_admitted"):
        await client.cancel_request(name, event.changes[0].request_id, reason="took too long")
        break
    with pytest.raises(sojourn.RequestCancelledError, match="took too long"):
        await task


async def test_be_told_and_stop_in_your_own_time(client, name):
    session = await client.create_session(name)
    async with session.track("think", on_cancel="flag") as request:
        await session.cancel_request(request.id)
        assert await request.cancelled  # or look at it now and then: `if request.cancelled: ...`
        await session.set_state({"kept": "what was done so far"})


async def test_who_lost_its_place_cannot_write(client, name):
    session = await client.create_session(name)
    async with session.track("work", on_lost="flag") as request:
        await client.cancel_request(name, request.id, force=True)
        with pytest.raises(sojourn.FencingTokenRejectedError):
            await session.set_state({"late": True})
    assert (await session.refresh()).state == {}


async def test_the_log_tells_how_it_ended(client, name):
    session = await client.create_session(name)
    with pytest.raises(ValueError, match="no flights"):
        async with session.track("plan", request_id="plan"), session.invocation("search_flights"):
            raise ValueError("no flights")
    events = [event async for event in session.events(kinds="request_finished")]
    assert events[0].changes == (sojourn.RequestFinished(request_id="plan", outcome="failed", error="no flights"),)
    assert [call.request_id async for call in session.invocations()] == ["plan"]


async def test_share_a_pool(client, name):
    browsers = client.pool(name)
    await browsers.resize(2)
    slots = []

    async def check():
        async with browsers.slot("check the page") as request:
            slots.append(request.pool_slot.slot)

    await asyncio.gather(*(check() for _ in range(6)))
    assert len(slots) == 6
    assert set(slots) <= {0, 1}
    assert (await browsers.info()).used == 0
