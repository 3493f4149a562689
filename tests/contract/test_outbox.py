"""The outbox: what is behind stays in it until the catalog has it, whatever happens meanwhile. Logs are trimmed only of
what the catalog has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import NotFoundError, PositionError
from sojourn_server.domain.session import SessionKey
from sojourn_server.ports.outbox import Standing
from sojourn_server.store.outbox import RedisOutbox
from tests.support.sessions import Desk, revisions
from tests.support.waiting import wait_until

EVERYTHING = 1_000_000


@pytest.fixture
async def outbox(desk: Desk) -> AsyncIterator[RedisOutbox]:
    """Empty at first: what other tests left in the engine's outbox is gone."""
    outbox = desk.store.outbox
    keys, _ = await outbox.take("cleaner", lease_ms=60_000, count=EVERYTHING)
    for key, standing in zip(keys, await outbox.standings(keys), strict=True):
        assert await outbox.forgotten(key, standing.deleted)
    await outbox.leave("cleaner")
    yield outbox
    for worker in ("w", "w1", "w2"):
        await outbox.leave(worker)


async def behind(outbox: RedisOutbox, worker: str = "w", **limits: int) -> list[SessionKey]:
    """What waits, by name."""
    keys, _ = await outbox.take(worker, **{"lease_ms": 10_000, "count": EVERYTHING} | limits)
    return sorted(keys)


async def bring(desk: Desk, outbox: RedisOutbox, sid: str = "s") -> bool:
    """Says that the catalog has the session as it is now."""
    session = await desk.get(sid)
    return await outbox.projected(desk.key(sid), session.uid, session.revision)


async def standing(desk: Desk, uid: str = "", deleted: str = "", revision: int = 0) -> Standing:
    shard = desk.keys().shard
    incarnation, _ = await desk.store.commits.position(shard)
    return Standing(uid, deleted, shard.number, incarnation, (revision, incarnation) if uid else None)


async def test_every_write_puts_its_session_in_once(desk, outbox):
    assert await behind(outbox) == []
    await desk.create("a")
    await desk.create("b")
    await desk.write(ch.LogAppended(), sid="a")
    assert await behind(outbox) == [desk.key("a"), desk.key("b")]
    assert await bring(desk, outbox, "a")
    assert await behind(outbox) == [desk.key("b")]
    await desk.write(ch.LogAppended(), sid="a")
    assert await behind(outbox) == [desk.key("a"), desk.key("b")]


async def test_a_session_that_has_moved_on_stays(desk, outbox):
    committed = await desk.create()
    await desk.write(ch.LogAppended())
    assert await outbox.projected(desk.key(), committed.uid, committed.revision)
    assert await behind(outbox) == [desk.key()]
    assert await bring(desk, outbox)
    assert await behind(outbox) == []
    # Somebody who was slower says what he has; that the session is not behind stays true.
    assert await outbox.projected(desk.key(), committed.uid, committed.revision)
    assert await bring(desk, outbox)
    assert await behind(outbox) == []


async def test_another_session_of_the_same_id_stays(desk, outbox):
    old = await desk.create()
    await desk.delete()
    new = await desk.create()
    assert not await outbox.projected(desk.key(), old.uid, old.revision)
    assert await behind(outbox) == [desk.key()]
    assert await outbox.standings([desk.key()]) == [await standing(desk, new.uid, revision=1)]
    assert await outbox.projected(desk.key(), new.uid, new.revision)
    assert await behind(outbox) == []


async def test_what_the_store_has_lost_is_not_taken_for_projected(desk, outbox):
    committed = await desk.create()
    assert not await outbox.projected(desk.key(), committed.uid, committed.revision + 1)
    assert await behind(outbox) == [desk.key()]
    assert revisions((await desk.events()).events) == [1]


async def test_a_deleted_session_stays_until_it_is_forgotten(desk, outbox):
    committed = await desk.create()
    await bring(desk, outbox)
    await desk.delete()
    assert await behind(outbox) == [desk.key()]
    assert not await outbox.projected(desk.key(), committed.uid, committed.revision)
    assert await behind(outbox) == [desk.key()]
    (found,) = await outbox.standings([desk.key()])
    assert found == await standing(desk, deleted=committed.uid)
    assert await outbox.forgotten(desk.key(), found.deleted)
    assert await behind(outbox) == []
    assert await outbox.forgotten(desk.key(), found.deleted)


async def test_a_session_made_anew_is_not_forgotten(desk, outbox):
    old = await desk.create()
    await desk.delete()
    await desk.create()
    assert not await outbox.forgotten(desk.key(), old.uid)
    assert await behind(outbox) == [desk.key()]


async def test_nor_is_one_that_was_made_anew_and_deleted_meanwhile(desk, outbox):
    """The catalog may have the second, though it has forgotten the first."""
    old = await desk.create()
    await desk.delete()
    new = await desk.create()
    assert await bring(desk, outbox)
    await desk.delete()
    assert not await outbox.forgotten(desk.key(), old.uid)
    assert await behind(outbox) == [desk.key()]
    assert await outbox.forgotten(desk.key(), new.uid)
    assert await behind(outbox) == []


async def test_standings_of_what_never_was(desk, outbox):
    assert await outbox.standings([]) == []
    (never,) = await outbox.standings([desk.key("never")])
    assert (never.uid, never.deleted) == ("", "")


async def test_shards_are_one_workers_until_its_lease_ends(desk, outbox):
    await desk.create()
    assert await behind(outbox, "w1", lease_ms=300) == [desk.key()]
    assert await behind(outbox, "w2", lease_ms=300) == []
    assert await behind(outbox, "w1", lease_ms=300) == [desk.key()]

    async def taken() -> bool:
        return await behind(outbox, "w2", lease_ms=60_000) == [desk.key()]

    await wait_until(taken, description="the lease ends")
    assert await behind(outbox, "w1") == []
    await outbox.leave("w1")  # not its own
    assert await behind(outbox, "w1") == []
    await outbox.leave("w2")
    assert await behind(outbox, "w1") == [desk.key()]


async def test_looking_again_and_again_writes_nothing(desk, outbox, engine):
    """Not into an empty outbox, and not while the lease is good for a while."""

    async def writes() -> int:
        infos = await engine.everywhere("INFO", "persistence")
        return sum(info["rdb_changes_since_last_save"] for info in infos)

    before = await writes()
    for _ in range(5):
        await outbox.take("w", lease_ms=60_000, count=9)
    assert await writes() == before
    await desk.create()
    await outbox.take("w", lease_ms=60_000, count=9)
    before = await writes()
    for _ in range(5):
        await outbox.take("w", lease_ms=60_000, count=9)
    assert await writes() == before


async def test_at_most_so_many_of_a_shard_longest_waiting_first(desk, outbox):
    names = [f"s{n:03d}" for n in range(60)]
    for name in names:
        await desk.create(name)
    found = await behind(outbox, count=1)
    assert 1 <= len(found) <= 16  # there are so many shards
    for key in found:
        assert await bring(desk, outbox, key.session_id)
    assert not set(found) & set(await behind(outbox, count=1))


async def test_what_is_postponed_comes_after_all_others(desk, outbox, engine):
    keys = {name: desk.keys(name) for name in map(str, range(200))}
    one_shard = next(
        [name for name, found in keys.items() if found.shard == shard][:3] for shard in {k.shard for k in keys.values()}
    )
    for age, name in zip((30, 20, 10), one_shard, strict=True):
        await desk.create(name)
        await engine.at_owner("ZINCRBY", keys[name].shard.dirty, -age, keys[name].member)
    await outbox.postpone(desk.key(one_shard[0]))
    await outbox.postpone(desk.key("not in it"))
    found, backlog = await outbox.take("w", lease_ms=10_000, count=2)
    assert found == [desk.key(one_shard[1]), desk.key(one_shard[2])]
    assert backlog.sessions == 3
    assert desk.key("not in it") not in await behind(outbox)


async def test_how_far_the_catalog_is_behind(desk, outbox, engine):
    assert await outbox.backlog() == (await outbox.take("w", lease_ms=1000, count=9))[1]
    assert (await outbox.backlog()).sessions == 0
    assert (await outbox.backlog()).seconds == 0
    for name in ("a", "b", "c"):
        await desk.create(name)
    await engine.at_owner("ZINCRBY", desk.keys("b").shard.dirty, -100, desk.keys("b").member)
    found = await outbox.backlog()
    assert found.sessions == 3
    assert 100 <= found.seconds <= 110
    await behind(outbox, "w")
    _, of_others = await outbox.take("w2", lease_ms=1000, count=9)
    assert of_others.sessions == 0  # w has their shards


async def test_all_sessions_of_a_tenant_whoever_projects_them(desk, outbox, store):
    other, prefix = Desk(store, f"{desk.tenant}x"), Desk(store, desk.tenant[:-1])
    for one in (desk, other, prefix):
        for name in ("a", "b"):
            await one.create(name)
    await behind(outbox, "w1")
    assert sorted(await outbox.of_tenant(desk.tenant)) == [desk.key("a"), desk.key("b")]
    await bring(desk, outbox, "a")
    await desk.delete("b")
    assert await outbox.of_tenant(desk.tenant) == [desk.key("b")]
    assert await outbox.of_tenant("nobody") == []
    for one in (other, prefix):
        await one.delete_all()


@pytest.mark.parametrize("engine", ["embedded"], indirect=True)
async def test_more_sessions_of_a_shard_than_are_listed_at_a_time(desk, outbox):
    shard = desk.keys("s").shard
    names = [name for name in map(str, range(30_000)) if desk.keys(name).shard == shard][:1100]
    hundreds = [names[start : start + 100] for start in range(0, len(names), 100)]
    for hundred in hundreds:
        await asyncio.gather(*map(desk.create, hundred))
    assert sorted(await outbox.of_tenant(desk.tenant)) == sorted(map(desk.key, names))
    assert (await outbox.backlog()).sessions == 1100
    for hundred in hundreds:
        await asyncio.gather(*map(desk.delete, hundred))


@pytest.fixture(params=[1, 4, 50])
async def keeping(request, open_another) -> tuple[Desk, int]:
    """A desk whose outbox keeps so many events."""
    store = await open_another(log_events_kept=request.param)
    desk = Desk(store)
    yield desk, request.param
    await desk.delete_all()


async def test_logs_keep_the_last_events_and_what_the_catalog_lacks(keeping):
    desk, keep = keeping
    outbox = desk.store.outbox
    committed = await desk.create()
    await desk.add(99)
    oldest = furthest = 1
    for projected in (1, 10, 60, 60, 30, 99, 100):
        assert await outbox.projected(desk.key(), committed.uid, projected)
        furthest = max(furthest, projected)
        kept = revisions((await desk.events(count=1000)).events)
        assert kept == list(range(kept[0], 101))
        assert oldest <= kept[0] <= max(1, furthest - keep + 1)
        oldest = kept[0]
    assert keep <= 100 - oldest + 1 <= keep * 1.25 + 1
    await desk.add(3)
    assert revisions((await desk.events(after=100)).events) == [101, 102, 103]
    if oldest > 1:
        with pytest.raises(PositionError, match="no longer kept"):
            await desk.events(after=1)


async def test_a_log_of_which_all_is_projected_goes_on(keeping):
    """Writes, watches and deletions after a trim."""
    desk, _ = keeping
    committed = await desk.create()
    for round_ in range(5):
        await desk.add(20)
        assert await desk.store.outbox.projected(desk.key(), committed.uid, 1 + 20 * (round_ + 1))
    async with desk.watch() as (cursor, tap):
        assert cursor.revision == 101
        await desk.add(1)
        assert revisions(await tap.next(10)) == [102]
    await desk.delete()
    with pytest.raises(NotFoundError):
        await desk.events()


async def test_projecting_is_allowed_when_memory_is_full(desk, outbox, engine):
    if engine.name == "cluster":
        pytest.skip("the limit is each node's own: one of them is enough")
    committed = await desk.create()
    limits = await engine.everywhere("CONFIG", "GET", "maxmemory")
    await engine.everywhere("CONFIG", "SET", "maxmemory", "1")
    try:
        assert await outbox.projected(desk.key(), committed.uid, committed.revision)
        await outbox.postpone(desk.key())
        await desk.delete()
        assert await outbox.forgotten(desk.key(), committed.uid)
    finally:
        for limit in limits:
            value = limit["maxmemory"] if isinstance(limit, dict) else limit[1]
            await engine.everywhere("CONFIG", "SET", "maxmemory", value)
