"""Tracked streams and the ends of workers: they hand requests over, or their leases run out."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack

import grpc

from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.engines import ValkeyProcess
from tests.support.request_wire import Track, begin, end_of, live
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import check, create, failure, log_of, revision
from tests.support.workers import stubs_on_all_workers


async def test_sigterm_hands_requests_over(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path, grace_seconds=5) as server:
        async with (
            wire.connect(server.target) as stub,
            Track(stub, begin(sid, "a", lease=60)) as early,
        ):
            check(await early.ended(), "NOT_FOUND", "SESSION_NOT_FOUND")
            await create(stub, sid, max_concurrent_requests=1)
            async with (
                Track(stub, begin(sid, "a", lease=60)) as holder,
                Track(stub, begin(sid, "b", lease=60)) as waits,
            ):
                token = (await holder.admitted()).fencing_token
                await waits.wait_for("queued")
                last = await revision(stub, sid)
                started = time.monotonic()
                server.signal(signal.SIGTERM)
                for track in (holder, waits):
                    assert await track.ended() is None
                    assert track.kinds()[-1] == "going_away"
                cursor = holder.of_kind("going_away")[0].cursor.token
                assert await server.exited() == 0
                assert time.monotonic() - started < 4
                assert "error" not in server.log
        await server.start()
        async with wire.connect(server.target) as stub:
            assert await revision(stub, sid) == last, "nothing was released"
            async with (
                Track(stub, begin(sid, "a", resume=True)) as again,
                Track(stub, begin(sid, "b", resume=True)) as queue,
            ):
                assert (await again.admitted()).fencing_token == token
                await queue.wait_for("queued")
                watch = stub.WatchSession(wire.watch(sid, cursor))
                await watch.read()
                watch.cancel()
                await again.finish()
                await queue.admitted()
                await queue.finish()


async def test_a_finish_in_flight_is_recorded_before_the_end(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path) as server:
        async with wire.connect(server.target) as stub:
            await create(stub, sid)
            tracks = [Track(stub, begin(sid, f"r{number}", lease=60)) for number in range(20)]
            for track in tracks:
                await track.__aenter__()
                await track.admitted()
            finishing = [asyncio.create_task(track.finish()) for track in tracks]
            await asyncio.sleep(0)
            server.signal(signal.SIGTERM)
            answers = await asyncio.gather(*finishing)
            for track, answer in zip(tracks, answers, strict=True):
                found = await track.ended()
                # Who wrote to a stream that had ended learns just that.
                assert answer or track.kinds()[-1] == "going_away" or (found and found.code == "UNAVAILABLE")
            assert await server.exited() == 0
        await server.start()
        async with wire.connect(server.target) as stub:
            left = {request.id for request in await live(stub, session_id=sid)}
            finished = {track.first.request_id for track, answer in zip(tracks, answers, strict=True) if answer}
            assert not left & finished
            assert not [change for event in await log_of(stub, sid) for change in event.changes
                        if change.WhichOneof("kind") == "request_lost"]  # fmt: skip


async def test_a_client_that_says_nothing_does_not_hold_the_server():
    async with ServerUnderTest(grace_seconds=8) as server, wire.connect(server.target) as stub:
        calls = [stub.TrackRequest() for _ in range(3)]
        await asyncio.gather(*(call.wait_for_connection() for call in calls))
        await asyncio.sleep(0.1)  # nothing tells that the server has them
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        for call in calls:
            found = await wire.watch_failure(call)
            assert (found.code, found.reason) == ("UNAVAILABLE", "SERVER_DRAINING")
        assert await server.exited() == 0
        assert time.monotonic() - started < 4


async def test_a_killed_server_loses_no_request_before_its_lease_is_over(tmp_path, sid):
    async with ServerUnderTest(data_dir=tmp_path, reap_seconds=0.5) as server:
        async with wire.connect(server.target) as stub:
            await create(stub, sid)
            async with (
                Track(stub, begin(sid, "short", lease=1)) as short,
                Track(stub, begin(sid, "long", lease=60)) as long,
            ):
                await short.admitted()
                token = (await long.admitted()).fencing_token
                await server.kill()
        await server.start()
        async with wire.connect(server.target) as stub, Track(stub, begin(sid, "long", resume=True)) as again:
            assert (await again.admitted()).fencing_token == token

            async def lost():
                return end_of(await log_of(stub, sid), "short")

            assert (await wait_until(lost, timeout=10))[0] == "request_lost"
            gone = await failure(stub.RenewRequest(pb.RenewRequestRequest(session_id=sid, request_id="short")))
            check(gone, "ABORTED", "LEASE_LOST")
            await again.finish()


async def test_streams_of_two_workers_know_of_each_other(sid):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(workers=2, reap_seconds=0.5))
        stubs = await stubs_on_all_workers(server, stack)
        one, other = stubs[0], stubs[-1]
        await create(one, sid, max_concurrent_requests=1)
        watch = other.WatchSession(wire.watch(sid))
        await watch.read()
        a = await stack.enter_async_context(Track(one, begin(sid, "a", lease=2), beat=0.5))
        await a.admitted()
        b = await stack.enter_async_context(Track(other, begin(sid, "b", lease=2), beat=0.5))
        await b.wait_for("queued")
        await wait_until(lambda: connections(one, sid, 3), description="two streams and a watch are counted")
        await one.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="b", reason="r"))
        check(await b.ended(), "FAILED_PRECONDITION", "REQUEST_ENDED")
        c = await stack.enter_async_context(Track(other, begin(sid, "c", lease=2), beat=0.5))
        await c.wait_for("queued")
        await other.CancelRequest(pb.CancelRequestRequest(session_id=sid, request_id="a", reason="r"))
        await a.wait_for("cancel_requested")
        await a.finish("CANCELLED")
        await c.admitted()
        watch.cancel()
        await wait_until(lambda: connections(one, sid, 1), description="one stream is left")


async def connections(stub, sid, count):
    found = await stub.GetSession(pb.GetSessionRequest(session_id=sid))
    return found.session.connection_count == count


async def test_leases_of_a_killed_worker_are_looked_after_by_another(sid):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(workers=2, reap_seconds=0.5))
        stubs = await stubs_on_all_workers(server, stack)
        await create(stubs[0], sid)
        tracks = [
            await stack.enter_async_context(Track(stub, begin(sid, f"r{n}", lease=2))) for n, stub in enumerate(stubs)
        ]
        deadlines = [(await track.admitted()).lease_expire_time.ToMicroseconds() / 1e6 for track in tracks]
        os.kill(server.worker_pids()[0], signal.SIGKILL)

        async def all_lost():
            try:
                return not await live(stubs[-1]) or not await live(stubs[0])
            except grpc.aio.AioRpcError as error:
                wire.pass_over(error)

        await wait_until(all_lost, timeout=15, description="no request is left")
        log = await log_of(await stack.enter_async_context(wire.connect(server.target)), sid)
        for number, deadline in enumerate(deadlines):
            kind, at = end_of(log, f"r{number}")
            assert kind == "request_lost"
            assert 0 <= at - deadline < 7, "never early; a dead worker's shards are taken over after 5 s"


async def test_streams_live_through_a_restart_of_the_engine(sid):
    """While the store is away nothing is decided; afterwards leases begin anew, and what happened meanwhile is told."""
    async with (
        ValkeyProcess(persistent=True) as engine,
        ServerUnderTest(redis=engine.url, store_timeout=1, reap_seconds=0.2) as server,
        wire.connect(server.target) as stub,
    ):
        await create(stub, sid, max_concurrent_requests=1)
        async with (
            Track(stub, begin(sid, "a", lease=2), beat=0.3) as holder,
            Track(stub, begin(sid, "b", lease=2), beat=0.3) as waits,
        ):
            token = (await holder.admitted()).fencing_token
            await waits.wait_for("queued")
            await engine.kill()
            await asyncio.sleep(3)
            renewals = len(holder.of_kind("renewed"))
            await engine.start()
            await wait_until(
                lambda: len(holder.of_kind("renewed")) > renewals, timeout=10, description="renewals go on"
            )
            assert not holder.over
            assert not waits.over
            assert (await live(stub))[0].fencing_token == token
            await holder.finish()
            await waits.admitted()
            await waits.finish()
        assert "internal error" not in server.log
