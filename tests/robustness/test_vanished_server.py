"""A server that vanishes without closing its connections: clients notice by their keepalive."""

import asyncio

import sojourn
from tests.support.black_hole import BlackHole
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

SLACK = 2.0


async def test_a_client_notices_within_its_keepalive():
    keepalive = sojourn.Keepalive(interval=4, timeout=1)
    async with (
        ServerUnderTest() as server,
        BlackHole(server.target) as hole,
        sojourn.Client(hole.target, keepalive=keepalive) as client,
    ):
        session = await client.create_session("s")
        async with session.watch(after=0) as watch:
            assert (await anext(watch)).revision == 1
            assert hole.connections == 1
            hole.swallow()
            waiting = asyncio.ensure_future(anext(watch))
            await wait_until(
                lambda: hole.connections > 1,
                timeout=keepalive.interval + keepalive.timeout + SLACK,
                description="the client gives the dead connection up and makes another",
            )
            waiting.cancel()
