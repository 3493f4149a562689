"""Watches that the service ends: slow ones, too many, at shutdown."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import DrainingError, LimitExceededError, PositionError
from sojourn_server.store.taps import TapLimits
from sojourn_server.store.writing import WriteSettings
from tests.support.sessions import Desk, revisions, take

SOON = 1.0
"""Seconds; well below the safety poll, so that only a notification can be this quick."""


async def test_a_watcher_that_does_not_read_is_ended_and_the_others_are_not(open_another):
    desk = Desk(await open_another(taps=TapLimits(events=20, bytes=1 << 20)))
    await desk.create()
    async with desk.watch() as (_, slow), desk.watch() as (_, quick):
        assert await slow.next(0) == await quick.next(0) == []
        for n in range(40):
            await desk.write(ch.LogAppended())
            assert revisions(await take(quick, 1, timeout=SOON)) == [n + 2]
        with pytest.raises(PositionError) as raised:
            await slow.next(1)
        assert raised.value.reason == "SLOW_CONSUMER"
    await desk.delete_all()


async def test_bytes_that_wait_count_too(open_another):
    desk = Desk(await open_another(taps=TapLimits(bytes=10_000), write=WriteSettings(inline_event_bytes=10_000)))
    await desk.create()
    async with desk.watch() as (_, slow):
        await slow.next(0)
        await desk.write(ch.LogAppended(), body=b"x" * 6_000)
        assert len(await take(slow, 1)) == 1
        async with desk.watch() as (_, quick):
            for _ in range(2):
                await desk.write(ch.LogAppended(), body=b"x" * 6_000)
                await take(quick, 1)
        with pytest.raises(PositionError) as raised:
            await slow.next(1)
        assert raised.value.reason == "SLOW_CONSUMER"
    await desk.delete_all()


async def test_a_limit_of_watches(open_another):
    desk = Desk(await open_another(max_watches=2))
    await desk.create()
    async with desk.watch(), desk.store.hub.tenant(desk.tenant, None):
        with pytest.raises(LimitExceededError) as raised:
            async with desk.watch():
                pytest.fail("the watch opened")
        assert raised.value.metadata == {"limit_name": "watches_per_worker", "limit": "2"}
    async with desk.watch():
        assert desk.store.hub.watches == 1
    await desk.delete_all()


async def test_draining_ends_every_watch_and_refuses_new_ones(open_another):
    desk = Desk(await open_another())
    await desk.create()
    async with desk.watch() as (_, tap), desk.store.hub.tenant(desk.tenant, None) as every:
        await tap.next(0)
        waiting = [asyncio.create_task(one.next(30)) for one in (tap, every)]
        await asyncio.sleep(0)
        desk.store.hub.drain()
        for task in waiting:
            with pytest.raises(DrainingError):
                await asyncio.wait_for(task, SOON)
        with pytest.raises(DrainingError):
            async with desk.watch():
                pytest.fail("the watch opened")
    await desk.delete_all()
