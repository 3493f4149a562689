"""Sessions that last: saved, resumed after their end, forked, and cleaned up."""

import pytest

import sojourn


async def test_resume_a_session_that_has_ended(client, name):
    session = await client.create_session(name, state={"n": 1})
    await session.complete()
    assert await session.resume() is True
    assert (session.info.status, session.info.state) == ("active", {"n": 1})
    assert await session.resume() is False  # it is active already
    await session.set_state({"n": 2})


async def test_fork_a_session_as_it_was(client, name):
    session = await client.create_session(name, state={"n": 1})
    await session.add_message("user", "first")
    before = await session.set_state({"n": 2})
    await session.set_state({"n": 3})
    fork = await session.fork(at_revision=before, session_id=f"{name}-fork")
    assert (fork.id, fork.info.parent, fork.info.state) == (f"{name}-fork", name, {"n": 2})
    assert fork.info.revision == before + 1
    await fork.set_state({"n": 4})
    assert [message.content async for message in fork.messages()] == ["first"]
    assert (await session.refresh()).state == {"n": 3}  # stays as it is
    now = await session.fork()
    assert now.info.state == {"n": 3}


async def test_save_a_session(client, name):
    session = await client.create_session(name)
    storage = await session.save()
    assert storage.tier == "hot"
    assert storage.snapshot_path


async def test_clean_up(client, name):
    for number in range(4):
        session = await client.create_session(f"{name}-{number}", project=name)
        await session.set_state({"n": number})

    async def cleaned(**how):
        found = [progress async for progress in client.cleanup(project=name, **how)]
        assert [progress.done for progress in found] == [False] * (len(found) - 1) + [True]
        return sorted(session.id for progress in found for session in progress.sessions)

    assert await cleaned(keep_newest=1, dry_run=True) == [f"{name}-0", f"{name}-1", f"{name}-2"]
    assert await client.count_sessions(project=name) == 4
    assert await cleaned(keep_newest=3, action="abandon") == [f"{name}-0"]
    assert (await client.get_session(f"{name}-0")).info.status == "abandoned"
    assert await cleaned(status="abandoned") == [f"{name}-0"]
    with pytest.raises(sojourn.SessionDeletedError):
        await client.get_session(f"{name}-0")
