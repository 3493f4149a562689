"""Servers that die or stop: what was acknowledged stays, retries apply once, watches go on at their cursor."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from uuid import uuid4

import grpc
import pytest

from tests.robustness.checker import check_acknowledged, check_log, check_order, check_watcher, labelled, seen
from tests.support import wire
from tests.support.engine_probe import gone
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, write

WRITERS = 8


@pytest.fixture
def sid():
    return f"r{uuid4().hex[:12]}"


async def insist(stub, request):
    """The write's result, however often it has to be asked for."""
    while True:
        try:
            return await stub.WriteSession(request, wait_for_ready=True, timeout=5)
        except grpc.aio.AioRpcError as error:
            wire.pass_over(error)
            await asyncio.sleep(0.02)


async def writer(stub, sid, name, count, acknowledged):
    """Writes so many labels, one after the other, each until it is acknowledged."""
    for number in range(count):
        label = f"{name}.{number}"
        answer = await insist(stub, write(sid, labelled(label), key=label))
        acknowledged[label] = answer.revision


async def watched(stub, sid, last, into):
    """Watches until a revision, going on at the newest cursor when the stream breaks."""
    cursor = 0
    while not into or into[-1].revision < last():
        call = stub.WatchSession(wire.watch(sid, cursor, progress=0.2), wait_for_ready=True)
        try:
            async for found in wire.messages(call):
                into += seen(found.events)
                cursor = found.events[-1].cursor.token if found.events else cursor
                if into and into[-1].revision >= last():
                    break
        except grpc.aio.AioRpcError as error:
            wire.pass_over(error)
        call.cancel()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
async def test_a_server_that_dies_under_load_loses_nothing(tmp_path, sid, sent):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(data_dir=tmp_path))
        stubs = [await stack.enter_async_context(wire.connect(server.target)) for _ in range(3)]
        await create(stubs[0], sid)
        acknowledged, watcher, total = {}, [], WRITERS * 60
        writing = [
            asyncio.create_task(writer(stubs[number % 2], sid, f"w{number}", 60, acknowledged))
            for number in range(WRITERS)
        ]
        watching = asyncio.create_task(watched(stubs[2], sid, lambda: total + 1, watcher))
        for part in (0.25, 0.6):
            await wait_until(lambda part=part: len(acknowledged) > total * part, timeout=30, description="writes")
            server.signal(sent)
            await server.exited()
            await server.start()
        await asyncio.gather(*writing)
        await asyncio.wait_for(watching, 20)
        log = seen(await wire.log_of(stubs[0], sid))
        check_log(log)
        assert len(log) == total + 1
        check_acknowledged(acknowledged, log)
        for number in range(WRITERS):
            check_order([f"w{number}.{n}" for n in range(60)], log)
        check_watcher(watcher, log)
        # The keys are still known: a repeat of every last write gives the first result.
        for number in range(WRITERS):
            label = f"w{number}.59"
            again = await stubs[0].WriteSession(write(sid, labelled(label), key=label))
            assert (again.replayed, again.revision) == (True, acknowledged[label])


async def test_a_second_start_says_who_holds_the_data(tmp_path):
    async with ServerUnderTest(data_dir=tmp_path) as server:
        second = ServerUnderTest(data_dir=tmp_path)
        second.launch()
        try:
            assert await second.exited() == 1
            log = second.log
        finally:
            await second.stop()
        assert f"in use by process {server.pid}" in log
        assert str(tmp_path) in log
        assert "Traceback" not in log
        assert server.running


async def test_the_engine_ends_with_a_killed_server(tmp_path):
    server = ServerUnderTest(data_dir=tmp_path)
    async with server:
        engine = server.engine_pid()
        await server.kill()
        await wait_until(lambda: gone(engine), description="the engine ends")


async def test_the_engine_dies_under_load(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path) as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        acknowledged = {}
        writing = [asyncio.create_task(writer(stub, sid, f"w{n}", 60, acknowledged)) for n in range(WRITERS)]
        for part in (0.2, 0.5):
            await wait_until(lambda part=part: len(acknowledged) > 60 * WRITERS * part, description="writes")
            os.kill(await wait_until(server.engine_pid), signal.SIGKILL)
        await asyncio.gather(*writing)
        log = seen(await wire.log_of(stub, sid))
        check_log(log)
        check_acknowledged(acknowledged, log)
        assert "internal error" not in server.log
        assert "fork_posix" not in server.log
        assert len(log) == 60 * WRITERS + 1
