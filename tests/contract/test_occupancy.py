"""Who is connected, and which sessions a user has, over all workers."""

import asyncio

import pytest

from sojourn_server.domain.errors import LimitExceededError
from sojourn_server.store.keys import Keyspace

MINUTE = 60_000


@pytest.fixture
async def connect(desk):
    """Says what is open at a worker: `await connect("w1", s=2)`; everything is closed afterwards."""
    said = set()

    async def connect(worker: str, *, lease_ms: int = MINUTE, **counts: int) -> None:
        said.update((worker, sid) for sid in counts)
        pairs = [(desk.key(sid), count) for sid, count in counts.items()]
        await desk.store.occupancy.connected(worker, pairs, lease_ms=lease_ms)

    yield connect
    for worker, sid in said:
        await connect(worker, **{sid: 0})


async def count(desk, sid: str = "s") -> int:
    alone = await desk.get(sid)
    brief = await desk.get(sid, full=False)
    (many,) = await desk.store.active.get_many([desk.key(sid)], full=True)
    assert alone.connection_count == brief.connection_count == many.connection_count
    return alone.connection_count


async def die(engine, desk, worker: str, sid: str = "s") -> None:
    """The worker's time is over in the shard of a session."""
    assert await engine.at_owner("ZADD", desk.keys(sid).shard.workers, "XX", "CH", 1, worker) == 1


async def test_nobody_is_connected_at_first(desk):
    await desk.create()
    assert await count(desk) == 0


async def test_what_all_workers_have_open_is_counted(desk, connect):
    for sid in ("s", "t"):
        await desk.create(sid)
    await connect("w1", s=2, t=1)
    await connect("w2", s=3)
    assert (await count(desk), await count(desk, "t")) == (5, 1)
    await connect("w1", s=1)
    assert (await count(desk), await count(desk, "t")) == (4, 1)
    await connect("w2", s=0)
    assert await count(desk) == 1


async def test_what_a_dead_worker_had_open_is_not_counted(desk, engine, connect):
    await desk.create()
    await connect("w1", s=2)
    await connect("w2", s=3)
    await die(engine, desk, "w1")
    assert await count(desk) == 3


async def test_what_a_dead_worker_left_is_removed_by_another(desk, engine, connect):
    """A piece a call: the pieces of a large shard are small."""
    await desk.create()
    shard = desk.keys().shard
    same_shard = [sid for sid in (f"x{n}" for n in range(20_000)) if desk.keys(sid).shard == shard]
    await connect("dead", s=2, **dict.fromkeys(same_shard, 1))
    await connect("alive", s=3)
    await die(engine, desk, "dead")
    calls = 0
    while await engine.at_owner("ZSCORE", shard.workers, "dead") is not None:
        assert await count(desk) == 3
        await connect("alive", s=3)
        calls += 1
    assert calls > 1
    assert await engine.at_owner("HGETALL", shard.connections) == {desk.keys().member: "alive 3\n"}


async def test_a_worker_that_comes_back_counts_again(desk, engine, connect):
    await desk.create()
    await connect("w1", s=2)
    await die(engine, desk, "w1")
    assert await count(desk) == 0
    await connect("w1", s=4)
    await connect("w2", s=1)
    assert await count(desk) == 5


async def test_nothing_open_leaves_nothing(desk, engine, connect):
    await desk.create()
    shard = desk.keys().shard
    await connect("w1", s=2)
    await connect("w1", s=0)
    assert await engine.at_owner("EXISTS", shard.connections) == 0
    assert await engine.at_owner("EXISTS", shard.workers) == 0


async def test_many_sessions_are_one_call_a_shard(desk, engine, connect):
    sids = [f"s{n}" for n in range(500)]

    async def calls() -> int:
        stats = await engine.everywhere("INFO", "commandstats")
        return sum(stat["cmdstat_evalsha"]["calls"] for stat in stats if "cmdstat_evalsha" in stat)

    before = await calls()
    await connect("w1", **dict.fromkeys(sids, 1))
    assert await calls() - before <= len(desk.store.commits.shards) + 5, "and a few of the store's own"


async def test_what_is_not_a_session_has_no_connections(desk, connect):
    await connect("w1", never=2)
    await desk.create("never2")
    assert await count(desk, "never2") == 0


@pytest.fixture
async def user(desk):
    """A user, who has no sessions at the end."""
    yield "some|one/ü"
    await desk.store.occupancy.withdraw("some|one/ü", [desk.key(f"s{n}") for n in range(100)])


async def enroll(desk, user, sid, *, limit=3, grace_ms=0) -> list[str]:
    holders = await desk.store.occupancy.enroll(desk.key(sid), user, limit=limit, grace_ms=grace_ms)
    return [key.session_id for key in holders]


async def test_places_up_to_the_limit(desk, user):
    for sid in ("s2", "s0", "s1"):
        assert await enroll(desk, user, sid) == []
    assert await enroll(desk, user, "s3") == ["s2", "s0", "s1"], "oldest first"
    assert await enroll(desk, user, "s0") == [], "who has a place keeps it"
    assert await enroll(desk, user, "s3", limit=4) == []
    assert await enroll(desk, user, "s4", limit=1) == ["s2", "s0", "s1", "s3"]


async def test_a_place_given_back_is_free(desk, user):
    for sid in ("s0", "s1", "s2"):
        await enroll(desk, user, sid)
    await desk.store.occupancy.withdraw(user, [desk.key("s1"), desk.key("s9")])
    await desk.store.occupancy.withdraw(user, [])
    assert await enroll(desk, user, "s3") == []
    assert await enroll(desk, user, "s4") == ["s0", "s2", "s3"]


async def test_of_many_who_come_at_once_as_many_as_there_are_places_get_one(desk, user):
    results = await asyncio.gather(*(enroll(desk, user, f"s{n}", limit=5) for n in range(40)))
    assert results.count([]) == 5


async def test_a_young_place_is_listed_once_its_session_is_there(desk, user, engine):
    """Before, the session may be being created: nobody may think the place is free."""
    for sid in ("s0", "s1", "s2"):
        await enroll(desk, user, sid)
    with pytest.raises(LimitExceededError) as raised:
        await enroll(desk, user, "s3", grace_ms=MINUTE)
    assert (raised.value.metadata["limit_name"], raised.value.metadata["limit"]) == ("sessions_per_user", "3")
    _, places = Keyspace(len(desk.store.commits.shards)).places(desk.tenant, user)
    await engine.at_owner("ZINCRBY", places, -61_000_000, "s1")
    assert await enroll(desk, user, "s3", grace_ms=MINUTE) == ["s1"]
    await desk.create("s2")
    assert await enroll(desk, user, "s3", grace_ms=MINUTE) == ["s1", "s2"]
    await desk.delete("s2")
    assert await enroll(desk, user, "s3", grace_ms=MINUTE) == ["s1"]


async def test_users_and_tenants_have_places_of_their_own(desk, user):
    for sid in ("s0", "s1", "s2"):
        await enroll(desk, user, sid)
    assert await enroll(desk, "other", "s3") == []
    await desk.store.occupancy.withdraw("other", [desk.key("s3")])


async def test_no_limit_is_no_limit(desk, user):
    for n in range(10):
        assert await enroll(desk, user, f"s{n}", limit=0) == []
