"""A watcher that stops reading: it alone is ended, with a cursor that skips nothing, and the server stays small."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import grpc
import pytest

from sojourn.v1 import session_service_pb2 as pb
from tests.robustness.checker import check_watcher, labelled, seen
from tests.support import wire
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, message, write

EVENTS, TEXT = 20_000, "x" * 1024


@pytest.fixture
def sid():
    return f"c{uuid4().hex[:12]}"


async def write_many(stub, sid, count, *changes):
    for _ in range(count // 500):
        writes = pb.BatchWriteSessionsRequest(writes=[write(sid, *changes)] * 500)
        answer = await stub.BatchWriteSessions(writes)
        assert all(item.HasField("result") for item in answer.items)


async def follow(call, last):
    """Reads up to a revision; the events."""
    found = []
    async for answer in wire.messages(call):
        found += answer.events
        if found and found[-1].revision >= last:
            return found
    raise AssertionError("the watch ended")


async def rest_of(call):
    """What a watch that will fail still delivers, and what it fails with."""
    found = []
    try:
        async for answer in wire.messages(call):
            found += answer.events
    except grpc.aio.AioRpcError as error:
        return found, wire.failure_of(error)
    raise AssertionError("the watch ended in good order")


async def test_one_of_several_watchers_stops_reading(sid):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest())
        writer, reader, sleeper = [await stack.enter_async_context(wire.connect(server.target)) for _ in range(3)]
        await create(writer, sid)
        others = [asyncio.create_task(follow(reader.WatchSession(wire.watch(sid, 0)), EVENTS + 1)) for _ in range(3)]
        slow = sleeper.WatchSession(wire.watch(sid))
        assert (await slow.read()).WhichOneof("marker") == "progress"
        before = server.rss()
        await write_many(writer, sid, EVENTS, message(TEXT))
        for found in await asyncio.gather(*others):
            assert wire.revisions(found) == list(range(1, EVENTS + 2))
        assert server.rss() - before < 96 << 20

        events, failure = await rest_of(slow)
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
        assert failure.metadata == {"session_id": sid, "cursor": events[-1].cursor.token}
        assert wire.revisions(events) == list(range(2, len(events) + 2))
        assert len(events) < EVENTS
        again = sleeper.WatchSession(wire.watch(sid, failure.metadata["cursor"]))
        assert wire.revisions(await follow(again, EVENTS + 1)) == list(range(len(events) + 2, EVENTS + 2))
        again.cancel()


async def test_a_watcher_of_many_sessions_stops_reading(sid):
    ids = [f"{sid}-{number}" for number in range(30)]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(watch_queue_events=500))
        writer, sleeper = [await stack.enter_async_context(wire.connect(server.target)) for _ in range(2)]
        slow = sleeper.WatchSessions(pb.WatchSessionsRequest())
        assert (await slow.read()).WhichOneof("marker") == "progress"
        for session_id in ids:
            await create(writer, session_id)
        writes = [write(session_id, message(TEXT * 4)) for session_id in ids]
        for _ in range(100):
            await writer.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=writes))
        first, failure = await rest_of(slow)
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
        assert len(first) < 30 * 101
        cursor = wire.session_pb2.Cursor(token=failure.metadata["cursor"])
        again = sleeper.WatchSessions(pb.WatchSessionsRequest(after=cursor))
        events = list(first)
        async with asyncio.timeout(20):
            while len(events) < 30 * 101:
                events += (await again.read()).events
        again.cancel()
        for session_id in ids:
            found = [event.revision for event in events if event.session_id == session_id]
            assert found == list(range(1, 102))


async def test_a_watcher_that_reads_nothing_at_all_is_ended_with_its_cursor(sid):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(watch_write_seconds=0.5, max_watches=2))
        writer, sleeper = [await stack.enter_async_context(wire.connect(server.target)) for _ in range(2)]
        await create(writer, sid)
        slow = sleeper.WatchSession(wire.watch(sid, 0))
        slow_many = sleeper.WatchSessions(pb.WatchSessionsRequest())
        for call in (slow, slow_many):
            assert await call.read()
        for number in range(40):
            await writer.WriteSession(write(sid, message("x" * 200_000), labelled(str(number))))

        async def both_ended():
            """Whether the server has room for other watches again."""
            calls = [writer.WatchSession(wire.watch(sid)) for _ in range(2)]
            try:
                return all([(await call.read()).HasField("progress") for call in calls])
            except grpc.aio.AioRpcError:
                return False
            finally:
                for call in calls:
                    call.cancel()

        await wait_until(both_ended, description="the watches are ended")
        log = await wire.log_of(writer, sid)

        events, failure = await rest_of(slow)
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
        assert failure.metadata["session_id"] == sid
        # What was on its way still came; resuming at the cursor goes on exactly there.
        again = sleeper.WatchSession(wire.watch(sid, failure.metadata["cursor"]))
        events += await follow(again, 41)
        again.cancel()
        check_watcher(seen(events), seen(log), after=events[0].revision - 1)
        assert events[0].revision <= 2

        events, failure = await rest_of(slow_many)
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
        # Over many sessions only markers have a cursor: some events may come again, none is missing.
        cursor = wire.session_pb2.Cursor(token=failure.metadata["cursor"])
        more = await follow(sleeper.WatchSessions(pb.WatchSessionsRequest(after=cursor)), 41)
        assert wire.revisions(more) == list(range(more[0].revision, 42))
        assert more[0].revision <= len(events) + 2
