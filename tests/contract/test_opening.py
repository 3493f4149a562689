"""Opening a store: what is refused, and the durability that is promised."""

import time
from contextlib import AsyncExitStack

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import OutcomeUnknownError, StoreUnavailableError
from sojourn_server.domain.events import Durability
from sojourn_server.store.durability import DurabilityPolicy
from sojourn_server.store.keys import META
from sojourn_server.store.opening import StoreMismatchError, StoreSettings, open_store
from tests.support.engines import ValkeyProcess
from tests.support.own_engine import opened, works
from tests.support.store_engines import SHARDS
from tests.support.waiting import wait_until


async def test_the_number_of_shards_is_fixed_at_the_first_start(engine, open_another):
    await open_another()
    async with AsyncExitStack() as stack:
        with pytest.raises(StoreMismatchError, match=f"has {SHARDS} shards, not 32"):
            await open_store(StoreSettings(engine.url, shards=32), stack)


async def test_a_store_of_another_format_is_refused():
    async with ValkeyProcess() as server:
        await server.call("HSET", META, "shards", SHARDS, "format", "99")
        with pytest.raises(StoreMismatchError, match="format 99"):
            async with opened(server.url):
                pytest.fail("it opened")


async def test_an_engine_that_is_not_there():
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError) as raised:
        async with opened("unix:///nowhere.sock", start_timeout=0.2):
            pytest.fail("it opened")
    assert raised.value.metadata["cause"] == "disconnected"
    assert time.monotonic() - started < 3


async def test_an_engine_that_comes_up_later_is_waited_for():
    async with ValkeyProcess() as server:
        url = server.url
        await server.kill()
        await server.start()
        async with opened(url, start_timeout=10) as desk:
            assert (await desk.get()).revision == 1


@pytest.mark.parametrize(
    ("config", "configured", "level"),
    [
        ({"appendonly": "no"}, "auto", Durability.RELAXED),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "auto", Durability.RELAXED),
        ({"appendonly": "yes", "appendfsync": "always"}, "auto", Durability.LOCAL_FSYNC),
        ({"appendonly": "yes", "appendfsync": "always"}, "fsync", Durability.LOCAL_FSYNC),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "fsync", Durability.LOCAL_FSYNC),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "relaxed", Durability.RELAXED),
    ],
)
async def test_the_level_is_what_the_engine_gives_or_is_waited_for(config, configured, level):
    async with (
        ValkeyProcess(config=config) as server,
        opened(server.url, policy=DurabilityPolicy(configured)) as desk,
    ):
        assert desk.store.active.durability is level
        assert (await desk.write(ch.LogAppended())).revision == 2


async def test_an_engine_that_cannot_give_the_level_is_refused():
    async with ValkeyProcess(config={"appendonly": "no"}) as server:
        with pytest.raises(StoreUnavailableError) as raised:
            async with opened(server.url, policy=DurabilityPolicy("fsync"), start_timeout=0.3):
                pytest.fail("it opened")
        assert raised.value.metadata["cause"] == "durability"


async def test_what_the_disk_does_not_confirm_is_not_acknowledged():
    policy = DurabilityPolicy("fsync", timeout_ms=1500)
    async with (
        ValkeyProcess(config={"appendonly": "yes", "appendfsync": "everysec"}) as server,
        opened(server.url, policy=policy) as desk,
    ):
        await server.call("CONFIG", "SET", "appendfsync", "no")
        with pytest.raises(OutcomeUnknownError) as raised:
            await desk.write(ch.LogAppended(), idempotency_key="k")
        assert raised.value.metadata == {"session_id": "s"}
        await server.call("CONFIG", "SET", "appendfsync", "always")
        # The record of the first attempt is on disk now, so its retry can be acknowledged.
        retried = await desk.write(ch.LogAppended(), idempotency_key="k")
        assert (retried.revision, retried.replayed) == (2, True)


async def test_an_engine_that_gives_less_than_was_promised_is_not_used():
    async with (
        ValkeyProcess(config={"appendonly": "yes", "appendfsync": "always"}) as server,
        opened(server.url) as desk,
    ):
        assert desk.store.active.durability is Durability.LOCAL_FSYNC
        await server.call("CONFIG", "SET", "appendfsync", "everysec")
        await server.call("CLIENT", "KILL", "TYPE", "normal")

        async def refused() -> bool:
            try:
                await desk.write(ch.LogAppended())
            except StoreUnavailableError as error:
                return error.metadata["cause"] == "durability"
            except OutcomeUnknownError:
                pass
            return False

        await wait_until(refused, description="the engine is not used")
        await server.call("CONFIG", "SET", "appendfsync", "always")
        await wait_until(lambda: works(desk), description="the store is back")
