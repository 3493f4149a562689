"""How soon a request is released when its holder goes away, measured and held against the promises; and that no lease
is taken before it has run out."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.black_hole import BlackHole
from tests.support.request_wire import Track, begin, live
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

from .holder import refused
from .leases import Witness, end_in_log, holding, stub_by_worker
from .request_checker import check_requests

REAP = 0.5
"""Seconds between the server's looks for leases that ran out."""
SLACK = 1.0
"""Seconds the machine may be busy with something else."""
SHARD_LEASE = 5.0
"""Seconds after which another worker looks after what a dead one did."""
KEEPALIVE = 15.0
SOON = 1.0
MEASURED = []


@pytest.fixture(scope="module", autouse=True)
def table():
    """Prints what was measured (pytest -s)."""
    MEASURED.clear()
    yield
    print("\n\n| what went away | released after | promise |\n|---|---|---|")
    for what, seconds, promise in MEASURED:
        print(f"| {what} | {seconds:.2f} s | {promise} |")


def measured(what, seconds, promise):
    MEASURED.append((what, seconds, promise))


@pytest.fixture(scope="module")
def server():
    process = ServerUnderTest(workers=2, reap_seconds=REAP)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def stub(server):
    async with wire.connect(server.target) as stub:
        yield stub


@pytest.fixture
async def sid(stub):
    """A session that admits one request at a time; its log must be in order at the end."""
    session_id = f"r{uuid4().hex[:12]}"
    await wire.create(stub, session_id, max_concurrent_requests=1)
    yield session_id
    check_requests(await wire.log_of(stub, session_id), over=False)


def write(session_id, token):
    return wire.write(session_id, fencing_token=token)


@pytest.mark.parametrize("how", ["cancels its stream", "ends its stream without finishing", "closes its connection"])
@pytest.mark.parametrize("state", ["admitted", "queued"])
async def test_a_client_that_leaves(server, stub, sid, how, state):
    async with AsyncExitStack() as stack:
        if state == "queued":
            first = await stack.enter_async_context(Track(stub, begin(sid, "first")))
            await first.admitted()
        channel = wire.channel(server.target)
        track = await stack.enter_async_context(Track(wire.SessionServiceStub(channel), begin(sid, "r")))
        assert await track.wait_for(state)
        left = time.time()
        if how == "cancels its stream":
            await track.close()
        elif how == "ends its stream without finishing":
            await track.half_close()
        else:
            await channel.close()
        kind, at = await end_in_log(stub, sid, "r", within=10)
        await channel.close()
    assert kind == "request_lost"
    measured(f"client {how} ({state})", at - left, "< 1 s")
    assert at - left < SOON


async def test_a_client_that_is_killed(server, stub, sid):
    async with holding(server.target, sid, "r", 60) as holder, Track(stub, begin(sid, "next")) as following:
        assert await following.wait_for("queued")
        killed = holder.signal(signal.SIGKILL)
        _, at = await end_in_log(stub, sid, "r", within=10)
        request = await following.admitted()
        assert request.admit_time.ToMicroseconds() / 1e6 == pytest.approx(at, abs=1e-6)
    measured("client process killed", at - killed, "< 1 s")
    assert at - killed < SOON


@pytest.mark.parametrize(
    ("lease", "promise"),
    [
        pytest.param(2, 2 + REAP, id="lease"),
        pytest.param(60, KEEPALIVE, id="keepalive", marks=pytest.mark.robustness),
    ],
)
async def test_a_client_that_vanishes(server, stub, sid, lease, promise):
    """Nothing of it arrives any more, not even the end of its connection."""
    async with BlackHole(server.target) as hole, wire.connect(hole.target) as far, Witness(stub, sid) as witness:
        async with Track(far, begin(sid, "r", lease=lease), beat=lease / 3) as track:
            request = await track.admitted()
            await asyncio.sleep(0.3)
            hole.swallow()
            vanished = time.time()
            _, at = await end_in_log(stub, sid, "r", within=KEEPALIVE + 10)
            hole_deadline = witness.deadlines["r"]
        assert await refused(stub, write(sid, request.fencing_token)) == "FENCING_TOKEN_REJECTED"
    measured(f"client vanished, lease {lease} s", at - vanished, f"< {promise:g} s")
    assert at - vanished < promise + SLACK
    if lease < KEEPALIVE:
        assert at >= hole_deadline


async def test_a_worker_that_is_killed(server, sid):
    """Its requests live on until their leases run out: a client that comes back keeps its own."""
    lease = SHARD_LEASE
    async with AsyncExitStack() as stack:
        stubs = await stub_by_worker(server, stack)
        victim, other = sorted(stubs)
        kept = f"{sid}-kept"
        await wire.create(stubs[other], kept)
        witness = await stack.enter_async_context(Witness(stubs[other], sid))
        gone = await stack.enter_async_context(Track(stubs[victim], begin(sid, "gone", lease=lease), beat=lease / 3))
        back = await stack.enter_async_context(Track(stubs[victim], begin(kept, "back", lease=lease), beat=lease / 3))
        token = (await gone.admitted()).fencing_token
        resumed = (await back.admitted()).fencing_token
        await asyncio.sleep(0.2)
        os.kill(victim, signal.SIGKILL)
        killed = time.time()
        assert (await back.ended()).code == "UNAVAILABLE"
        again = await stack.enter_async_context(Track(stubs[other], begin(kept, "back", resume=True), beat=lease / 3))
        assert (await again.admitted()).fencing_token == resumed
        assert again.of_kind("admitted")[0].resumed
        _, at = await end_in_log(stubs[other], sid, "gone", within=30)
        deadline = witness.deadlines["gone"]
        assert await refused(stubs[other], write(sid, token)) == "FENCING_TOKEN_REJECTED"
        assert not again.over
        assert (await again.finish()).outcome
        check_requests(await wire.log_of(stubs[other], kept))
    measured(f"worker killed, lease {lease:g} s", at - killed, f"< {lease + REAP:g} s")
    assert deadline <= at < killed + lease + REAP + SLACK
    await wait_until(lambda: len(server.worker_pids()) == 2, description="the worker is back")


@pytest.mark.parametrize("times", [0.5, 1, 3])
async def test_a_client_that_is_stopped(server, stub, sid, times):
    """It wakes up with its lease, or without it: then it is told, and what it writes late is refused."""
    lease = 2
    async with (
        holding(server.target, sid, "r", lease) as holder,
        Track(stub, begin(sid, "next", lease=lease), beat=lease / 3) as following,
        Witness(stub, sid) as witness,
    ):
        assert await following.wait_for("queued")
        stopped = holder.signal(signal.SIGSTOP)
        await asyncio.sleep(times * lease)
        holder.signal(signal.SIGCONT)
        if times < 1:
            await asyncio.sleep(lease)
            assert await live(stub, session_id=sid, state="REQUEST_STATE_ADMITTED")
            assert not following.of_kind("admitted")
            return
        told = await holder.line() if times > 1 else None
        if told is None and not await was_lost(stub, sid, holder):
            return
        _, at = await end_in_log(stub, sid, "r", within=10)
        admitted = (await following.admitted()).admit_time.ToMicroseconds() / 1e6
        assert witness.deadlines["r"] <= at <= admitted
        told = told or await holder.line()
        assert (told["ended"], told["late"]) == ("LEASE_LOST", "FENCING_TOKEN_REJECTED")
        assert told["deadline"] <= at
    measured(
        f"client stopped for {times:g} x its lease of {lease} s", at - stopped, f"> its lease, < {lease + REAP:g} s"
    )
    assert at < stopped + lease + REAP + SLACK


async def was_lost(stub, sid, holder):
    """Whether a lease that may have run out, or not, did."""
    await asyncio.sleep(1 + 2 * REAP)
    return not any(request.id == "r" for request in await live(stub, session_id=sid))


@pytest.mark.parametrize("times", [0.5, 1, 3])
async def test_a_worker_that_is_stopped(server, sid, times):
    """The other worker takes no lease before its time; the one that wakes up renews none that has run out."""
    lease = 2
    async with AsyncExitStack() as stack:
        stubs = await stub_by_worker(server, stack)
        sleeper, other = sorted(stubs)
        track = await stack.enter_async_context(Track(stubs[sleeper], begin(sid, "r", lease=lease), beat=lease / 3))
        token = (await track.admitted()).fencing_token
        following = await stack.enter_async_context(
            Track(stubs[other], begin(sid, "next", lease=lease), beat=lease / 3)
        )
        assert await following.wait_for("queued")
        witness = await stack.enter_async_context(Witness(stubs[other], sid))
        await asyncio.sleep(0.2)
        os.kill(sleeper, signal.SIGSTOP)
        stopped = time.time()
        try:
            await asyncio.sleep(times * lease)
        finally:
            os.kill(sleeper, signal.SIGCONT)
        if times < 1:
            await asyncio.sleep(lease)
            assert (track.over, following.of_kind("admitted")) == (False, [])
            assert (await track.finish()).outcome
            return
        lost = await track.wait_for("lease_lost", timeout=1 + 2 * REAP)
        if lost is None and times == 1:
            assert (track.over, following.of_kind("admitted")) == (False, [])
            return
        failure = await track.ended()
        assert (failure.code, failure.reason) == ("ABORTED", "LEASE_LOST")
        _, at = await end_in_log(stubs[other], sid, "r", within=10)
        admitted = (await following.admitted()).admit_time.ToMicroseconds() / 1e6
        assert max(track.deadline, witness.deadlines["r"]) <= at <= admitted
        for stub in stubs.values():
            assert await refused(stub, write(sid, token)) == "FENCING_TOKEN_REJECTED"
    latest = max(lease, SHARD_LEASE) + REAP
    measured(f"worker stopped for {times:g} x a lease of {lease} s", at - stopped, f"> the lease, < {latest:g} s")
    assert at < stopped + latest + SLACK


async def test_a_holder_may_come_back_twice(server, sid):
    """Within its lease, to another worker too: it keeps its token, and of two streams the older ends."""
    async with AsyncExitStack() as stack:
        stubs = list((await stub_by_worker(server, stack)).values())
        first = await stack.enter_async_context(Track(stubs[0], begin(sid, "r")))
        token = (await first.admitted()).fencing_token
        await first.close()
        second = await stack.enter_async_context(Track(stubs[1], begin(sid, "r", resume=True)))
        third = await stack.enter_async_context(Track(stubs[1], begin(sid, "r", resume=True)))
        for track in (second, third):
            assert (await track.admitted()).fencing_token == token
            assert track.of_kind("admitted")[0].resumed
        assert (await second.ended()).reason == "REQUEST_SUPERSEDED"
        await asyncio.sleep(SOON)  # longer than broken streams are waited for
        assert not third.over
        assert await refused(stubs[0], write(sid, token)) == ""
        assert (await third.finish()).outcome
        assert await refused(stubs[0], write(sid, token)) == "FENCING_TOKEN_REJECTED"
        check_requests(await wire.log_of(stubs[0], sid))


@pytest.mark.parametrize("how", ["stream", "calls"])
async def test_a_lease_that_ran_out_is_not_renewed(how):
    """Even if nobody has looked since: whoever comes too late is told, and the next is admitted."""
    lease = 1
    async with ServerUnderTest(reap_seconds=60) as server, wire.connect(server.target) as stub:
        await wire.create(stub, "s", max_concurrent_requests=1)
        async with Track(stub, begin("s", "r", lease=lease)) as track, Track(stub, begin("s", "next")) as following:
            deadline = (await track.admitted()).lease_expire_time.ToMicroseconds() / 1e6
            assert await following.wait_for("queued")
            await asyncio.sleep(deadline + 0.2 - time.time())
            assert not track.over
            if how == "stream":
                await track.heartbeat()
            else:
                late = stub.RenewRequest(pb.RenewRequestRequest(session_id="s", request_id="r"))
                assert (await wire.failure(late)).reason == "LEASE_LOST"
            assert (await track.ended()).reason == "LEASE_LOST"
            assert "renewed" not in track.kinds()
            await following.admitted(timeout=SOON)
            assert await refused(stub, write("s", track.of_kind("admitted")[0].request.fencing_token))
        check_requests(await wire.log_of(stub, "s"), over=False)
