"""Sessions: created, read, found, ended, deleted.

A session is a long-lived unit of work with an id, labels, state, a status and an event log. Its revision counts its
writes: 1 for the creation, then 2, 3, ...
"""

import pytest

import sojourn


async def test_create_a_session(client):
    session = await client.create_session(purpose="review", user_id="ann", tags=["urgent"], state={"step": "plan"})
    assert session.info.revision == 1
    assert session.info.status == "active"
    assert session.info.state == {"step": "plan"}


async def test_choose_the_id_or_let_the_server_mint_one(client, name):
    chosen = await client.create_session(name)
    minted = await client.create_session(kind="qa")
    assert chosen.id == name
    assert minted.id.startswith("qa-")


async def test_an_id_is_taken_once(client, name):
    await client.create_session(name)
    with pytest.raises(sojourn.SessionAlreadyExistsError):
        await client.create_session(name)


async def test_get_or_create(client, name):
    first = await client.get_or_create_session(name, state={"n": 1})
    again = await client.get_or_create_session(name, state={"n": 2})
    assert again.info.uid == first.info.uid
    assert again.info.state == {"n": 1}


async def test_get_a_session(client, name):
    await client.create_session(name, purpose="review")
    session = await client.get_session(name)
    assert session.info.purpose == "review"


async def test_a_session_that_is_not_there(client, name):
    with pytest.raises(sojourn.SessionNotFoundError):
        await client.get_session(name)


async def test_a_handle_costs_nothing(client, name):
    await client.create_session(name)
    handle = client.session(name)
    await handle.set_state({"n": 1})
    assert (await handle.refresh()).state == {"n": 1}


async def test_update_purpose_tags_and_metadata(client, name):
    session = await client.create_session(name, tags=["new"])
    await session.update(purpose="triage", add_tags=["seen"], remove_tags=["new"], metadata={"ticket": 17})
    info = await session.refresh()
    assert (info.purpose, info.tags, info.metadata) == ("triage", ("seen",), {"ticket": 17})


async def test_list_and_filter(client, name):
    await client.create_session(f"{name}-1", project=name, user_id="ann", tags=["hot"])
    await client.create_session(f"{name}-2", project=name, user_id="bob", tags=["hot"])
    done = await client.create_session(f"{name}-3", project=name, user_id="bob")
    await done.complete()

    async def found(**conditions):
        return [session.id async for session in client.list_sessions(project=name, **conditions)]

    assert await found() == [f"{name}-3", f"{name}-2", f"{name}-1"]  # newest first
    assert await found(user_id="bob", tags=["hot"]) == [f"{name}-2"]
    assert await found(status="completed") == [f"{name}-3"]
    assert await found(limit=1) == [f"{name}-3"]


async def test_complete(client, name):
    session = await client.create_session(name)
    await session.complete(status="failed", error="the model gave up")
    info = await session.refresh()
    assert (info.status, info.error) == ("failed", "the model gave up")
    with pytest.raises(sojourn.SessionEndedError):
        await session.set_state({"n": 1})


async def test_delete(client, name):
    await client.create_session(name)
    await client.delete_session(name)
    with pytest.raises(sojourn.SessionDeletedError):
        await client.get_session(name)
