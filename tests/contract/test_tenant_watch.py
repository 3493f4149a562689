"""Watching all sessions of a tenant."""

import asyncio
from collections import defaultdict

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.cursor import ShardCursor
from sojourn_server.domain.errors import PositionError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.ports import DeletedSession
from sojourn_server.store.taps import TapLimits
from sojourn_server.store.writing import WriteSettings
from tests.support.sessions import Desk, Item, exhaust, take

SOON = 1.0


def watch(desk: Desk, after: ShardCursor | None = None):
    return desk.store.hub.tenant(desk.tenant, after)


def by_session(items: list[Item]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = defaultdict(list)
    for item in items:
        found[item.session_id].append("deleted" if isinstance(item, DeletedSession) else item.revision)
    return dict(found)


async def test_every_session_from_its_creation_to_its_deletion(desk):
    sids = [f"s{n}" for n in range(30)]
    async with watch(desk) as tap:
        assert await tap.next(0) == []
        for sid in sids:
            await desk.create(sid)
        for sid in sids:
            await desk.add(3, sid=sid)
        for sid in sids[::2]:
            await desk.delete(sid)
        items = await take(tap, 30 * 4 + 15)
    expected = {sid: [1, 2, 3, 4] for sid in sids}
    for sid in sids[::2]:
        expected[sid].append("deleted")
    assert by_session(items) == expected


async def test_a_deletion_comes_after_the_events(desk):
    created = await desk.create()
    async with watch(desk) as tap:
        await desk.add(2)
        await desk.delete()
        items = await take(tap, 3)
        assert items[-1] == DeletedSession("s", created.uid, 3)


async def test_a_deletion_is_told_to_those_who_were_away(desk):
    created = await desk.create()
    async with watch(desk) as tap:
        cursor = tap.cursor
    await desk.add(2)
    await desk.delete()
    async with watch(desk, cursor) as tap:
        assert (await take(tap, 1))[-1] == DeletedSession("s", created.uid, 3)


async def test_events_are_those_of_the_logs_and_come_at_once(desk):
    await desk.create()
    async with watch(desk) as tap:
        assert await tap.next(0) == []
        await desk.write(ch.LogAppended(), body=bytes(range(256)))
        [event] = await tap.next(SOON)
        assert [event] == (await desk.events(after=1)).events
        await desk.write(ch.LogAppended(), body=b"x" * 100_000)
        [event] = await tap.next(SOON)
        assert len(event.body) == 100_000


async def test_other_tenants_are_silent(desk, store):
    other = Desk(store)
    async with watch(desk) as tap:
        for _ in range(3):
            await other.create()
            await other.delete()
        await desk.create()
        [event] = await take(tap, 1, timeout=SOON)
        assert isinstance(event, StoredEvent)
        assert await tap.next(0.05) == []


async def test_resuming_with_its_cursor_misses_nothing_and_repeats_nothing(desk):
    sids = [f"s{n}" for n in range(8)]
    for sid in sids:
        await desk.create(sid)
    async with watch(desk) as tap:
        cursor = tap.cursor
    seen: list[Item] = []

    async def write(sid: str) -> None:
        for _ in range(25):
            await desk.write(ch.LogAppended(), sid=sid)

    writing = asyncio.gather(*(write(sid) for sid in sids))
    while len(seen) < 8 * 25:
        async with watch(desk, cursor) as tap:
            news = await tap.next(5)
            assert news
            seen += news
            cursor = tap.cursor
    await writing
    assert by_session(seen) == {sid: list(range(2, 27)) for sid in sids}


async def test_resuming_over_many_pages(desk):
    await desk.create()
    await desk.create("gone")
    async with watch(desk) as tap:
        cursor = tap.cursor
    await desk.add(900)
    await desk.add(100, sid="gone")
    await desk.delete("gone")
    async with watch(desk, cursor) as tap:
        items = await take(tap, 901)
    found = by_session(items)
    assert found["s"] == list(range(2, 902))
    assert found["gone"][-1] == "deleted"


async def test_while_watches_of_sessions_share_its_feeds(desk, open_another):
    """What the feed reads for a session's watcher it must not skip for the tenant's, and the other way round."""
    other = Desk(await open_another(), desk.tenant)
    sids = [f"s{n}" for n in range(6)]
    for sid in sids:
        await desk.create(sid)

    async def write(sid: str) -> None:
        for n in range(60):
            await other.write(ch.LogAppended(), sid=sid, body=b"x" * (40_000 if n % 7 == 0 else 1))

    async def one(sid: str) -> list[int]:
        async with desk.watch(1, sid=sid) as (_, tap):
            return [item.revision for item in await take(tap, 60)]

    async def every() -> dict[str, list[int | str]]:
        async with watch(desk) as tap:
            ready.set()
            return by_session(await take(tap, 6 * 60))

    ready = asyncio.Event()
    watching = asyncio.gather(every(), *(one(sid) for sid in sids))
    await ready.wait()
    await asyncio.gather(*(write(sid) for sid in sids))
    together, *alone = await watching
    assert together == {sid: list(range(2, 62)) for sid in sids}
    assert alone == [list(range(2, 62))] * 6


async def test_a_cursor_older_than_the_shards_logs(open_another):
    desk = Desk(await open_another(write=WriteSettings(shard_log_entries=10)))
    await desk.create()
    async with watch(desk) as tap:
        cursor = tap.cursor
    await desk.add(500)  # the engine trims its streams by whole nodes of a hundred entries
    async with watch(desk, cursor) as tap:
        with pytest.raises(PositionError) as raised:
            await take(tap, 500)
    assert raised.value.reason == "CURSOR_TOO_OLD"
    await desk.delete_all()


async def test_events_trimmed_from_a_sessions_log_are_not_skipped_in_silence(desk):
    await desk.create()
    async with watch(desk) as tap:
        cursor = tap.cursor
    await desk.add(9)
    await desk.trim(6)
    async with watch(desk, cursor) as tap:
        with pytest.raises(PositionError) as raised:
            await take(tap, 9)
    assert raised.value.reason == "CURSOR_TOO_OLD"


@pytest.mark.parametrize("overtaken", [False, True])
async def test_a_cursor_of_lost_history(desk, engine, overtaken):
    await desk.create()
    async with engine.forgetting(desk.keys()), watch(desk) as tap:
        await desk.add(1)
        await take(tap, 1)
        cursor = tap.cursor
    forged = ShardCursor(cursor.checksum ^ 1, cursor.positions)
    with pytest.raises(PositionError) as raised:
        async with watch(desk, forged):
            pytest.fail("the watch opened")
    assert raised.value.reason == "HISTORY_ROLLED_BACK"
    if overtaken:
        await desk.add(5)
    async with watch(desk, cursor) as tap:
        with pytest.raises(PositionError) as raised:
            await take(tap, 1)
    assert raised.value.reason == "HISTORY_ROLLED_BACK"


async def test_a_watcher_that_does_not_read_is_ended(open_another):
    desk = Desk(await open_another(taps=TapLimits(events=20, bytes=1 << 20)))
    await desk.create()
    async with watch(desk) as slow, watch(desk) as quick:
        assert await slow.next(0) == await quick.next(0) == []
        for _ in range(40):
            await desk.write(ch.LogAppended())
            await take(quick, 1, timeout=SOON)
        with pytest.raises(PositionError) as raised:
            await slow.next(1)
        assert raised.value.reason == "SLOW_CONSUMER"
        resume = slow.cursor
    async with watch(desk, resume) as tap:
        assert by_session(await take(tap, 40)) == {"s": list(range(2, 42))}
    await desk.delete_all()


@pytest.mark.parametrize("overtaken", [False, True])
async def test_history_lost_under_a_watcher_is_told(desk, engine, overtaken):
    await desk.create()
    async with watch(desk) as tap:
        async with engine.forgetting(desk.keys()):
            await desk.add(2)
            await take(tap, 2, timeout=SOON)
        await engine.everywhere("CLIENT", "KILL", "TYPE", "pubsub")
        await desk.add(5 if overtaken else 1)
        with pytest.raises(PositionError) as raised:
            await exhaust(tap)
        assert raised.value.reason == "HISTORY_ROLLED_BACK"
