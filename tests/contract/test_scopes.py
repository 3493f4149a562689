"""Slots that requests of many sessions share: never more than the limit, and the queue for them."""

import asyncio

import pytest

from sojourn_server.domain.errors import LimitExceededError
from sojourn_server.domain.requests import PoolSlot, ScopeKind
from tests.support.scopes import Counter


@pytest.fixture
async def one(store, engine):
    """A scope with one slot."""
    async with Counter(store, engine, limit=1) as counter:
        yield counter


@pytest.fixture
async def three(store, engine):
    """A scope with three slots."""
    async with Counter(store, engine, limit=3) as counter:
        yield counter


async def test_the_limit_is_never_exceeded(three):
    results = await asyncio.gather(*(three.take(f"r{n}") for n in range(20)))
    assert sum(isinstance(result, PoolSlot) for result in results) == 3
    assert sorted(result for result in results if isinstance(result, int)) == list(range(1, 18))


async def test_who_does_not_wait_is_told_the_limit(three):
    await three.hold("a", "b", "c")
    with pytest.raises(LimitExceededError) as raised:
        await three.take("d", wait=False)
    assert (raised.value.metadata["limit_name"], raised.value.metadata["limit"]) == ("requests_per_user", "3")
    assert await three.take("e") == 1, "the refused one holds no place"


async def test_a_queue_has_an_end(one):
    await one.hold("a")
    assert [await one.take("b", max_queued=2), await one.take("c", max_queued=2)] == [1, 2]
    with pytest.raises(LimitExceededError) as raised:
        await one.take("d", max_queued=2)
    assert (raised.value.metadata["limit_name"], raised.value.metadata["limit"]) == ("queued_requests", "2")
    assert await one.take("c", max_queued=2) == 2, "who waits already keeps the place"


async def test_a_limit_of_0_is_none(store, engine):
    async with Counter(store, engine, limit=0) as counter:
        await counter.hold(*(f"r{n}" for n in range(30)))


async def test_taking_twice_is_taking_once(one):
    (slot,) = await one.hold("a")
    assert await one.take("b") == 1
    deadlines = await one.deadline("a"), await one.deadline("b")
    assert await one.take("a") == slot
    assert await one.take("a", wait=False) == slot
    assert await one.take("b", priority=9) == 1
    assert await one.take("b", wait=False) == 1
    assert await one.take("c") == 2
    assert (await one.deadline("a"), await one.deadline("b")) == deadlines, "only renewing renews"
    assert await one.release("a") == ["b"]
    held = await one.take("b")
    assert isinstance(held, PoolSlot)
    assert held == await one.take("b")


async def test_a_free_slot_goes_to_the_next_in_the_order_of_arrival(one):
    await one.hold("holder")
    names = [f"r{n}" for n in range(12)]
    assert [await one.take(name) for name in names] == list(range(1, 13))
    assert await one.served("holder") == names


async def test_higher_priorities_come_first(one):
    await one.hold("holder")
    for arrival, priority in enumerate((0, 5, 9, 5, 0, 9)):
        await one.take(f"p{priority}-{arrival}", priority=priority)
    assert await one.take("p5-1") == 3
    assert await one.served("holder") == ["p9-2", "p9-5", "p5-1", "p5-3", "p0-0", "p0-4"]


async def test_users_take_turns_inside_a_priority(one):
    """One with many requests does not keep the others waiting; who comes later joins the end of the round."""
    await one.hold("holder")
    for n in range(4):
        await one.take(f"greedy{n}", user="greedy")
    for n in range(2):
        await one.take(f"modest{n}", user="modest")
    await one.take("late0", user="late")
    await one.take("urgent", user="greedy", priority=1)
    order = ["urgent", "greedy0", "modest0", "late0", "greedy1", "modest1", "greedy2", "greedy3"]
    assert [await one.take(name) for name in order] == list(range(1, 9)), "each knows the place"
    assert await one.served("holder") == order


async def test_who_was_served_goes_to_the_end_of_the_round(one):
    """A user who never waits for more than one slot at a time gets as many as one who always waits for ten."""
    await one.hold("holder")
    for n in range(10):
        await one.take(f"many{n}", user="many")
    await one.take("single0", user="single")
    order, last = [], "holder"
    for turn in range(12):
        (last,) = await one.release(last)
        order.append(last[0])
        if last.startswith("single"):
            await one.take(f"single{turn + 1}", user="single")
        else:
            await one.take(f"many{turn + 10}", user="many")
    assert order == ["m", "s"] * 6


async def test_who_gives_up_a_place_is_passed_over(one):
    await one.hold("holder")
    for name in ("a", "b", "c"):
        await one.take(name, user=name)
    assert await one.release("b") == []
    assert await one.release("b") == []
    assert await one.take("c") == 2
    assert await one.served("holder") == ["a", "c"]


async def test_releasing_twice_frees_once(three):
    await three.hold("a", "b", "c")
    await three.take("d")
    await three.take("e")
    assert await three.release("a") == ["d"]
    assert await three.release("a") == []
    assert await three.take("e") == 1


async def test_a_lapsed_place_is_passed_over(one):
    await one.hold("holder")
    for name in ("a", "b", "c", "d"):
        await one.take(name)
    await one.lapse("a", "c")
    assert await one.release("holder") == ["b"]
    assert await one.deadline("a") is None
    assert await one.take("d") == 2, "c has lapsed behind, and still counts"
    assert await one.release("b") == ["d"]
    assert await one.deadline("c") is None


async def test_reclaim_is_never_early(one):
    await one.hold("holder")
    await one.take("next")
    assert await one.reclaim("holder") == []
    assert await one.reclaim("next") == []
    assert await one.take("next") == 1
    await one.lapse("holder")
    assert await one.reclaim("holder") == ["next"]
    assert await one.reclaim("holder") == []
    assert await one.deadline("holder") is None
    assert isinstance(await one.take("next"), PoolSlot)


async def test_reclaiming_a_lapsed_place_leaves_the_others(one):
    await one.hold("holder")
    await one.take("a")
    await one.take("b")
    await one.lapse("a")
    assert await one.reclaim("a") == []
    assert await one.take("b") == 1


async def test_who_holds_something_without_a_lease_is_reclaimed(one):
    await one.hold("holder")
    await one.engine.at_owner("ZREM", one.keys.shard.lease, one.lease("holder"))
    await one.reclaim("holder")
    await one.hold("other")


async def test_a_lapsed_lease_is_not_renewed_by_taking_again(one):
    """Who comes back late has lost the slot to those who wait, and waits behind them."""
    (before,) = await one.hold("late")
    await one.take("next")
    await one.lapse("late")
    assert await one.take("late") == 1
    held = await one.take("next")
    assert isinstance(held, PoolSlot)
    assert held.token > before.token


async def test_a_lapsed_place_is_taken_anew_at_the_end(one):
    await one.hold("holder")
    await one.take("a")
    await one.take("b")
    await one.lapse("a")
    assert await one.take("a") == 2
    assert await one.served("holder") == ["b", "a"]


async def test_leases_outlive_those_of_the_requests(one):
    for name in ("holder", "waiting"):
        await one.take(name)
        clock = await one.engine.everywhere("TIME")
        assert abs(await one.deadline(name) - int(clock[0][0]) * 1000 - 25_000) < 3_000


async def test_what_a_grant_leaves_of_the_lease_is_what_the_place_had(one):
    await one.hold("holder")
    await one.take("next")
    before = await one.deadline("next")
    await one.release("holder")
    assert await one.deadline("next") == before


async def test_tokens_grow_even_when_the_scope_was_gone_between(one):
    tokens = []
    for name in ("a", "b", "c"):
        (slot,) = await one.hold(name)
        tokens.append(slot.token)
        await one.release(name)
        assert await one.engine.at_owner("EXISTS", one.keys.scope) == 0
    assert tokens == sorted(set(tokens))


async def test_tokens_grow_when_the_clock_was_set_back(one):
    await one.hold("a")
    ahead = 9_000_000_000_000_000
    await one.engine.at_owner("HSET", one.keys.scope, "token", ahead)
    await one.take("b")
    await one.release("a")
    slot = await one.take("b")
    assert isinstance(slot, PoolSlot)
    assert slot.token == ahead + 1


async def test_a_raised_limit_lets_the_next_in_first(one):
    """A limit is a setting: after a restart with a higher one, those who wait are served before who comes."""
    await one.hold("holder")
    for name in ("a", "b", "c"):
        await one.take(name)
    one.limit = 3
    assert await one.take("new") == 2
    assert isinstance(await one.take("a"), PoolSlot)
    assert isinstance(await one.take("b"), PoolSlot)
    assert await one.take("c") == 1


async def test_a_lowered_limit_takes_nothing_away(three):
    slots = await three.hold("a", "b", "c")
    await three.take("d")
    three.limit = 1
    assert await three.take("b") == slots[1]
    assert await three.release("a") == []
    assert await three.release("b") == []
    assert await three.release("c") == ["d"]


async def test_labels_may_hold_anything(store, engine):
    for label in ("a|b/c", "{tag}", "ü\n", "}" * 200):
        async with Counter(store, engine, ScopeKind.PROJECT, limit=1) as counter:
            counter.scope = counter.scope._replace(name=label)
            await counter.hold("holder")
            assert await counter.take("a", user=label) == 1
            assert await counter.served("holder") == ["a"]


async def test_scopes_of_other_names_kinds_and_tenants_are_others(store, engine, one):
    await one.hold("a")
    for other in (Counter(store, engine, ScopeKind.PROJECT, limit=1), Counter(store, engine, limit=1)):
        async with other:
            await other.hold("a")


async def test_the_place_of_one_among_very_many_users_is_an_estimate(one):
    await one.hold("holder")
    for n in range(60):
        await one.take(f"a{n}", user=f"u{n}")
    await one.take("second", user="u0")
    assert await one.take("a59") == 60
    assert await one.take("second") == 61
    for n in range(60):
        await one.take(f"b{n}", user=f"u{n}")
    assert 61 <= await one.take("b59") <= 121
