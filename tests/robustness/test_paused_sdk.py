"""Clients with the SDK whose process was stopped for a while: they go on with what is theirs, and give up the rest."""

import asyncio
import signal

import pytest

from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.request_wire import Track, begin, live
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

from .leases import running
from .request_checker import check_requests

SID = "s"


@pytest.mark.parametrize("state", ["admitted", "queued"])
async def test_a_pause_in_which_the_server_was_restarted(data_dir, state):
    """The stream ended while nobody looked: the request is taken up again."""
    lease = 15
    async with ServerUnderTest(data_dir=data_dir, reap_seconds=0.5) as server, wire.connect(server.target) as stub:
        await wire.create(stub, SID, max_concurrent_requests=1)
        if state == "queued":
            holder = begin(SID, "holder", lease=60)
            async with Track(stub, holder) as track:
                await track.admitted()
                await stub.BeginRequest(begin(SID, "holder", resume=True))  # it outlives its stream
        async with running("sdk_holder", server.target, SID, "r", lease) as client:
            assert await client.line() == {"begins": "r"}
            token = (await client.line())["admitted"] if state == "admitted" else 0
            await wait_until(lambda: has(stub, "r"), description="the request lives")
            await asyncio.sleep(0.5)
            client.signal(signal.SIGSTOP)
            assert await server.terminate() == 0
            await server.start()
            await asyncio.sleep(lease / 3)  # it wakes up with a heartbeat to send
            client.signal(signal.SIGCONT)
            await asyncio.sleep(1)
            if state == "queued":
                await stub.FinishRequest(pb.FinishRequestRequest(session_id=SID, request_id="holder"))
                token = (await client.line())["admitted"]
            client.close_stdin()
            assert await client.line() == {"finished": "r"}
        lives = {life.id: life for life in check_requests(await wire.log_of(stub, SID))}
        assert (lives["r"].outcome, lives["r"].token) == ("SUCCEEDED", token)


@pytest.mark.parametrize("times", [0.5, 3])
async def test_a_pause_of_the_client(times):
    """Half of its lease: nothing happened. Three times its lease: the block is told that it is lost."""
    lease = 2
    async with (
        ServerUnderTest(reap_seconds=0.5) as server,
        wire.connect(server.target) as stub,
    ):
        await wire.create(stub, SID, max_concurrent_requests=1)
        async with running("sdk_holder", server.target, SID, "r", lease) as client:
            await client.line()
            assert (await client.line())["admitted"]
            client.signal(signal.SIGSTOP)
            await asyncio.sleep(times * lease)
            client.signal(signal.SIGCONT)
            if times < 1:
                client.close_stdin()
                assert await client.line() == {"finished": "r"}
            else:
                assert (await client.line())["failed"] == "LeaseLostError"
        (life,) = check_requests(await wire.log_of(stub, SID))
        assert life.outcome == ("SUCCEEDED" if times < 1 else "LOST")


async def has(stub, request_id):
    return any(request.id == request_id for request in await live(stub, session_id=SID))
