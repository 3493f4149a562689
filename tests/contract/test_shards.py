"""Shards that may have lost data: what is noticed, and kept until somebody has looked into it."""

from contextlib import AsyncExitStack

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.ports.recovery import ShardState
from sojourn_server.store.opening import Store, StoreSettings, open_store
from tests.support.engines import EngineServer, ValkeyProcess
from tests.support.own_engine import opened
from tests.support.sessions import Desk
from tests.support.store_engines import SHARDS


@pytest.fixture
async def server():
    async with ValkeyProcess(persistent=True) as server:
        yield server


async def settle_all(store: Store) -> None:
    for state in await store.shards.look():
        await store.shards.settle(state)


async def state_of(desk: Desk) -> ShardState:
    (state,) = await desk.store.shards.look([desk.store.shards.number_of(desk.key())])
    return state


async def test_a_new_store_counts_as_one_that_lost_everything(server):
    async with opened(server.url) as desk:
        assert all(state.lost for state in await desk.store.shards.look())
        await settle_all(desk.store)
        assert not any(state.lost or state.taken_over for state in await desk.store.shards.look())


async def test_what_one_worker_settled_is_settled_for_the_next(server):
    async with opened(server.url) as desk, AsyncExitStack() as stack:
        await settle_all(desk.store)
        other = await open_store(StoreSettings(server.url, shards=SHARDS), stack)
        assert not other.shards.undecided
        assert not any(state.lost for state in await other.shards.look())


async def test_another_process_of_the_engine_puts_every_shard_in_doubt(server: EngineServer):
    async with opened(server.url) as desk:
        await settle_all(desk.store)
        await desk.write(ch.Custom("x"))
    await server.restart()
    async with AsyncExitStack() as stack:
        store = await open_store(StoreSettings(server.url, shards=SHARDS), stack)
        assert len(store.shards.undecided) == SHARDS
        number = store.shards.number_of(desk.key())
        states = {state.number: state.taken_over for state in await store.shards.look()}
        assert states == {other: 2 if other == number else 0 for other in range(SHARDS)}
        await settle_all(store)
        assert not store.shards.undecided


async def test_the_sequence_of_the_take_over_is_kept_while_the_shard_goes_on(server: EngineServer):
    async with opened(server.url) as desk:
        await settle_all(desk.store)
    await server.restart()
    async with AsyncExitStack() as stack:
        desk = Desk(await open_store(StoreSettings(server.url, shards=SHARDS), stack), desk.tenant)
        await desk.write(ch.Custom("x"))
        assert (await state_of(desk)).taken_over == 1
    await server.restart()
    async with AsyncExitStack() as stack:
        desk = Desk(await open_store(StoreSettings(server.url, shards=SHARDS), stack), desk.tenant)
        assert (await state_of(desk)).taken_over == 1


async def test_a_shard_that_was_wiped_under_us_is_opened_anew(server: EngineServer):
    async with opened(server.url) as desk:
        await settle_all(desk.store)
        before = await state_of(desk)
        await server.call("FLUSHALL")
        after = await state_of(desk)
        assert after.lost
        assert after.incarnation not in ("", before.incarnation)


async def test_a_new_incarnation_is_given_once_for_all_who_noticed(server: EngineServer):
    async with opened(server.url) as desk:
        await settle_all(desk.store)
        before = await state_of(desk)
        await desk.store.shards.begin_anew(before.number, before.incarnation)
        anew = await state_of(desk)
        assert anew.lost
        assert anew.incarnation != before.incarnation
        await desk.store.shards.begin_anew(before.number, before.incarnation)
        assert await state_of(desk) == anew


async def test_a_loss_is_not_settled_by_who_looked_into_the_one_before(server: EngineServer):
    async with opened(server.url) as desk:
        looked_into = await state_of(desk)
        await desk.store.shards.begin_anew(looked_into.number, looked_into.incarnation)
        await desk.store.shards.settle(looked_into)
        assert (await state_of(desk)).lost
