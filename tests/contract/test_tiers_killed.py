"""Whoever moves a session is killed at every single step: what is left is the session, whole, and whoever comes next
finishes what was begun."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.usecases.forking import NewFork
from tests.support.replays import changes_write
from tests.support.tiering import Fate, KilledError, Place, Seen, Worker, paths


async def at_every_step(
    place: Place, prepare: Callable[[], Awaitable[SessionKey]], do: Callable[[Worker, SessionKey], Awaitable[Any]],
    check: Callable[[SessionKey, Seen], Awaitable[None]], **settings: Any,
) -> int:  # fmt: skip
    """Does it, killed before each change in turn, and checks what is left; returns how many there were."""
    for step in count():
        key = await prepare()
        before = await place.seen(key)
        fate = Fate(step)
        async with place.worker(fate, **settings) as mortal:
            with suppress(KilledError):
                await asyncio.wait_for(do(mortal, key), 30)
        await check(key, before)
        if not fate.dead:
            return step
    raise AssertionError


async def go_down(one: Worker, key: SessionKey) -> None:
    """Everything that happens by itself to a session that has ended, until it is an archive object."""
    await one.tiers.projector.drain(key.tenant)
    await one.archiver.look()


async def test_a_session_on_its_way_to_the_archive(place):
    async def check(key: SessionKey, before: Seen) -> None:
        assert await place.seen(key) == before
        await place.settle()
        assert await place.seen(key) == before
        await place.check_whole(key, Tier.ARCHIVE)

    steps = await at_every_step(place, place.ended, go_down, check)
    assert steps > 6
    await place.check_no_orphans()


async def test_a_label_for_an_archived_session(place):
    async def do(one: Worker, key: SessionKey) -> None:
        label = event_pb2.Change(info_updated=event_pb2.InfoUpdated(add_tags=["late"]))
        write = changes_write(place.desk, key.session_id, label)
        await one.store.write(write)

    async def check(key: SessionKey, before: Seen) -> None:
        seen = await place.seen(key)
        await place.settle()
        assert await place.seen(key) == seen
        assert seen.events[: len(before.events)] == before.events
        assert len(seen.events) - len(before.events) == ("late" in seen.session.tags)
        await place.check_whole(key, Tier.ARCHIVE)

    assert await at_every_step(place, place.archived, do, check) >= 2
    await place.check_no_orphans()


async def test_a_resume(place):
    async def do(one: Worker, key: SessionKey) -> None:
        await one.calls.resuming.resume(key, writer="", idempotency_key="k")

    async def check(key: SessionKey, before: Seen) -> None:
        await place.settle()
        async with place.worker() as one:
            resumed = await one.calls.resuming.resume(key, writer="", idempotency_key="k")
        assert resumed.resumed
        seen = await place.seen(key)
        assert seen.events[:-1] == before.events
        assert (seen.session.uid, seen.session.status) == (before.session.uid, SessionStatus.ACTIVE)
        await place.settle()
        await place.check_whole(key, Tier.HOT)

    assert await at_every_step(place, place.archived, do, check) >= 2
    await place.check_no_orphans()


async def test_a_fork(place):
    async def do(one: Worker, key: SessionKey) -> None:
        await one.calls.forking.fork(NewFork(key, 3, f"{key.session_id}-fork", idempotency_key=key.session_id))

    async def check(key: SessionKey, before: Seen) -> None:
        async with place.worker() as one:
            await do(one, key)
        fork = await place.seen(place.desk.key(f"{key.session_id}-fork"))
        assert [body for _, _, body in fork.events[:-1]] == [body for _, _, body in before.events[:3]]
        assert (fork.session.revision, fork.session.parent) == (4, key.session_id)
        assert await place.seen(key) == before
        await place.settle()
        await place.check_whole(place.desk.key(f"{key.session_id}-fork"), Tier.HOT)
        await place.check_whole(key, Tier.ARCHIVE)

    assert await at_every_step(place, place.archived, do, check) >= 2
    await place.check_no_orphans()


async def test_a_deletion(place):
    async def do(one: Worker, key: SessionKey) -> None:
        await one.sessions.delete(key, expected_revision=None, idempotency_key="k")
        await one.background.wait()

    async def check(key: SessionKey, before: Seen) -> None:
        with suppress(NotFoundError):
            assert await place.seen(key) == before
        async with place.worker() as one:
            await do(one, key)
        with pytest.raises(NotFoundError) as raised:
            await place.seen(key)
        assert raised.value.reason == "SESSION_DELETED"
        assert await place.tier(key) is None

    assert await at_every_step(place, place.archived, do, check) >= 2
    await place.check_no_orphans()
    assert await paths(place.blobs) == []


async def test_the_end_of_the_retention(place):
    async def do(one: Worker, key: SessionKey) -> None:
        await one.archiver.look()

    async def check(key: SessionKey, before: Seen) -> None:
        await place.settle(retention_seconds=0.000001)
        assert await place.tier(key) is None
        with pytest.raises(NotFoundError):
            await place.seen(key)

    assert await at_every_step(place, place.archived, do, check, retention_seconds=0.000001) > 1
    await place.check_no_orphans()
    assert await paths(place.blobs) == []
