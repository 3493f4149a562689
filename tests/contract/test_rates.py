"""Token buckets: how often something may happen in the long run, and how often at once."""

import asyncio
import secrets

import pytest

from sojourn_server.store.keys import Keyspace
from tests.support.waiting import wait_until


@pytest.fixture
def name():
    return f"bucket {secrets.token_hex(4)}"


async def test_a_burst_and_then_the_rate(store, name):
    waits = [await store.scopes.spend(name, rate=0.1, burst=3) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3:] == [pytest.approx(10, abs=1)] * 2


async def test_who_waits_as_long_as_told_gets_a_token(store, name):
    assert await store.scopes.spend(name, rate=1, burst=1) == 0
    wait = await store.scopes.spend(name, rate=1, burst=1)
    assert 0 < wait <= 1
    await asyncio.sleep(wait + 0.001)  # the loop's own clock may be a little ahead
    assert await store.scopes.spend(name, rate=1, burst=1) == 0


async def test_no_more_than_the_rate_allows(store, name):
    """Counted against the clock of the store's own machine, which is ours."""
    start = asyncio.get_running_loop().time()
    spent = 0
    while asyncio.get_running_loop().time() < start + 0.5:
        waits = await asyncio.gather(*(store.scopes.spend(name, rate=100, burst=10) for _ in range(8)))
        spent += waits.count(0)
    elapsed = asyncio.get_running_loop().time() - start
    assert 10 <= spent <= 10 + 100 * elapsed + 1


async def test_at_once_only_the_burst(store, name):
    waits = await asyncio.gather(*(store.scopes.spend(name, rate=0.5, burst=7) for _ in range(30)))
    assert waits.count(0) == 7


async def test_refusals_cost_nothing(store, name):
    await store.scopes.spend(name, rate=0.1, burst=1)
    first = [await store.scopes.spend(name, rate=0.1, burst=1) for _ in range(20)]
    assert first == sorted(first, reverse=True)


async def test_a_lowered_burst_counts_at_once(store, name):
    await store.scopes.spend(name, rate=0.1, burst=100)
    waits = [await store.scopes.spend(name, rate=0.1, burst=2) for _ in range(3)]
    assert [wait == 0 for wait in waits] == [True, True, False]


async def test_buckets_do_not_share(store, name):
    assert await store.scopes.spend(name, rate=0.1, burst=1) == 0
    assert await store.scopes.spend(name + "2", rate=0.1, burst=1) == 0


async def test_a_full_bucket_is_gone(store, engine, name):
    _, bucket = Keyspace(len(store.commits.shards)).bucket(name)
    await store.scopes.spend(name, rate=0.5, burst=5)

    async def gone() -> bool:
        return await engine.at_owner("EXISTS", bucket) == 0

    assert 0 < await engine.at_owner("PTTL", bucket) <= 2000
    await wait_until(gone)


async def test_a_clock_set_back_does_not_stop_the_bucket(store, engine, name):
    _, bucket = Keyspace(len(store.commits.shards)).bucket(name)
    future = 3_000_000_000_000_000
    await engine.at_owner("HSET", bucket, "tokens", "0.0", "us", future)
    assert await store.scopes.spend(name, rate=2, burst=1) == 0.5

    async def spent() -> bool:
        return await store.scopes.spend(name, rate=2, burst=1) == 0

    await wait_until(spent)
