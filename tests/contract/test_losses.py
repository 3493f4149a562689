"""An engine that is gone for a while, or lost what it had."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import (
    NotFoundError,
    OutcomeUnknownError,
    PositionError,
    StoreUnavailableError,
)
from tests.support.engines import EngineServer, ValkeyProcess
from tests.support.history import History
from tests.support.own_engine import opened, works
from tests.support.sessions import Desk, revisions, take, take_until
from tests.support.waiting import wait_until

TIMEOUT = 0.5
"""Seconds after which a call of the store gives up."""


@pytest.fixture
async def server() -> AsyncIterator[EngineServer]:
    """An engine of the test's own, that forgets nothing when it is killed."""
    async with ValkeyProcess(persistent=True) as server:
        yield server


@pytest.fixture
async def desk(server: EngineServer) -> AsyncIterator[Desk]:
    async with opened(server.url, call_timeout=TIMEOUT) as desk:
        yield desk


async def test_an_engine_killed_again_and_again_loses_nothing_that_was_acknowledged(server, desk):
    history = History(desk)

    async def kill() -> None:
        for _ in range(3):
            await asyncio.sleep(0.1)  # in the middle of writes
            await server.kill()
            await server.start()

    async with desk.watch(0) as (_, tap):
        killing = asyncio.create_task(kill())
        n = 0
        while not killing.done() or n < 100:
            await asyncio.gather(*(history.write_until_done(b"%d" % i) for i in range(n, n + 5)))
            n += 5
        await killing
        assert len(history.acknowledged) == n
        await wait_until(lambda: works(desk), description="the store is back")
        assert revisions(await take_until(tap, n + 1)) == list(range(1, n + 2))
    await history.check()


async def test_an_engine_that_is_away_is_an_error_at_once(server, desk):
    await server.kill()
    await wait_until(lambda: not desk.store.nodes.link(desk.keys().shard).up, description="the loss is noticed")
    started = time.monotonic()
    for call in (desk.get(), desk.write(ch.LogAppended()), desk.events(), desk.delete(), desk.create("t")):
        with pytest.raises(StoreUnavailableError) as raised:
            await call
        assert raised.value.metadata == {"cause": "disconnected"}
    assert [type(found) for found in await desk.store.active.get_many([desk.key()] * 2, full=True)] == [
        StoreUnavailableError
    ] * 2
    with pytest.raises(StoreUnavailableError):
        async with desk.watch():
            pytest.fail("the watch opened")
    assert time.monotonic() - started < TIMEOUT
    assert not await desk.store.answers()
    await server.start()
    await wait_until(desk.store.answers, description="the store is back")
    assert (await desk.get()).revision == 1


async def test_an_engine_that_hangs(server, desk):
    history = History(desk)
    await history.write(b"before")
    server.pause()
    try:
        started = time.monotonic()
        reading = asyncio.create_task(desk.get())
        with pytest.raises(OutcomeUnknownError) as raised:
            await desk.write(ch.StateIncremented("n", 1), body=b"hung", idempotency_key="key-hung")
        history.unknown.add(b"hung")
        assert raised.value.metadata == {"session_id": "s"}
        with pytest.raises(StoreUnavailableError):
            await reading
        assert time.monotonic() - started < 2 * TIMEOUT
        started = time.monotonic()
        assert not await history.write(b"meanwhile")
        assert time.monotonic() - started < 0.1
    finally:
        server.resume()
    await wait_until(lambda: works(desk), description="the store is back")
    await history.write_until_done(b"hung")
    assert history.refused == {b"meanwhile"}
    await history.check()


async def test_a_store_that_lost_everything_tells_watchers(server, desk):
    cursor = (await desk.write(ch.LogAppended())).cursor
    async with desk.watch() as (_, tap), desk.store.hub.tenant(desk.tenant, None) as every:
        await tap.next(0)
        await every.next(0)
        resume = every.cursor
        await server.call("FLUSHALL")
        for one in (tap, every):
            with pytest.raises(PositionError) as raised:
                await take(one, 1, timeout=5)
            assert raised.value.reason == "HISTORY_ROLLED_BACK"
    with pytest.raises(NotFoundError):
        await desk.write(ch.LogAppended())
    with pytest.raises(PositionError) as raised:
        await desk.events(after=cursor)
    assert raised.value.reason == "HISTORY_ROLLED_BACK"
    again = await desk.create()
    assert again.incarnation != cursor.incarnation
    for watch in (desk.watch(cursor), desk.store.hub.tenant(desk.tenant, resume)):
        with pytest.raises(PositionError):
            async with watch:
                pytest.fail("the watch opened")
    async with desk.watch(again.cursor) as (_, tap):
        await desk.write(ch.LogAppended())
        assert revisions(await take(tap, 1)) == [2]
