"""Tracked requests of the SDK on the real service, when connections break and servers go."""
# ruff: noqa: PT012 - it is the blocks that raise

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack

import pytest

import sojourn
from sojourn.changes import RequestAdmitted, RequestFinished, RequestLost, RequestQueued
from tests.support.black_hole import BlackHole
from tests.support.engines import ValkeyProcess
from tests.support.line import Line
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

REQUEST_CHANGES = (RequestQueued, RequestAdmitted, RequestFinished, RequestLost)


@pytest.fixture
async def line(server):
    async with Line(server.target) as line:
        yield line


@pytest.fixture
async def session(line, sid):
    """A session that admits one request at a time, behind a line that can be cut."""
    async with sojourn.Client(line.target) as client:
        yield await client.create_session(sid, max_concurrent_requests=1)


@pytest.fixture
async def direct(server, sid):
    """The same session by another way."""
    async with sojourn.Client(server.target) as client:
        yield client.session(sid)


async def kinds_of(session):
    """What the log says of requests, in its order."""
    return [
        type(change).__name__
        async for event in session.events()
        for change in event.changes
        if isinstance(change, REQUEST_CHANGES)
    ]


async def test_a_cut_connection_is_made_anew_and_nobody_notices(session, line, direct):
    async with session.track("plan") as request:
        for number in range(3):
            line.cut()
            await session.set_state({"cut": number})
        await asyncio.sleep(0.7)  # longer than the server waits for a stream that broke
        assert [found.fencing_token async for found in direct.requests()] == [request.fencing_token]
        assert not request.lost
    assert await kinds_of(direct) == ["RequestAdmitted", "RequestFinished"]


async def test_a_cut_connection_in_the_queue(session, line, direct):
    async with direct.track("holder"):
        waiting = session.track("waiting")

        async def work():
            async with waiting:
                return waiting.fencing_token

        task = asyncio.create_task(work())
        await wait_until(lambda: waiting.position == 1)
        line.cut()
        await asyncio.sleep(0.7)
        assert [found.id async for found in direct.requests(state="queued")] == [waiting.id]
    assert await task == waiting.fencing_token
    kinds = await kinds_of(direct)
    assert kinds.count("RequestQueued") == 1
    assert "RequestLost" not in kinds


async def test_a_place_in_the_queue_that_was_lost_is_taken_anew(session, line, direct):
    async with direct.track("holder"):
        waiting = session.track("waiting")

        async def work():
            async with waiting:
                pass

        task = asyncio.create_task(work())
        await wait_until(lambda: waiting.position == 1)
        line.open = False
        line.cut()

        async def lost():
            return "RequestLost" in await kinds_of(direct)

        await wait_until(lost)
        line.open = True

        async def queued_again():
            return (await kinds_of(direct)).count("RequestQueued") == 2

        await wait_until(queued_again)
    await task


async def test_away_for_too_long_the_lease_is_lost(session, line, direct):
    with pytest.raises(sojourn.LeaseLostError) as raised:
        async with session.track("plan") as request:
            line.open = False
            line.cut()

            async def lost():
                return "RequestLost" in await kinds_of(direct)

            await wait_until(lost)
            line.open = True
            await asyncio.Event().wait()
    assert raised.value.cause == request.lost.reason == "its stream ended"
    async with session.track("again") as request:
        assert request.fencing_token > 0


async def test_swallowed_by_the_network_the_lease_ends_here_before_it_ends_there(server, direct, sid):
    async with sojourn.Client(server.target) as client:
        await client.create_session(sid)
    async with BlackHole(server.target) as hole, sojourn.Client(hole.target) as client:
        started = 0.0
        with pytest.raises(sojourn.LeaseLostError, match="no renewal was confirmed for 2 s"):
            async with client.session(sid).track("plan", lease_ttl=2):
                hole.swallow()
                started = time.monotonic()
                await asyncio.Event().wait()
        assert 1.0 < time.monotonic() - started < 2.2
        assert [found.state async for found in direct.requests()] == ["admitted"]


async def test_the_end_is_recorded_though_the_connection_breaks_at_it(session, line, direct):
    async with session.track("plan"):
        line.cut()
    with pytest.raises(RuntimeError):
        async with session.track("again"):
            line.cut()
            raise RuntimeError("no offers")
    ends = [
        change
        async for event in direct.events(kinds="request_finished")
        for change in event.changes
        if isinstance(change, RequestFinished)
    ]
    assert [(end.outcome, end.error) for end in ends] == [("succeeded", ""), ("failed", "no offers")]


async def test_a_client_that_is_closed_lets_go(server, direct, sid):
    client = await sojourn.Client(server.target).connect()
    await client.create_session(sid)
    entered = asyncio.Event()

    async def work():
        async with client.session(sid).track("plan"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    await client.close()
    with pytest.raises(sojourn.LeaseLostError, match="client was closed"):
        await task

    async def gone():
        return [found async for found in direct.requests()] == []

    await wait_until(gone, timeout=2)


async def test_a_stopped_process_wakes_up_without_its_lease(server, direct, sid):
    """SIGSTOP for longer than the lease: the body ends, its late write is refused."""
    async with sojourn.Client(server.target) as client:
        await client.create_session(sid)
    program = f"""
import asyncio, os, sojourn
async def main():
    async with sojourn.Client({server.target!r}) as client:
        session = client.session({sid!r})
        try:
            async with session.track("plan", lease_ttl=1):
                print("admitted", flush=True)
                await asyncio.get_running_loop().run_in_executor(None, input)
                try:
                    await session.set_state({{"late": True}})
                except sojourn.FencingTokenRejectedError:
                    print("refused", flush=True)
                await asyncio.Event().wait()
        except sojourn.LeaseLostError:
            print("lost", flush=True)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert await process.stdout.readline() == b"admitted\n"
        os.kill(process.pid, signal.SIGSTOP)

        async def lost():
            return "RequestLost" in await kinds_of(direct)

        await wait_until(lost)
        process.stdin.write(b"\n")
        os.kill(process.pid, signal.SIGCONT)
        rest = await asyncio.wait_for(process.stdout.read(), 10)
        assert rest.splitlines()[-1] == b"lost"
        assert (await direct.refresh()).state == {}
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_server_that_shuts_down_hands_requests_to_another(sid, tmp_path):
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(ValkeyProcess())
        first, second = [
            await stack.enter_async_context(ServerUnderTest(redis=engine.url, data_dir=tmp_path, grace_seconds=5))
            for _ in range(2)
        ]
        line = await stack.enter_async_context(Line(first.target))
        client = await stack.enter_async_context(sojourn.Client(line.target))
        direct = await stack.enter_async_context(sojourn.Client(second.target))
        session = await client.create_session(sid, max_concurrent_requests=1)
        waiting = session.track("waiting")

        async def wait_in_the_queue():
            async with waiting:
                pass

        async with session.track("plan", on_cancel="flag") as request:
            task = asyncio.create_task(wait_in_the_queue())
            await wait_until(lambda: waiting.position == 1)
            line.to = second.target
            assert await first.terminate() == 0
            found = [found async for found in direct.session(sid).requests()]
            assert [(one.id, one.state) for one in found] == [(request.id, "admitted"), (waiting.id, "queued")]
            assert found[0].fencing_token == request.fencing_token
            await session.set_state({"other": "server"})
            await direct.cancel_request(sid, request.id, reason="heard there")
            assert await request.cancelled == "heard there"
        await task
        assert await kinds_of(direct.session(sid)) == [
            "RequestAdmitted",
            "RequestQueued",
            "RequestFinished",
            "RequestAdmitted",
            "RequestFinished",
        ]


async def test_a_server_that_is_killed_and_comes_back_in_time(tmp_path, sid):
    async with (
        ServerUnderTest(data_dir=tmp_path) as server,
        sojourn.Client(server.target) as client,
    ):
        session = await client.create_session(sid)
        async with session.track("plan", lease_ttl=30) as request:
            await server.kill()
            await server.start()
            await session.set_state({"still": "mine"})
            found = [one.fencing_token async for one in session.requests()]
            assert found == [request.fencing_token]
        assert await kinds_of(session) == ["RequestAdmitted", "RequestFinished"]
