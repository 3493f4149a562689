"""Leases: what keeps a request live, and what the clock makes of it."""

import asyncio
import time
from dataclasses import replace

import pytest

from sojourn_server.domain.errors import LeaseLostError
from sojourn_server.domain.requests import RequestOutcome, RequestState, Scope, ScopeKind
from sojourn_server.store.keys import ShardKeys
from tests.support.engines import ValkeyProcess
from tests.support.own_engine import opened
from tests.support.request_log import changes_of
from tests.support.requests import Clerk, passed
from tests.support.waiting import wait_until

PROJECT = (ScopeKind.PROJECT,)


async def test_a_lease_that_ran_out_loses_the_request(clerk):
    await clerk.create(limit=1)
    token = (await clerk.admitted("a", lease_ms=20)).token
    await clerk.queued("b")
    await clerk.news()
    left = await clerk.lose_soon("a")
    assert (left.ended.outcome, left.ended.error) == (RequestOutcome.LOST, "its lease ran out")
    assert await clerk.news() == [["lost a: its lease ran out", "admitted b"]]
    assert clerk.event().changes[0].request_lost.fencing_token == token
    assert await clerk.lose("a") is None
    assert await clerk.lose("never") is None


async def test_a_lease_is_never_taken_before_its_ttl(clerk):
    """To the microsecond, measured from the last renewal by the store's clock."""
    ttl_ms = 5
    await clerk.create()
    for n in range(30):
        await clerk.admitted(f"r{n}", lease_ms=ttl_ms)
    begun = {one.key.request_id: one.begin_us for one in await clerk.live()}
    await asyncio.gather(*(clerk.lose_soon(rid) for rid in begun))
    page = await clerk.desk.events(after=1 + len(begun), count=100)
    lost = {changes_of(event)[0].request_lost.request_id: event.commit_us for event in page.events}
    assert min(lost[rid] - begun[rid] for rid in begun) >= ttl_ms * 1000


async def test_one_that_waits_needs_its_lease_too(clerk):
    await clerk.create(limit=1, project="p")
    await clerk.begin("a", lease_ms=20, wide=PROJECT)
    await clerk.queued("b", lease_ms=20)
    await clerk.queued("c")
    await clerk.lose_soon("b")
    left = await clerk.lose_soon("a")
    assert [scope.kind for scope in left.scopes] == [ScopeKind.PROJECT]
    assert await clerk.holders() == ["c"]
    await clerk.news()


async def test_a_renewal_gives_the_whole_ttl_again(clerk):
    await clerk.create()
    request = await clerk.admitted("a", lease_ms=500)
    await passed(request.begin_us + 300_000)
    [deadline] = await clerk.store.renew([request])
    assert deadline is not None
    assert deadline - request.lease_deadline_us >= 299_000
    assert (await clerk.get("a")).lease_deadline_us == deadline
    await passed(request.lease_deadline_us)
    assert await clerk.lose("a") is None
    assert await clerk.store.renew([request]) != [None]


async def test_what_ran_out_is_never_renewed(clerk):
    await clerk.create(limit=1)
    admitted = await clerk.admitted("a", lease_ms=10)
    queued = await clerk.queued("b", lease_ms=10)
    await passed(queued.lease_deadline_us)
    assert await clerk.store.renew([admitted, queued]) == [None, None]
    for rid in "ab":
        for resume in (False, True):
            with pytest.raises(LeaseLostError) as raised:
                await clerk.begin(rid, resume=resume)
            assert raised.value.metadata["request_id"] == rid
    assert await clerk.store.renew([admitted, queued]) == [None, None]
    assert await clerk.lose("a") is not None
    assert await clerk.lose("b") is not None
    assert await clerk.store.renew([admitted, queued]) == [None, None]


async def test_what_ended_is_not_renewed(clerk):
    await clerk.create()
    request = await clerk.admitted("a")
    await clerk.finish("a")
    assert await clerk.store.renew([request]) == [None]
    other = await clerk.admitted("a", lease_ms=request.lease_ms + 1)
    assert await clerk.store.renew([request]) == [None]
    assert await clerk.store.renew([other]) != [None]
    assert await clerk.leases() == [f"{other.lease_ms}|r|{other.key.holder}"]


async def test_who_reserves_is_not_admitted_with_a_lease_that_ran_out(clerk):
    await clerk.create(project="p")
    request = (await clerk.begin("a", lease_ms=10, wide=PROJECT)).request
    await passed(request.lease_deadline_us)
    assert await clerk.store.admit(clerk.key("a"), None) is None
    assert await clerk.lose("a") is not None


async def test_many_are_renewed_at_once(clerk, desk):
    sids = [f"s{n}" for n in range(40)]
    await asyncio.gather(*(clerk.create(sid) for sid in sids))
    begun = await asyncio.gather(
        *(clerk.begin(rid, sid=sid, lease_ms=ttl) for sid in sids for rid, ttl in (("short", 10), ("long", 60_000)))
    )
    requests = [one.request for one in begun]
    assert len({desk.keys(sid).shard for sid in sids}) > 8
    await passed(max(request.lease_deadline_us for request in requests if request.lease_ms == 10))
    deadlines = await clerk.store.renew(requests)
    assert [deadline is None for deadline in deadlines] == [request.lease_ms == 10 for request in requests]
    kept = {one.key: one.lease_deadline_us for one in await clerk.store.of_tenant(desk.tenant)}
    for request, deadline in zip(requests, deadlines, strict=True):
        assert deadline is None or kept[request.key] == deadline > request.lease_deadline_us
    assert await clerk.store.renew([]) == []
    unknown = replace(requests[0], key=clerk.key("never"))
    first, *twice = await clerk.store.renew([unknown, requests[1], requests[1]])
    assert first is None
    assert None not in twice


async def test_slots_of_wider_scopes_are_renewed_with_the_request(clerk, desk, engine):
    await clerk.create(user_id="u", project="p")
    wide = (ScopeKind.USER, ScopeKind.PROJECT)
    request = (await clerk.begin("a", lease_ms=60_000, wide=wide)).request

    async def take(scope: Scope) -> None:
        grant = await desk.store.scopes.take(
            scope, request.key, limit=1, priority=0, user_id="u", lease_ms=60_000, wait=True, max_queued=1
        )
        assert grant.slot is not None

    async def deadlines() -> list[float]:
        """Of the leases in the scopes, ms."""
        names = [(shard.lease, name) for shard in desk.store.commits.shards for name in await leases_of(shard)]
        return sorted([float(await engine.at_owner("ZSCORE", *name)) for name in names])

    async def leases_of(shard: ShardKeys) -> list[str]:
        prefix = f"|s|{desk.tenant}/"
        return [name for name in await engine.at_owner("ZRANGE", shard.lease, 0, -1) if prefix in name]

    for scope in request.scopes:
        await take(scope)
    before = await deadlines()
    assert len(before) == 2
    assert await clerk.store.admit(request.key, None)
    request = await clerk.get("a")
    await passed(request.admit_us + 5000)
    assert await clerk.store.renew([request]) != [None]
    after = await deadlines()
    assert after[0] > before[1]
    user, project = request.scopes
    await desk.store.scopes.release(project, request.key, limit=1)
    assert await clerk.store.renew([request]) == [None], "one slot of an admitted request is gone"
    for scope in (await clerk.finish("a")).scopes:
        await desk.store.scopes.release(scope, request.key, limit=1)
    assert await deadlines() == []
    assert user.kind is ScopeKind.USER


async def overdue(clerk: Clerk, worker: str, lease_ms: int = 50) -> dict[str, list[str]]:
    """What of the tenant is overdue: ids of requests, waits and sessions."""
    found = await clerk.lifecycle.overdue(worker, lease_ms=lease_ms)
    tenant = clerk.desk.tenant

    def ids(keys) -> list[str]:
        return sorted(key.request_id for key in keys if key.session.tenant == tenant)

    return {
        "requests": ids(key for one in found for key in one.requests),
        "waits": ids(key for one in found for key in one.waits),
        "sessions": sorted(key.session_id for one in found for key in one.sessions if key.tenant == tenant),
    }


async def test_overdue_tells_what_the_clock_made(clerk):
    await clerk.create("s", limit=1)
    await clerk.create("idle", idle_timeout_ms=100)
    await clerk.create("long", idle_timeout_ms=60_000, max_lifetime_ms=60_000)
    await clerk.begin("a", lease_ms=100)
    await clerk.begin("b", queue_ms=100)
    await clerk.begin("c", queue_ms=60_000)
    started = time.monotonic()
    everything = {"requests": ["a"], "waits": ["b"], "sessions": ["idle"]}
    early = await overdue(clerk, "w")
    if time.monotonic() - started < 0.05:
        assert early == {"requests": [], "waits": [], "sessions": []}

    async def found() -> bool:
        return await overdue(clerk, "w") == everything

    await wait_until(found, description="everything is overdue")
    assert await found()  # until somebody does something about it
    await clerk.lose("a")
    await clerk.store.time_out(clerk.key("b"))
    assert await overdue(clerk, "w") == {"requests": [], "waits": [], "sessions": ["idle"]}


async def test_nothing_is_told_before_its_time(clerk):
    """Whatever is told, is over: the worker that acts on it is never refused."""
    await clerk.create()
    requests = [await clerk.admitted(f"r{n}", lease_ms=10 + n) for n in range(30)]
    told: set[str] = set()

    async def all_told() -> bool:
        for rid in (await overdue(clerk, "w"))["requests"]:
            assert await clerk.lose(rid) is not None
            told.add(rid)
        return len(told) == len(requests)

    await wait_until(all_told)


async def test_a_shard_is_told_to_one_worker_at_a_time(clerk, open_another):
    sids = [f"s{n}" for n in range(20)]
    for sid in sids:
        await clerk.create(sid)
        await clerk.begin(sid, sid=sid, lease_ms=1)
    other = clerk.at(await open_another())

    async def all_mine() -> bool:
        return (await overdue(clerk, "one", 300))["requests"] == sorted(sids)

    await wait_until(all_mine, description="the first worker has all shards")
    kept = time.monotonic()
    assert (await overdue(other, "two", 300))["requests"] == []
    for _ in range(10):  # kept by asking again, however long
        await asyncio.sleep(0.05)
        assert await all_mine()
        kept = time.monotonic()
        assert (await overdue(other, "two", 300))["requests"] == []

    async def all_theirs() -> bool:
        return (await overdue(other, "two", 300))["requests"] == sorted(sids)

    await wait_until(all_theirs, description="the second worker has all shards")
    assert time.monotonic() - kept >= 0.25
    assert (await overdue(clerk, "one", 300))["requests"] == []


async def test_of_two_workers_that_come_together_each_shard_goes_to_one(clerk, open_another):
    sids = [f"s{n}" for n in range(20)]
    for sid in sids:
        await clerk.create(sid)
        await clerk.begin(sid, sid=sid, lease_ms=1)
    other = clerk.at(await open_another())
    found: list[str] = []

    async def all_found() -> bool:
        nonlocal found
        mine, theirs = await asyncio.gather(overdue(clerk, "one", 200), overdue(other, "two", 200))
        assert not set(mine["requests"]) & set(theirs["requests"])
        found = sorted(mine["requests"] + theirs["requests"])
        return found == sorted(sids)

    await wait_until(all_found, description="both together have all shards")


async def test_many_losses_at_once_count_once_each(clerk, open_another):
    """Two reapers that believe to be alone do no harm."""
    await clerk.create(limit=3)
    for n in range(12):
        await clerk.begin(f"r{n}", lease_ms=10 if n < 9 else 60_000)
    other = clerk.at(await open_another())
    last = await clerk.get("r8")
    await passed(last.lease_deadline_us)
    lefts = await asyncio.gather(*(one.lose(f"r{n}") for n in range(12) for one in (clerk, other)))
    assert sum(left is not None for left in lefts) == 9
    assert await clerk.holders() == ["r9", "r10", "r11"]


async def test_an_engine_that_was_away_gives_every_lease_a_ttl_more():
    """Nobody could renew meanwhile."""
    async with ValkeyProcess(persistent=True) as server, opened(server.url, call_timeout=1.0) as desk:
        clerk = Clerk(desk)
        await clerk.create("t", limit=1, project="p")
        ttl_ms = 800
        admitted = await clerk.admitted("a", sid="t", lease_ms=ttl_ms)
        queued = await clerk.queued("b", sid="t", lease_ms=ttl_ms)
        long = (await clerk.begin("c", sid="t", lease_ms=60_000)).request
        await server.kill()
        await passed(queued.lease_deadline_us)
        await server.start()
        await wait_until(desk.store.answers, description="the store is back")
        back_us = time.time_ns() // 1000
        assert await clerk.lose("a", sid="t") is None
        found = await overdue(clerk, "w")
        assert found["requests"] == []
        first, second, third = await clerk.store.renew([admitted, queued, long])
        assert first is not None
        assert second is not None
        assert third is not None
        left = await clerk.lose_soon("a", sid="t")
        assert left.ended.outcome is RequestOutcome.LOST
        assert time.time_ns() // 1000 - back_us >= ttl_ms * 1000
        assert (await clerk.get("b", "t")).state is RequestState.ADMITTED


async def test_an_engine_that_comes_back_twice_extends_twice_and_a_new_connection_does_not():
    async with ValkeyProcess(persistent=True) as server, opened(server.url, call_timeout=1.0) as desk:
        clerk = Clerk(desk)
        await clerk.create("t")
        request = await clerk.admitted("a", sid="t", lease_ms=1000)
        deadline = request.lease_deadline_us
        for _ in range(2):
            await server.kill()
            await server.start()
            await wait_until(desk.store.answers, description="the store is back")
            extended = (await clerk.get("a", "t")).lease_deadline_us
            assert extended > deadline
            deadline = extended
        async with opened(server.url) as other:
            assert (await Clerk(other).store.get(request.key)).lease_deadline_us == deadline
