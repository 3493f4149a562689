"""A cluster that fails over and moves slots: losses are never silent, everything else goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.crc import key_slot

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import OutcomeUnknownError, PositionError
from sojourn_server.domain.events import Durability
from sojourn_server.store.durability import DurabilityPolicy
from tests.support.engines import ValkeyCluster, ValkeyProcess
from tests.support.history import History
from tests.support.own_engine import opened
from tests.support.sessions import Desk, exhaust, revisions, take, take_until
from tests.support.waiting import wait_until


@pytest.fixture
async def cluster() -> AsyncIterator[ValkeyCluster]:
    async with ValkeyCluster() as cluster:
        yield cluster


def session_on(desk: Desk, node: int) -> str:
    """An id of a session that the cluster's primary of that number serves."""
    low, high = round(16384 * node / 3), round(16384 * (node + 1) / 3)
    return next(sid for sid in map(str, range(1000)) if low <= desk.keys(sid).shard.slot < high)


async def cut_off(replica: ValkeyProcess) -> None:
    """Makes the replica keep what it has and get nothing new."""
    await replica.call("CONFIG", "SET", "masteruser", "nobody", "masterauth", "wrong")
    await replica.call("CLIENT", "KILL", "TYPE", "master")


async def test_a_failover_in_good_order_loses_nothing(cluster):
    async with opened(cluster.url, call_timeout=1.0) as desk:
        sids = [session_on(desk, node) for node in range(3)]
        for sid in sids:
            await desk.create(sid, state={"n": b"0"})
        histories = [History(desk, sid) for sid in sids]

        async def write(history: History) -> None:
            n = 0
            while not done.is_set() or n < 50:
                await history.write_until_done(b"%d" % n)
                n += 1

        done = asyncio.Event()
        async with desk.watch(0, sid=sids[0]) as (_, tap):
            writing = asyncio.gather(*(write(history) for history in histories))
            await cluster.failover(0)
            await histories[0].write_until_done(b"after")
            done.set()
            await writing
            last = (await desk.get(sids[0])).revision
            assert revisions(await take_until(tap, last)) == list(range(1, last + 1))
        for history in histories:
            await history.check()


async def test_history_lost_by_a_failover_is_told_to_everybody(cluster):
    async with opened(cluster.url, call_timeout=1.0) as desk:
        lossy, safe = session_on(desk, 0), session_on(desk, 1)
        kept = await desk.create(lossy)
        await desk.create(safe)
        replica = await cluster.replica(0)
        await wait_until(lambda: has(replica, desk.keys(lossy).head), description="the replica has the session")
        async with (
            desk.watch(sid=lossy) as (_, tap),
            desk.watch(sid=safe) as (_, calm),
            desk.store.hub.tenant(desk.tenant, None) as every,
        ):
            assert await tap.next(0) == await calm.next(0) == await every.next(0) == []
            await cut_off(replica)
            lost = await desk.add(3, sid=lossy)
            assert revisions(await take(tap, 3)) == [2, 3, 4]
            await take(every, 3)
            cursor = every.cursor
            await cluster.failover(0, "TAKEOVER")
            # The revisions are used again at once, and more: numbers alone tell nothing.
            history = History(desk, lossy)
            for n in range(8):
                await history.write_until_done(b"again %d" % n)
            for one in (tap, every):
                with pytest.raises(PositionError) as raised:
                    await exhaust(one)
                assert raised.value.reason == "HISTORY_ROLLED_BACK"
            await desk.write(ch.LogAppended(), sid=safe)
            assert revisions(await take(calm, 1)) == [2]
        for after in lost:
            with pytest.raises(PositionError) as raised:
                await desk.events(lossy, after=after.cursor)
            assert raised.value.reason == "HISTORY_ROLLED_BACK"
        assert len((await desk.events(lossy, after=kept.cursor)).events) == 8
        async with desk.store.hub.tenant(desk.tenant, cursor) as every:
            with pytest.raises(PositionError) as raised:
                await exhaust(every)
            assert raised.value.reason == "HISTORY_ROLLED_BACK"


async def has(replica: ValkeyProcess, key: str) -> bool:
    async with replica.client() as client:
        await client.execute_command("READONLY")
        return bool(await client.exists(key))


async def test_a_write_no_replica_confirms_is_not_acknowledged(cluster):
    policy = DurabilityPolicy("replicated", replicas=1, timeout_ms=200)
    async with opened(cluster.url, call_timeout=2.0, policy=policy) as desk:
        assert desk.store.active.durability is Durability.REPLICATED
        sids = [session_on(desk, node) for node in range(2)]
        for sid in sids:
            await desk.create(sid)
        await cut_off(await cluster.replica(0))
        with pytest.raises(OutcomeUnknownError):
            await desk.write(ch.LogAppended(), sid=sids[0], idempotency_key="k")
        assert (await desk.write(ch.LogAppended(), sid=sids[1])).revision == 2
        assert (await desk.get(sids[0])).revision in (1, 2)  # read, though nobody vouches for it


async def test_a_primary_that_dies_is_replaced(cluster):
    async with opened(cluster.url, call_timeout=1.0) as desk:
        sid = session_on(desk, 0)
        await desk.create(sid)
        first = await cluster.primary(0)
        replica = await cluster.replica(0)
        await wait_until(lambda: has(replica, desk.keys(sid).head), description="the replica has the session")
        async with desk.watch(0, sid=sid) as (_, tap):
            await take(tap, 1)
            await first.kill()
            history = History(desk, sid)
            await history.write_until_done(b"after")
            events = await take_until(tap, 2)
            assert events[-1].body == b"after"

            # Notifications come from the new primary, too.
            async def at_once() -> bool:
                await desk.write(ch.LogAppended(), sid=sid)
                return bool(await tap.next(0.5))

            await wait_until(at_once, timeout=20, description="notifications")


async def test_a_slot_that_moves_takes_its_sessions_along(cluster):
    async with opened(cluster.url, call_timeout=1.0) as desk:
        sid = session_on(desk, 0)
        await desk.create(sid, state={"n": b"0"})
        history = History(desk, sid)
        for n in range(10):
            await history.write(b"%d" % n)
        slot = desk.keys(sid).shard.slot
        assert key_slot(desk.keys(sid).head.encode()) == slot
        async with desk.watch(0, sid=sid) as (_, tap):
            await take_until(tap, 11)
            writing = asyncio.create_task(write_through(history))
            await move(cluster, slot)
            await writing
            last = (await desk.get(sid)).revision
            assert revisions(await take_until(tap, last)) == list(range(12, last + 1))

            async def at_once() -> bool:
                await desk.write(ch.LogAppended(), sid=sid)
                return bool(await tap.next(0.5))

            await wait_until(at_once, timeout=20, description="notifications")
        before = [event.body for event in (await desk.events(sid, count=1000)).events]
        assert [body for body in before if body in history.acknowledged] == list(history.acknowledged)


async def write_through(history: History) -> None:
    for n in range(30):
        await history.write_until_done(b"moving %d" % n)


async def move(cluster: ValkeyCluster, slot: int) -> None:
    """Moves a slot from the first primary to the second, key by key."""
    source, target = cluster.nodes[0], cluster.nodes[1]
    source_id, target_id = [await node.call("CLUSTER", "MYID") for node in (source, target)]
    await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    while keys := await source.call("CLUSTER", "GETKEYSINSLOT", slot, 10):
        await source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source, cluster.nodes[2]):
        await node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)
