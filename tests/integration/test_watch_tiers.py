"""Watches of sessions that leave the active store, or have left it: every event, and then a good end."""

import asyncio

import pytest

import sojourn
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def server():
    """A server where sessions that have ended leave the active store at once."""
    process = ServerUnderTest(recent_after_seconds=0, archiver_seconds=0.05, project_seconds=0.05)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def client(server):
    async with sojourn.Client(server.target) as client:
        yield client


async def archived(client, sid) -> sojourn.SessionHandle:
    """A session at revision 4 that has left the active store."""
    session = await client.create_session(sid, state={"n": 1})
    await session.log("one")
    await session.log("two")
    await session.complete()

    async def left() -> bool:
        return (await session.refresh()).storage.tier is sojourn.Tier.RECENT

    await wait_until(left, timeout=30, description="the session leaves the active store")
    return session


async def watched(watch) -> list[int]:
    """Watches to the end, which must be a good one."""
    revisions = [event.revision async for event in watch]
    assert watch.archived
    return revisions


async def test_a_live_watch_ends_when_its_session_leaves(client, sid):
    session = await client.create_session(sid)
    async with session.watch() as watch:
        await session.log("one")
        await session.complete()
        assert await watched(watch) == [2, 3]


async def test_a_session_that_has_left_is_replayed(client, sid):
    session = await archived(client, sid)
    assert await watched(session.watch(after=0)) == [1, 2, 3, 4]
    assert await watched(session.watch(after=2)) == [3, 4]
    assert await watched(session.watch(after=0, kinds="log_appended")) == [2, 3]
    assert await watched(session.watch()) == []


async def test_a_watch_goes_on_from_a_cursor_of_before(client, sid):
    session = await client.create_session(sid)
    cursor = session.info.cursor
    await session.complete()
    assert await watched(session.watch(after=cursor)) == [2]
    session = await archived(client, f"{sid}-2")
    assert await watched(session.watch(after=session.info.cursor)) == []


async def test_a_snapshot_of_a_session_that_has_left(client, sid):
    session = await archived(client, sid)
    async with session.watch(snapshot=True) as watch:
        assert watch.snapshot is not None
        assert (watch.snapshot.state, watch.snapshot.revision) == ({"n": 1}, 4)
        assert await watched(watch) == []


async def test_until_ended_ends_too(client, sid):
    session = await archived(client, sid)
    assert [event.revision async for event in session.watch(after=0, until_ended=True)] == [1, 2, 3, 4]


async def test_a_session_that_came_back_is_watched_live_again(client, sid):
    session = await archived(client, sid)
    await session.resume()
    async with session.watch(after=4) as watch:
        await session.log("three")
        assert [(await anext(watch)).revision for _ in range(2)] == [5, 6]


async def test_watchers_of_many_are_told(client, sid):
    async with client.watch_sessions(tags=[sid]) as watch:
        session = await client.create_session(sid, tags=[sid])
        await session.complete()
        items = [await anext(watch) for _ in range(3)]
    assert [(type(item), item.revision) for item in items] == [
        (sojourn.Event, 1), (sojourn.Event, 2), (sojourn.SessionArchived, 2),
    ]  # fmt: skip


async def test_watchers_of_many_who_come_back_later_miss_nothing(client, sid):
    async with client.watch_sessions(tags=[sid]) as watch:
        cursor = watch.cursor
    session = await client.create_session(sid, tags=[sid])
    await session.log("one")
    await session.complete()

    async def left() -> bool:
        return (await session.refresh()).storage.tier is sojourn.Tier.RECENT

    await wait_until(left, timeout=30, description="the session leaves the active store")
    async with client.watch_sessions(tags=[sid], after=cursor) as watch:
        items = [await anext(watch) for _ in range(4)]
    assert [(item.session_id, item.revision) for item in items] == [(sid, 1), (sid, 2), (sid, 3), (sid, 3)]
    assert isinstance(items[-1], sojourn.SessionArchived)
