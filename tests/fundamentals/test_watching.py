"""Watching: every event once and in order, live or from any place in the past.

A watch survives reconnects, other workers and restarts of the server; the application sees none of it.
"""

from itertools import count

import pytest

import sojourn


async def take(watch, number):
    """The next so many events of a watch."""
    found = []
    async for event in watch:
        found.append(event)
        if len(found) == number:
            return found
    return found


async def test_watch_live(client, name):
    session = await client.create_session(name)
    async with session.watch() as watch:
        await session.add_message("user", "hello")
        (event,) = await take(watch, 1)
    assert event.revision == 2
    assert event.changes[0].content == "hello"


async def test_resume_where_another_watch_ended(client, name):
    session = await client.create_session(name)
    async with session.watch(after=0) as watch:
        (first,) = await take(watch, 1)
    await session.set_state({"n": 1})
    async with session.watch(after=first.cursor) as watch:
        (second,) = await take(watch, 1)
    assert (first.revision, second.revision) == (1, 2)


async def test_begin_with_a_snapshot(client, name):
    session = await client.create_session(name, state={"n": 1})
    async with session.watch(snapshot=True) as watch:
        assert watch.snapshot.state == {"n": 1}
        await session.set_state({"n": 2})
        (event,) = await take(watch, 1)
    assert event.revision == watch.snapshot.revision + 1


async def test_only_some_kinds(client, name):
    session = await client.create_session(name)
    async with session.watch(kinds="message_appended") as watch:
        await session.set_state({"n": 1})
        await session.add_message("user", "hello")
        (event,) = await take(watch, 1)
    assert event.revision == 3


async def test_watch_until_the_session_ends(client, name):
    session = await client.create_session(name)
    await session.set_state({"n": 1})
    await session.complete()
    assert [event.revision async for event in session.watch(after=0, until_ended=True)] == [1, 2, 3]


async def test_a_deletion_ends_the_watch(client, name):
    session = await client.create_session(name)
    async with session.watch() as watch:
        await client.delete_session(name)
        with pytest.raises(sojourn.SessionDeletedError):
            await take(watch, 1)


async def test_watch_many_sessions(client, name):
    await client.create_session(f"{name}-0", project=name)
    async with client.watch_sessions(project=name, snapshot=True) as watch:
        assert [session.id for session in watch.snapshots] == [f"{name}-0"]
        for number in (1, 2):
            session = await client.create_session(f"{name}-{number}", project=name)
            await session.set_state({"n": number})
        events = await take(watch, 4)
    for number in (1, 2):
        mine = [event.revision for event in events if event.session_id == f"{name}-{number}"]
        assert mine == [1, 2]


async def test_read_the_log(client, name):
    session = await client.create_session(name)
    for number in range(5):
        await session.set_state({"n": number})
    assert [event.revision async for event in session.events()] == [1, 2, 3, 4, 5, 6]
    assert [event.revision async for event in session.events(after=2, before=5)] == [3, 4]
    assert [event.revision async for event in session.events(reverse=True, limit=2)] == [6, 5]


async def test_two_writers_one_order(client, name):
    session = await client.create_session(name)
    async with sojourn.Client(client.target, writer="bob") as other, session.watch() as watch:
        for number in range(5):
            await session.set_state({"ann": number})
            await other.session(name).set_state({"bob": number})
        events = await take(watch, 10)
    assert [event.writer for event in events] == ["", "bob"] * 5
    assert all(event.revision == revision for event, revision in zip(events, count(2), strict=False))
