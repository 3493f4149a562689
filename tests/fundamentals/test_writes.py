"""Writes: atomic, ordered, conditional, safe to repeat.

A write is one or more changes that are committed together as one event with the next revision, or not at all. Any
number of writers may write to a session; the server puts their writes into one order.
"""

import asyncio

import pytest

import sojourn


async def test_a_write_gives_the_next_revision(client, name):
    session = await client.create_session(name)
    assert await session.set_state({"n": 1}) == 2
    assert await session.set_state({"n": 2}) == 3


async def test_several_changes_in_one_write(client, name):
    session = await client.create_session(name)
    async with session.write() as write:
        write.set_state({"step": "answer"})
        write.add_message("user", "What is the weather?")
        write.log("asked")
    assert write.revision == 2
    events = [event async for event in session.events(after=1)]
    assert [change.kind for change in events[0].changes] == ["state_set", "message_appended", "log_appended"]


async def test_an_exception_in_the_block_writes_nothing(client, name):
    session = await client.create_session(name)

    async def interrupted():
        async with session.write() as write:
            write.set_state({"n": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    assert (await session.refresh()).revision == 1


async def test_all_or_nothing(client, name):
    session = await client.create_session(name, state={"text": "x"})

    async def half_wrong():
        async with session.write() as write:
            write.set_state({"n": 1})
            write.increment_state("text")

    with pytest.raises(sojourn.NotAnIntegerError):
        await half_wrong()
    assert (await session.refresh()).state == {"text": "x"}


async def test_write_only_at_the_revision_that_was_read(client, name):
    session = await client.create_session(name)
    await session.set_state({"n": 1}, expected_revision=1)
    with pytest.raises(sojourn.RevisionConflictError) as raised:
        await session.set_state({"n": 2}, expected_revision=1)
    assert raised.value.revision == 2


async def test_the_same_key_applies_once(client, name):
    session = await client.create_session(name)
    for _ in range(2):
        async with session.write(idempotency_key="payment-17") as write:
            write.increment_state("paid")
        assert write.revision == 2
    assert write.result.replayed
    assert (await session.refresh()).state == {"paid": 1}


async def test_count_without_reading(client, name):
    session = await client.create_session(name)
    await asyncio.gather(*(session.increment_state("hits") for _ in range(50)))
    assert (await session.refresh()).state == {"hits": 50}


async def test_delete_state(client, name):
    session = await client.create_session(name, state={"a": 1, "b": 2})
    await session.delete_state("a")
    assert (await session.refresh()).state == {"b": 2}


async def test_every_result_says_what_it_survives(client, name):
    session = await client.create_session(name)
    async with session.write() as write:
        write.set_state({"n": 1})
    assert write.result.durability == "relaxed"  # this server is ephemeral
