"""Deleting sessions."""

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import ConflictError, NotFoundError


async def test_nothing_of_it_is_left_but_a_tombstone(desk, engine):
    await desk.create(state={"k": b"1"}, idle_timeout_ms=1000)
    await desk.add(2)
    assert await desk.delete() == 3
    keys = desk.keys()
    assert await engine.at_owner("EXISTS", keys.head, keys.events, keys.requests, keys.by_creation) == 0
    assert await engine.at_owner("ZSCORE", keys.shard.due, keys.member) is None
    assert await engine.at_owner("HGET", keys.tombstone, "rev") == "3"


@pytest.mark.parametrize("call", ["get", "events", "delete", "write"])
async def test_every_call_tells_that_it_was_deleted(desk, call):
    await desk.create()
    await desk.add(1)
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await (desk.write(ch.LogAppended()) if call == "write" else getattr(desk, call)())
    assert raised.value.reason == "SESSION_DELETED"
    assert raised.value.metadata == {"session_id": "s", "revision": "2"}


async def test_what_never_was(desk):
    with pytest.raises(NotFoundError) as raised:
        await desk.delete()
    assert raised.value.reason == "SESSION_NOT_FOUND"


async def test_at_the_expected_revision_alone(desk):
    await desk.create()
    await desk.add(1)
    with pytest.raises(ConflictError) as raised:
        await desk.delete(expected_revision=1)
    assert raised.value.reason == "REVISION_CONFLICT"
    assert raised.value.metadata["revision"] == "2"
    assert (await desk.get()).revision == 2
    assert await desk.delete(expected_revision=2) == 2


async def test_the_outbox_is_told(desk, engine):
    await desk.create()
    keys = desk.keys()
    await engine.at_owner("ZREM", keys.shard.dirty, keys.member)
    await desk.delete()
    assert await engine.at_owner("ZSCORE", keys.shard.dirty, keys.member) is not None
