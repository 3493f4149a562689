"""One engine in trouble: typed errors at once, nothing half-written, recovery without a restart."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import (
    NotFoundError,
    OutcomeUnknownError,
    PositionError,
    SojournError,
    StoreFullError,
    StoreUnavailableError,
)
from sojourn_server.store.opening import Store, StoreSettings, open_store
from tests.support.engines import EngineServer, ValkeyProcess
from tests.support.history import History
from tests.support.sessions import Desk, revisions, take, take_until
from tests.support.store_engines import SHARDS
from tests.support.waiting import wait_until

TIMEOUT = 0.5
"""Seconds after which a call of the store gives up."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        yield await open_store(StoreSettings(url, shards=SHARDS, call_timeout=TIMEOUT), stack)


@pytest.fixture
async def server() -> AsyncIterator[EngineServer]:
    """An engine of the test's own, that forgets nothing when it is killed."""
    async with ValkeyProcess(persistent=True) as server:
        yield server


@pytest.fixture
async def desk(server: EngineServer) -> AsyncIterator[Desk]:
    async with opened(server.url) as store:
        desk = Desk(store)
        await desk.create(state={"n": b"0"})
        yield desk


async def works(desk: Desk) -> bool:
    try:
        return (await desk.write(ch.Custom("works"), sid="probe")).revision > 0
    except NotFoundError:
        await desk.create("probe")
        return True
    except SojournError:
        return False


async def test_an_engine_that_forgets_its_scripts(server, desk):
    history = History(desk)
    stop = asyncio.Event()

    async def flush() -> None:
        async with server.client() as client:
            while not stop.is_set():
                await client.execute_command("SCRIPT", "FLUSH", "SYNC")
                await asyncio.sleep(0)

    flushing = asyncio.create_task(flush())
    for n in range(0, 300, 10):
        await asyncio.gather(*(history.write(b"%d" % i) for i in range(n, n + 10)))
        assert (await desk.get()).revision == n + 11
        assert await desk.store.active.newest(desk.tenant, after=None, count=1)
    stop.set()
    await flushing
    assert len(history.acknowledged) == 300
    await history.check()


async def test_connections_killed_under_writers_and_watchers(server, desk):
    history = History(desk)
    stop = asyncio.Event()

    async def kill() -> None:
        async with server.client() as client:
            for kind in ["normal", "pubsub"] * 100:
                await client.execute_command("CLIENT", "KILL", "TYPE", kind)
                await asyncio.sleep(0.05)
                if stop.is_set():
                    return

    async with desk.watch(0) as (_, tap):

        async def watch() -> list[int]:
            seen: list[int] = []
            while not seen or seen[-1] < 201:
                try:
                    seen += revisions(await tap.next(10))
                except StoreUnavailableError:
                    await asyncio.sleep(0.01)
            return seen

        killing, watching = asyncio.create_task(kill()), asyncio.create_task(watch())
        for n in range(0, 200, 5):
            await asyncio.gather(*(history.write_until_done(b"%d" % i) for i in range(n, n + 5)))
        stop.set()
        await killing
        assert await asyncio.wait_for(watching, 10) == list(range(1, 202))
    assert len(history.acknowledged) == 200
    await history.check()


async def test_killed_pubsub_connections_change_nothing_but_latency(server, desk):
    async with desk.watch() as (_, tap):
        for n in range(20):
            await server.call("CLIENT", "KILL", "TYPE", "pubsub")
            await desk.write(ch.LogAppended())
            assert revisions(await take(tap, 1, timeout=5)) == [n + 2]


async def test_an_engine_that_is_full(server, desk):
    history = History(desk)
    await history.write(b"before")
    before = await desk.get()
    await server.call("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        assert not await history.write(b"full")
    with pytest.raises(StoreFullError) as raised:
        await desk.write(ch.StateIncremented("n", 1))
    assert raised.value.reason == "STORE_FULL"
    with pytest.raises(StoreFullError):
        await desk.create("another")
    assert {type(result) for result in await desk.store.active.write_many([desk.writing(ch.LogAppended())] * 3)} == {
        StoreFullError
    }
    assert await desk.get() == before
    assert len((await desk.events()).events) == 2
    await desk.trim(2)
    await server.call("CONFIG", "SET", "maxmemory", "0")
    assert (await desk.write(ch.LogAppended())).revision == 3
    await desk.create("another")
    await server.call("CONFIG", "SET", "maxmemory", "1")
    assert await desk.delete("another") == 1  # makes room, so it is allowed
    await server.call("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize(
    ("trouble", "cure", "cause"),
    [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read_only"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "no_replicas"),
        ("ACL SETUSER default -@scripting", "ACL SETUSER default +@all", "authentication"),
    ],
)
async def test_an_engine_that_refuses(server, desk, trouble, cure, cause):
    history = History(desk)
    await history.write(b"before")
    await server.call(*trouble.split())
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError) as raised:
        await desk.write(ch.StateIncremented("n", 1))
    assert raised.value.metadata == {"cause": cause}
    assert raised.value.retry_after is not None
    assert not await history.write(b"refused")
    with pytest.raises(StoreUnavailableError):
        await desk.delete()
    assert time.monotonic() - started < TIMEOUT
    await server.call(*cure.split())
    await wait_until(lambda: works(desk), description="the store is back")
    assert await history.write(b"after")
    await history.check()


async def test_an_engine_that_is_loading(desk, server):
    await asyncio.gather(*(desk.create(f"s{n}") for n in range(300)))
    await server.call("CONFIG", "SET", "key-load-delay", "2000")
    await server.call("CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
    async with server.client(timeout=20) as client:
        reloading = asyncio.create_task(client.execute_command("DEBUG", "RELOAD"))

        async def refused() -> bool:
            try:
                await desk.get()
            except StoreUnavailableError as error:
                return error.metadata["cause"] == "loading"
            return False

        await wait_until(refused, description="refused because it loads")
        with pytest.raises(StoreUnavailableError):
            await desk.write(ch.LogAppended())
        await reloading
    await wait_until(lambda: works(desk), description="the store is back")
    assert (await desk.get()).revision == 1


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
    again = await desk.create()
    assert again.incarnation != cursor.incarnation
    for watch in (desk.watch(cursor), desk.store.hub.tenant(desk.tenant, resume)):
        with pytest.raises(PositionError):
            async with watch:
                pytest.fail("the watch opened")
    async with desk.watch(again.cursor) as (_, tap):
        await desk.write(ch.LogAppended())
        assert revisions(await take(tap, 1)) == [2]
