"""Several worker processes on one port: each serves, each sees the others' writes, one that dies is replaced."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from sojourn.v1 import session_service_pb2 as pb
from tests.robustness.checker import check_watcher, labelled, seen
from tests.support import wire
from tests.support.engine_probe import gone
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, write
from tests.support.workers import connections, stubs_on_all_workers


@pytest.fixture(scope="module")
def server():
    process = ServerUnderTest(workers=2)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
def sid():
    return f"w{uuid4().hex[:12]}"


async def take(call, count):
    events = []
    async for found in wire.messages(call):
        events += found.events
        if len(events) >= count:
            return events
    raise AssertionError("the watch ended")


async def test_writes_through_any_worker_are_watched_through_any(server, sid):
    async with AsyncExitStack() as stack:
        stubs = await stubs_on_all_workers(server, stack)
        await create(stubs[0], sid)
        watches = [stub.WatchSession(wire.watch(sid, 0)) for stub in stubs]
        watches += [stub.WatchSessions(pb.WatchSessionsRequest()) for stub in stubs]
        for call in watches[len(stubs) :]:
            assert (await call.read()).WhichOneof("marker") == "progress"
        for number, stub in enumerate(stubs * 3):
            assert (await stub.WriteSession(write(sid, labelled(str(number))))).revision == number + 2
        log = seen(await wire.log_of(stubs[-1], sid))
        assert len(log) == 1 + 3 * len(stubs)
        for number, call in enumerate(watches):
            first = 0 if number < len(stubs) else 1
            events = await asyncio.wait_for(take(call, len(log) - first), 10)
            check_watcher(seen(events), log, after=first, name=f"watcher {number}")
            call.cancel()


async def test_a_killed_worker_is_replaced_and_the_other_goes_on(server, sid):
    async with AsyncExitStack() as stack:
        stubs = await stubs_on_all_workers(server, stack)
        await create(stubs[0], sid)
        before = server.worker_pids()
        os.kill(before[0], signal.SIGKILL)
        await wait_until(lambda: gone(before[0]))

        def replaced():
            found = server.worker_pids()
            return len(found) == 2 and before[0] not in found

        await wait_until(replaced, timeout=20, description="another worker")
        for stub in stubs:  # those of the dead worker connect anew
            await stub.WriteSession(write(sid), wait_for_ready=True, timeout=20)
        await wait_until(lambda: _reaches_all(server, stack), timeout=30, description="the new worker serves")
        assert await wire.revision(stubs[0], sid) == 1 + len(stubs)
        assert server.running


async def _reaches_all(server, stack):
    stub = await stack.enter_async_context(wire.connect(server.target))
    await stub.ListSessions(pb.ListSessionsRequest(page_size=1), wait_for_ready=True, timeout=20)
    found = connections(server)
    return len(found) == 2 and all(found.values())


async def test_all_workers_drain(sid):
    async with ServerUnderTest(workers=2) as server, AsyncExitStack() as stack:
        stubs = await stubs_on_all_workers(server, stack)
        await create(stubs[0], sid)
        watches = [stub.WatchSession(wire.watch(sid)) for stub in stubs]
        for call in watches:
            assert (await call.read()).WhichOneof("marker") == "progress"
        family = [*server.worker_pids(), server.engine_pid()]
        assert await server.terminate() == 0
        for call in watches:
            assert [found.WhichOneof("marker") async for found in wire.messages(call)] == ["going_away"]
        assert all(gone(pid) for pid in family)


async def test_workers_end_with_a_killed_parent():
    async with ServerUnderTest(workers=2) as server:
        family = [*server.worker_pids(), server.engine_pid()]
        assert len(family) == 3
        await server.kill()
        await wait_until(lambda: all(gone(pid) for pid in family), timeout=15, description="workers and engine end")
