"""One engine in trouble: typed errors at once, nothing half-written, recovery without a restart."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import (
    StoreFullError,
    StoreUnavailableError,
)
from tests.support.engines import EngineServer, ValkeyProcess
from tests.support.history import History
from tests.support.own_engine import opened, works
from tests.support.sessions import Desk, revisions, take
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
