"""Named pools: numbered slots, and a size that may change while they are used."""

import asyncio

import pytest

from sojourn_server.domain.errors import LimitExceededError, NotFoundError
from sojourn_server.domain.requests import Pool, PoolSlot, ScopeKind
from tests.support.scopes import Counter


@pytest.fixture
async def pool(store, engine):
    """A pool of three slots."""
    async with Counter(store, engine, ScopeKind.POOL) as counter:
        await counter.resize(3)
        yield counter


async def listed(pool: Counter) -> list[tuple[str, int, int, int]]:
    return [tuple(one) for one in await pool.store.scopes.pools(pool.tenant)]


def numbers(slots: list[PoolSlot]) -> list[int]:
    return [slot.slot for slot in slots]


async def test_slots_are_numbered_and_the_lowest_free_one_is_given(pool):
    assert numbers(await pool.hold("a", "b", "c")) == [0, 1, 2]
    await pool.release("c")
    await pool.release("a")
    assert numbers(await pool.hold("d", "e")) == [0, 2]
    for name in ("b", "d", "e"):
        await pool.release(name)
    assert numbers(await pool.hold("f")) == [0]


async def test_no_two_hold_the_same_slot(pool):
    await asyncio.gather(*(pool.take(f"r{n}") for n in range(12)))
    waiting, held, tokens = {f"r{n}" for n in range(12)}, {}, []
    while waiting:
        for name in sorted(waiting):
            slot = await pool.take(name)
            if isinstance(slot, PoolSlot):
                assert slot.slot not in held
                held[slot.slot] = name
                tokens.append(slot.token)
                waiting.remove(name)
        assert sorted(held) == list(range(len(held)))
        await pool.release(held.pop(len(waiting) % len(held)))
    assert len(set(tokens)) == 12


async def test_a_full_pool_says_its_size(pool):
    await pool.hold("a", "b", "c")
    with pytest.raises(LimitExceededError) as raised:
        await pool.take("d", wait=False)
    assert (raised.value.metadata["limit_name"], raised.value.metadata["limit"]) == ("pool", "3")


async def test_a_pool_that_was_never_made_is_not_found(store, engine):
    async with Counter(store, engine, ScopeKind.POOL) as counter:
        with pytest.raises(NotFoundError) as raised:
            await counter.take("a")
        assert (raised.value.reason, raised.value.metadata["pool"]) == ("POOL_NOT_FOUND", "counter")
        assert await counter.release("a") == []
        assert await counter.resize(0) == []


async def test_a_larger_pool_lets_the_next_in(pool):
    await pool.hold("a", "b", "c")
    for n in range(4):
        await pool.take(f"w{n}")
    assert await pool.resize(3) == []
    assert await pool.resize(5) == ["w0", "w1"]
    assert numbers([await pool.take("w0"), await pool.take("w1")]) == [3, 4]
    assert await pool.take("w2") == 1


async def test_a_pool_that_grows_a_lot_lets_all_in(pool):
    await pool.hold("a", "b", "c")
    await asyncio.gather(*(pool.take(f"w{n}") for n in range(250)))
    granted = await pool.resize(240)
    assert len(set(granted)) == 237
    slots = [await pool.take(name) for name in granted]
    assert sorted(numbers(slots)) == list(range(3, 240))
    assert len({slot.token for slot in slots}) == 237
    assert await listed(pool) == [Pool("counter", 240, 240, 13)]


async def test_a_smaller_pool_takes_nothing_away(pool):
    slots = await pool.hold("a", "b", "c")
    await pool.take("w")
    assert await pool.resize(1) == []
    assert [await pool.take(name) for name in ("a", "b", "c")] == slots
    assert await listed(pool) == [Pool("counter", 1, 3, 1)]
    assert await pool.release("a") == []
    assert await pool.release("b") == []
    assert await pool.release("c") == ["w"]
    assert (await pool.take("w")).slot == 0


async def test_a_smaller_pool_gives_no_number_beyond_its_size(pool):
    await pool.resize(6)
    await pool.hold(*"abcdef")
    await pool.resize(2)
    for name in "edcba":
        assert await pool.release(name) == []
    assert numbers(await pool.hold("g")) == [0], "f still holds number 5"
    await pool.resize(4)
    assert numbers(await pool.hold("h", "i")) == [1, 2]


async def test_removing_a_pool_ends_the_waiting_and_lets_holders_finish(pool):
    slots = await pool.hold("a", "b", "c")
    for n in range(230):
        await pool.take(f"w{n}")
    assert await pool.resize(0) == []
    assert await listed(pool) == []
    for name in ("w0", "w229", "new"):
        with pytest.raises(NotFoundError):
            await pool.take(name)
    assert await pool.deadline("w0") is None
    assert await pool.take("a") == slots[0]
    assert await pool.reclaim("a") == []
    assert await pool.release("a") == []
    await pool.lapse("b")
    assert await pool.reclaim("b") == []
    assert await pool.release("c") == []
    assert await pool.engine.at_owner("EXISTS", pool.keys.scope) == 0


async def test_a_pool_made_anew_knows_those_who_still_hold_slots(pool):
    (a, *_) = await pool.hold("a", "b")
    await pool.resize(0)
    await pool.resize(2)
    assert await pool.take("w") == 1
    await pool.release("b")
    slot = await pool.take("w")
    assert slot.slot == 1
    assert slot.token > a.token


async def test_pools_are_listed_by_name_for_their_tenant_alone(pool):
    scopes = pool.store.scopes
    for name in ("b", "a"):
        await scopes.set_pool(pool.tenant, name, 2)
    await pool.hold("h")
    assert await listed(pool) == [Pool("a", 2, 0, 0), Pool("b", 2, 0, 0), Pool("counter", 3, 1, 0)]
    assert await scopes.pools("another") == []
    for name in ("a", "b"):
        assert await scopes.set_pool(pool.tenant, name, 0) == (Pool(name, 0, 0, 0), [])
    assert await listed(pool) == [Pool("counter", 3, 1, 0)]


async def test_pools_set_by_many_at_a_time_are_listed_when_they_are_there(pool):
    for _ in range(10):
        sizes = [0, 4, 0, 5, 0, 6]
        await asyncio.gather(*(pool.store.scopes.set_pool(pool.tenant, "counter", size) for size in sizes))
        size = await pool.engine.at_owner("HGET", pool.keys.scope, "size")
        assert [one[1] for one in await listed(pool)] == ([int(size)] if size else [])
