"""An engine that is away, full, stopped or damaged: a typed error at once, nothing half-written, and recovery."""

import os
import re
import signal
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.app import Worker
from sojourn_server.settings import Settings
from tests.support import wire
from tests.support.engines import ValkeyProcess
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, failure, revision, state_set, watch_failure, write


@pytest.fixture
def sid():
    return f"s{uuid4().hex[:12]}"


@pytest.fixture
async def engine():
    async with ValkeyProcess(persistent=True) as engine:
        yield engine


@pytest.fixture
async def server(engine):
    async with ServerUnderTest(redis=engine.url, store_timeout=0.5) as server:
        yield server


@pytest.fixture
async def stub(server):
    async with wire.connect(server.target) as stub:
        yield stub


async def recovered(stub, sid):
    """Waits until a write goes through again, without a restart of the server."""

    async def writes():
        try:
            return (await stub.WriteSession(write(sid, key="again"))).revision
        except wire.grpc.aio.AioRpcError as error:
            wire.pass_over(error)
            return 0

    return await wait_until(writes, timeout=15, description="writes go through")


async def test_an_engine_that_is_away(engine, stub, sid):
    await create(stub, sid)
    await engine.kill()

    async def refused():
        found = await failure(stub.WriteSession(write(sid)))
        # The first call may have been on its way when the engine died.
        return found if found.reason == "STORE_UNAVAILABLE" else None

    found = await wait_until(refused, description="STORE_UNAVAILABLE")
    assert (found.code, found.metadata) == ("UNAVAILABLE", {"cause": "disconnected"})
    assert found.retry_after == 0.1
    assert (await failure(stub.GetSession(pb.GetSessionRequest(session_id=sid)))).reason == "STORE_UNAVAILABLE"
    batch = await stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=[write(sid)] * 2))
    assert [item.status.code for item in batch.items] == [14, 14]
    await engine.start()
    assert await recovered(stub, sid) == 2


async def test_an_engine_that_stops_answering_leaves_the_outcome_unknown_and_a_retry_tells(engine, stub, sid):
    await create(stub, sid)
    engine.pause()
    try:
        found = await failure(stub.WriteSession(write(sid, key="k-1")))
    finally:
        engine.resume()
    assert (found.code, found.reason) == ("UNAVAILABLE", "OUTCOME_UNKNOWN")
    assert found.metadata == {"session_id": sid}
    assert found.retry_after is not None
    await recovered(stub, sid)
    first = await stub.WriteSession(write(sid, key="k-1"))
    again = await stub.WriteSession(write(sid, key="k-1"))
    assert again.replayed
    assert again.revision == first.revision
    session = (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session
    assert (session.revision, session.state["n"].json) == (3, b"2")


async def test_the_embedded_engine_alone_is_killed(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path) as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        watch = stub.WatchSession(wire.watch(sid, 0, progress=0.1))
        seen = []
        while not seen:
            seen += wire.revisions((await watch.read()).events)
        first = server.engine_pid()
        os.kill(first, signal.SIGKILL)
        last = await recovered(stub, sid)
        assert await revision(stub, sid) == last == 2
        assert server.engine_pid() not in (first, None)
        # A watch outlives it: the events of before and after, each once.
        async for message in wire.messages(watch):
            seen += wire.revisions(message.events)
            if seen[-1] == last:
                break
        watch.cancel()
        assert seen == [1, 2]
        assert "engine died" in server.log
        assert "engine restarted" in server.log


async def fill(stub, sid, size):
    """Writes pieces of state until one is refused: how many were taken, and what the last was refused with."""
    for number in range(10_000):
        try:
            await stub.WriteSession(write(sid, state_set(**{f"k{size}-{number}": "x" * size})))
        except wire.grpc.aio.AioRpcError as error:
            return number, wire.failure_of(error)
    raise AssertionError("the store never was full")


async def test_a_full_store_takes_deletions_and_recovers(sid):
    async with ServerUnderTest(ephemeral=True, engine_memory=16 << 20) as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        await create(stub, f"{sid}-ballast")
        # The write that is refused takes room itself while it is looked at: fill up in ever smaller pieces.
        for size in (250_000, 25_000, 2_500):
            await fill(stub, f"{sid}-ballast", size)
        taken, found = await fill(stub, sid, 250)
        assert (found.code, found.reason, found.metadata) == ("RESOURCE_EXHAUSTED", "STORE_FULL", {})
        session = (await stub.GetSession(pb.GetSessionRequest(session_id=sid))).session
        assert (session.revision, len(session.state)) == (1 + taken, taken)
        await stub.DeleteSession(pb.DeleteSessionRequest(session_id=f"{sid}-ballast"))

        async def writes():
            try:
                return (await stub.WriteSession(write(sid, key="k"))).revision
            except wire.grpc.aio.AioRpcError as error:
                return wire.failure_of(error).reason != "STORE_FULL"

        # The engine gives memory back in the background.
        assert await wait_until(writes, description="room for a write") == 2 + taken


async def test_a_defect_gives_an_id_and_never_its_text(engine, server, stub, sid):
    await create(stub, sid)
    keys = [key async for key in _scan(engine, f"*:h:default/{sid}")]
    await engine.call("DEL", *keys)
    await engine.call("SET", keys[0], "not a hash")
    for call in (stub.GetSession(pb.GetSessionRequest(session_id=sid)), stub.WriteSession(write(sid))):
        found = await failure(call)
        assert (found.code, found.reason) == ("INTERNAL", "INTERNAL")
        error_id = found.metadata["error_id"]
        assert re.fullmatch(r"[0-9a-f]{16}", error_id)
        assert found.message == f"internal error, id={error_id}"
        assert error_id in server.log
    # In a batch it is the trouble of its own item alone.
    await create(stub, f"{sid}-2")
    writes = [write(sid), write(f"{sid}-2")]
    batch = await stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=writes))
    assert batch.items[1].result.revision == 2
    status = batch.items[0].status
    assert status.message == f"internal error, id={status.metadata['error_id']}"
    assert status.metadata["error_id"] in server.log


async def test_a_worker_that_drains_refuses_new_watches(engine, sid, tmp_path):
    async with AsyncExitStack() as stack:
        settings = Settings(listen="127.0.0.1:0", redis=engine.url, grace_seconds=1)
        worker = await stack.enter_async_context(Worker(settings, engine.url, f"sqlite:///{tmp_path}/catalog.db"))
        stub = await stack.enter_async_context(wire.connect(f"127.0.0.1:{worker.port}"))
        await create(stub, sid)
        worker.store.hub.drain()
        found = await watch_failure(stub.WatchSession(wire.watch(sid)))
        assert (found.code, found.reason, found.metadata) == ("UNAVAILABLE", "SERVER_DRAINING", {})
        assert found.retry_after == 0.05


async def _scan(engine, pattern):
    async with engine.client() as client:
        async for key in client.scan_iter(pattern):
            yield key
