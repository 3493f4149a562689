"""Tiers: where a session lives, and moving it.

A session that has ended leaves the active store for the catalog and a snapshot (the recent tier), and later for one
compressed object (the archive tier). Nobody who reads it notices. Resumed, it goes on where it was.
"""

import pytest

import sojourn


@pytest.fixture
async def ended(client, name):
    """A session that has ended, in the recent tier."""
    session = await client.create_session(name, user_id=name, tags=["done"], state={"step": 1})
    await session.add_message("user", "hello")
    await session.set_result("verdict", "good")
    await session.complete()
    await archive(client, name)
    return session


async def archive(client, name):
    """Moves the sessions of a user out of the active store now, instead of a few minutes after their end."""
    async for _ in client.cleanup(action="archive", user_id=name):
        pass


async def test_a_session_that_left_the_active_store_reads_as_before(client, ended):
    session = await client.get_session(ended.id)
    assert session.info.storage.tier == "recent"
    assert session.info.storage.snapshot_path
    assert (session.info.state, session.info.results) == ({"step": 1}, {"verdict": "good"})
    assert [message.content async for message in session.messages()] == ["hello"]


async def test_it_is_found_as_before(client, ended):
    assert [session.id async for session in client.list_sessions(user_id=ended.id, tiers=["recent"])] == [ended.id]
    assert [session.id async for session in client.list_sessions(user_id=ended.id, tiers=["hot"])] == []


async def test_resume_a_session(client, ended):
    session = client.session(ended.id)
    assert await session.resume()
    assert (session.info.status, session.info.storage.tier) == ("active", "hot")
    assert await session.set_state({"step": 2}) == ended.info.revision + 5
    assert [event.revision async for event in session.events()] == list(range(1, session.info.revision + 2))


async def test_resume_a_session_that_is_active(client, name):
    session = await client.create_session(name)
    assert not await session.resume()


async def test_fork_a_session(client, ended):
    fork = await client.session(ended.id).fork()
    assert (fork.info.status, fork.info.parent) == ("active", ended.id)
    assert fork.info.state == {"step": 1}
    assert [message.content async for message in fork.messages()] == ["hello"]
    assert (await client.get_session(ended.id)).info.status == "completed"


async def test_fork_a_session_as_it_was(client, name):
    session = await client.create_session(name, state={"step": 1})
    await session.set_state({"step": 2})
    fork = await session.fork(at_revision=1)
    assert fork.info.state == {"step": 1}
    assert fork.info.revision == 2


async def test_save_a_session(client, name):
    session = await client.create_session(name)
    storage = await session.save()
    assert storage.tier == "hot"
    assert storage.snapshot_path


async def test_label_a_session_that_has_left(client, ended):
    await client.session(ended.id).update(add_tags=["seen"])
    assert (await client.get_session(ended.id)).info.tags == ("done", "seen")


async def test_delete_a_session_that_has_left(client, ended):
    await client.delete_session(ended.id)
    with pytest.raises(sojourn.SessionDeletedError):
        await client.get_session(ended.id)


async def test_see_what_a_cleanup_would_do(client, name):
    session = await client.create_session(name, user_id=name)
    steps = [step async for step in client.cleanup(user_id=name, dry_run=True)]
    assert [found.id for step in steps for found in step.sessions] == [name]
    assert (await session.refresh()).status == "active"


async def test_keep_the_newest(client, name):
    for number in range(3):
        await client.create_session(f"{name}-{number}", user_id=name)
    steps = [step async for step in client.cleanup(user_id=name, keep_newest=1)]
    assert (steps[-1].cleaned, steps[-1].done) == (2, True)
    assert [session.id async for session in client.list_sessions(user_id=name)] == [f"{name}-2"]
