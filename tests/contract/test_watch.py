"""Watching one session: every event, once, in order."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import NotFoundError, PositionError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.ports import DeletedSession
from sojourn_server.store import hub as hub_module
from sojourn_server.store.writing import WriteSettings
from tests.support.sessions import Desk, exhaust, revisions, take, take_until

SOON = 1.0
"""Seconds; well below the safety poll, so that only a notification can be this quick."""


async def refused(desk, after) -> PositionError:
    with pytest.raises(PositionError) as raised:
        async with desk.watch(after):
            pytest.fail("the watch opened")
    return raised.value


async def test_from_now_on(desk):
    await desk.create()
    last = (await desk.add(2))[-1]
    async with desk.watch() as (begin, tap):
        assert begin == last.cursor
        assert await tap.next(0) == []
        result = await desk.write(ch.LogAppended(), body=b"hello")
        [event] = await tap.next(SOON)
        assert (event.revision, event.body, event.cursor) == (4, b"hello", result.cursor)
        assert await tap.next(0.05) == []


@pytest.mark.parametrize("body", [b"small", b"x" * 100_000])
async def test_news_comes_at_once_with_a_body_of_any_size(desk, body):
    await desk.create()
    async with desk.watch() as (_, tap):
        for _ in range(3):
            await desk.write(ch.LogAppended(), body=body)
            [event] = await tap.next(SOON)
            assert event.body == body


async def test_a_live_event_equals_the_one_in_the_log(desk):
    await desk.create()
    async with desk.watch() as (_, tap):
        await desk.write(ch.LogAppended(), ch.Custom("c"), body=bytes(range(256)))
        live = await tap.next(SOON)
    assert live == (await desk.events(after=1)).events


@pytest.mark.parametrize("after", [0, 1, 5, 10])
@pytest.mark.parametrize("bare", [True, False])
async def test_from_a_position_on(desk, after, bare):
    results = [await desk.create(), *await desk.add(9)]
    async with desk.watch(after if bare or not after else results[after - 1].cursor) as (begin, tap):
        assert begin.revision == after
        if after < 10:
            assert revisions(await take_until(tap, 10)) == list(range(after + 1, 11))
        await desk.write(ch.LogAppended())
        assert revisions(await take(tap, 1, timeout=SOON)) == [11]


async def test_a_log_longer_than_a_page_while_it_grows(desk):
    await desk.create()
    await desk.add(1200)

    async def grow() -> None:
        for _ in range(300):
            await desk.write(ch.LogAppended())

    async with desk.watch(0) as (_, tap):
        seen, _ = await asyncio.gather(take_until(tap, 1501), grow())
    assert revisions(seen) == list(range(1, 1502))


async def test_many_watchers_of_several_workers_beside_two_writers(desk, open_another):
    other = Desk(await open_another(), desk.tenant)
    await desk.create()

    async def watch(one: Desk, start: asyncio.Event) -> list[StoredEvent]:
        await start.wait()
        async with one.watch(0) as (_, tap):
            return await take_until(tap, 401)

    async def write(one: Desk) -> None:
        for n in range(200):
            if n == 100:
                late.set()
            await one.write(ch.LogAppended(), body=b"%d" % n)

    now, late = asyncio.Event(), asyncio.Event()
    now.set()
    watches = [watch(one, start) for one in (desk, other) for start in (now, late) for _ in range(3)]
    *seen, _, _ = await asyncio.gather(*watches, write(desk), write(other))
    log = (await desk.events(count=1000)).events
    assert len(log) == 401
    for events in seen:
        assert events == log


async def test_resuming_again_and_again_misses_nothing_and_repeats_nothing(desk):
    created = await desk.create()
    seen, cursor = [], created.cursor

    async def write() -> None:
        for _ in range(150):
            await desk.write(ch.LogAppended())

    writing = asyncio.create_task(write())
    while cursor.revision < 151:
        async with desk.watch(cursor) as (begin, tap):
            assert begin == cursor
            seen += await tap.next(5)
            cursor = seen[-1].cursor
    await writing
    assert revisions(seen) == list(range(2, 152))


async def test_around_the_trim_point(desk):
    await desk.create()
    results = await desk.add(9)
    async with desk.watch(results[3].cursor) as (_, behind):
        await desk.trim(7)
        # It had not read yet what is gone now.
        with pytest.raises(PositionError) as raised:
            await behind.next(5)
        assert raised.value.reason == "CURSOR_TOO_OLD"
    for at in (6, 7, 8, 10):
        async with desk.watch(results[at - 2].cursor) as (_, tap):
            if at < 10:
                assert revisions(await take_until(tap, 10)) == list(range(at + 1, 11))
    error = await refused(desk, results[3].cursor)
    assert (error.reason, error.metadata["oldest_revision"]) == ("CURSOR_TOO_OLD", "7")
    assert (await refused(desk, 3)).reason == "CURSOR_TOO_OLD"
    async with desk.watch() as (begin, tap):
        assert begin.revision == 10


async def test_trimming_below_a_watcher_that_is_level_changes_nothing(desk):
    await desk.create()
    async with desk.watch(0) as (_, tap):
        await take(tap, 1)
        for _ in range(20):
            result = await desk.write(ch.LogAppended())
            await desk.trim(result.revision)
            assert revisions(await take(tap, 1, timeout=SOON)) == [result.revision]


async def test_positions_that_cannot_be_used(desk, engine):
    created = await desk.create()
    assert (await refused(desk, 2)).reason == "CURSOR_IN_FUTURE"
    async with engine.forgetting(desk.keys()):
        [lost] = await desk.add(1)
    assert (await refused(desk, lost.cursor)).reason == "HISTORY_ROLLED_BACK"
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        async with desk.watch(created.cursor):
            pytest.fail("the watch opened")
    assert raised.value.reason == "SESSION_DELETED"
    await desk.create()
    assert (await refused(desk, created.cursor)).reason == "SESSION_REPLACED"
    for after in (None, 0):
        with pytest.raises(NotFoundError):
            async with desk.watch(after, sid="nobody"):
                pytest.fail("the watch opened")


async def test_deletion_is_the_last_item(desk):
    created = await desk.create()
    async with desk.watch() as (_, tap), desk.watch() as (_, behind):
        await tap.next(0)
        await desk.add(2)
        assert revisions(await take(tap, 2)) == [2, 3]
        await desk.delete()
        assert await take(tap, 1, timeout=SOON) == [DeletedSession("s", created.uid, 3)]
        assert (await take(behind, 1, timeout=SOON))[-1] == DeletedSession("s", created.uid, 3)


async def test_deletion_is_told_though_the_id_is_used_again(desk):
    created = await desk.create()
    async with desk.watch() as (_, tap):
        await tap.next(0)
        await desk.delete()
        await desk.create()
        await desk.add(3)
        assert await take(tap, 1, timeout=SOON) == [DeletedSession("s", created.uid, 1)]


async def test_lost_notifications_are_made_up_for_by_the_poll(desk, engine, monkeypatch):
    await desk.create()
    async with desk.watch() as (_, tap):
        monkeypatch.setattr(desk.store.hub._notifications, "_on_message", lambda *_: None)
        for stream in desk.store.hub._notifications._streams.values():
            monkeypatch.setattr(stream, "_on_message", lambda *_: None)
        await desk.write(ch.LogAppended())
        assert revisions(await take(tap, 1, timeout=2 * hub_module.POLL_SECONDS)) == [2]


async def test_events_larger_than_a_notification(open_another):
    desk = Desk(await open_another(write=WriteSettings(inline_event_bytes=10)))
    await desk.create()
    async with desk.watch() as (_, tap):
        for n in range(20):
            await desk.write(ch.LogAppended(), body=b"x" * n)
        events = await take(tap, 20, timeout=SOON)
    assert [len(event.body) for event in events] == list(range(20))
    await desk.delete_all()


@pytest.mark.parametrize("overtaken", [False, True])
async def test_history_lost_under_a_watcher_is_told(desk, engine, overtaken):
    """Whatever the store lost, a watcher that saw it is told, also when the revisions were soon used again."""
    await desk.create()
    async with desk.watch() as (_, tap):
        async with engine.forgetting(desk.keys()):
            await desk.add(2)
            assert revisions(await take(tap, 2, timeout=SOON)) == [2, 3]
        # Which is what a failover does to connections:
        await engine.everywhere("CLIENT", "KILL", "TYPE", "pubsub")
        await desk.add(5 if overtaken else 1)
        with pytest.raises(PositionError) as raised:
            await exhaust(tap)
        assert raised.value.reason == "HISTORY_ROLLED_BACK"
