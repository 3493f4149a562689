"""SIGTERM: health says so, watches are handed on with their cursor, everything ends in time and in silence."""

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.engines import free_ports
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, message, write

GRACE = 4.0


@pytest.fixture
def sid():
    return f"d{uuid4().hex[:12]}"


async def to_the_end(call):
    """The rest of a watch, which must end in good order."""
    messages = [found async for found in wire.messages(call)]
    assert await call.code() is grpc.StatusCode.OK
    return messages


async def first_progress(call):
    found = await call.read()
    assert found.WhichOneof("marker") == "progress"


def assert_quiet(log):
    """The log is the service's own: JSON lines and nothing of the interpreter's or gRPC's, none of them an error."""
    for line in log.splitlines():
        assert line.startswith("{"), f"noise in the log: {line}\n{log}"
        assert json.loads(line)["level"] in ("debug", "info", "warning"), line


async def test_everything_is_handed_over(tmp_path, sid):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            ServerUnderTest(data_dir=tmp_path, grace_seconds=GRACE, log_format="json")
        )
        channel = await stack.enter_async_context(wire.channel(server.target))
        stub = wire.SessionServiceStub(channel)
        await create(stub, sid)
        one = stub.WatchSession(wire.watch(sid))
        many = stub.WatchSessions(pb.WatchSessionsRequest())
        idle = stub.WatchSession(wire.watch(sid, kinds=[1]))
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        for call in (one, many, idle):
            await first_progress(call)
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        await stub.WriteSession(write(sid, message("before")))
        assert await next_events(one) == await next_events(many) == [(sid, 2)]

        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        ends = [await to_the_end(call) for call in (one, many, idle)]
        health.cancel()
        assert await server.exited() == 0
        assert time.monotonic() - started < GRACE
        assert [[found.WhichOneof("marker") for found in end] for end in ends] == [["going_away"]] * 3
        cursors = [end[-1].going_away.cursor.token for end in ends]
        assert_quiet(server.log)

        await server.start()
        stub = await stack.enter_async_context(wire.connect(server.target))
        await stub.WriteSession(write(sid, message("after")))
        for token in (cursors[0], cursors[2]):
            again = stub.WatchSession(wire.watch(sid, token, progress=0.1))
            assert await next_events(again) == [(sid, 3)]
            again.cancel()
        cursor = wire.session_pb2.Cursor(token=cursors[1])
        again = stub.WatchSessions(pb.WatchSessionsRequest(after=cursor))
        assert await next_events(again) == [(sid, 3)]
        again.cancel()


async def next_events(call):
    async for found in wire.messages(call):
        if found.events:
            return [(event.session_id, event.revision) for event in found.events]
    raise AssertionError("the watch ended")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "end of standard input"])
async def test_every_way_to_ask_for_the_end(how, sid):
    async with ServerUnderTest(log_format="json") as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        call = stub.WatchSession(wire.watch(sid))
        await first_progress(call)
        if how.startswith("SIG"):
            server.signal(signal.Signals[how])
        else:
            server.close_stdin()
        assert (await to_the_end(call))[-1].WhichOneof("marker") == "going_away"
        assert await server.exited() == 0
        assert_quiet(server.log)


async def test_a_watcher_that_does_not_read_does_not_hold_the_server(sid):
    async with ServerUnderTest(grace_seconds=1, log_format="json") as server, wire.connect(server.target) as stub:
        await create(stub, sid)
        call = stub.WatchSession(wire.watch(sid))
        await first_progress(call)
        # More than any window takes: the server's write to this watcher waits.
        for _ in range(20):
            await stub.WriteSession(write(sid, message("x" * 500_000)))
        started = time.monotonic()
        assert await server.terminate() == 0
        assert time.monotonic() - started < 4
        assert_quiet(server.log)
        call.cancel()


async def test_calls_in_flight_end_well_or_did_nothing(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path, grace_seconds=GRACE) as server:
        acknowledged, refused = [], []

        async def calls(stub):
            while True:
                try:
                    acknowledged.append((await stub.WriteSession(write(sid))).revision)
                except grpc.aio.AioRpcError as error:
                    refused.append(wire.failure_of(error))
                    return

        async with AsyncExitStack() as stack:
            stubs = [await stack.enter_async_context(wire.connect(server.target)) for _ in range(4)]
            await create(stubs[0], sid)
            running = [asyncio.create_task(calls(stub)) for stub in stubs for _ in range(4)]
            await wait_until(lambda: len(acknowledged) > 100, description="a hundred writes")
            assert await server.terminate() == 0
            await asyncio.gather(*running)
        assert {found.code for found in refused} == {"UNAVAILABLE"}
        await server.start()
        async with wire.connect(server.target) as stub:
            # A clean drain: what was refused did not happen.
            assert await wire.revision(stub, sid) == len(acknowledged) + 1
        assert sorted(acknowledged) == list(range(2, len(acknowledged) + 2))


async def test_a_start_can_be_given_up(sid):
    """Nobody answers at the store's address: the server waits, and ends when it is told to."""
    server = ServerUnderTest(redis=f"redis://127.0.0.1:{free_ports(1)[0]}", start_timeout=60)
    try:
        server.launch()
        await wait_until(lambda: "store link lost" in server.log, description="it tries to connect")
        server.signal(signal.SIGTERM)
        assert await server.exited(timeout=5) == 0
        assert "stopped before serving" in server.log
    finally:
        await server.stop()
