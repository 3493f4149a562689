"""Whoever moves a session is killed at every single step: what is left is the session, whole, and whoever comes next
finishes what was begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn_server.blobs.opening import open_blobs
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.events import NO_PRECONDITION
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.ports.blobs import BlobStore
from sojourn_server.store.opening import Store
from sojourn_server.usecases.forking import NewFork
from tests.support.replays import changes_write, create, says
from tests.support.sessions import Desk
from tests.support.tiering import AT_ONCE, Fate, KilledError, Seen, Worker, look, paths, worker

from .conftest import no_leftovers


class Place:
    """A store, a catalog and a blob store, and what is done to a session in them."""

    def __init__(self, store: Store, catalog: SqlCatalog, blobs: BlobStore) -> None:
        self.store, self.catalog, self.blobs = store, catalog, blobs
        self.desk = Desk(store)
        self.number = 0

    @asynccontextmanager
    async def worker(self, fate: Fate | None = None, **settings: Any) -> AsyncIterator[Worker]:
        one = worker(self.store, self.catalog, self.blobs, fate, **AT_ONCE | settings)
        try:
            yield one
        finally:
            await one.close()

    async def ended(self) -> SessionKey:
        """A session with some history, that has ended."""
        self.number += 1
        key = self.desk.key(f"s{self.number}")
        await create(self.desk, key.session_id, purpose="to be moved", tags=("a",), state={"n": b"1"})
        for text in ("one", "two"):
            await self.store.active.write(changes_write(self.desk, key.session_id, says(text)))
        started = event_pb2.InvocationStarted(invocation_id="i", tool="t")
        result = event_pb2.ResultSet(name="r", value=session_pb2.Value(json=b"[1]"))
        await self.store.active.write(
            changes_write(
                self.desk, key.session_id,
                event_pb2.Change(invocation_started=started), event_pb2.Change(result_set=result),
            )
        )  # fmt: skip
        await self.store.lifecycle.end(
            key, SessionStatus.COMPLETED, "", writer="", precondition=NO_PRECONDITION, idempotency_key=""
        )
        return key

    async def archived(self) -> SessionKey:
        """A session in the archive tier."""
        key = await self.ended()
        await self.settle()
        return key

    async def settle(self, **settings: Any) -> None:
        """Whoever comes next does what is to be done, until there is no more."""
        async with self.worker(**settings) as one:
            for _ in range(2):
                await one.tiers.projector.drain(self.desk.tenant)
                await one.archiver.look()

    async def seen(self, key: SessionKey) -> Seen:
        async with self.worker() as reader:
            return await look(reader, key)

    async def tier(self, key: SessionKey) -> Tier | None:
        row = await self.catalog.get(key)
        return row and row.tier

    async def check_whole(self, key: SessionKey, tier: Tier) -> None:
        """The session is in exactly this tier, with one file that is its own."""
        row = await self.catalog.get(key)
        assert row is not None
        assert row.tier is tier
        standing = (await self.store.outbox.standings([key]))[0]
        assert bool(standing.uid) == (tier is Tier.HOT)
        if tier is not Tier.HOT:
            path = row.archive_path if tier is Tier.ARCHIVE else row.snapshot_path
            assert await self.blobs.head(path) is not None
            assert (row.snapshot_path == "") == (tier is Tier.ARCHIVE)
            assert (row.archive_path == "") == (tier is not Tier.ARCHIVE)

    async def check_no_orphans(self) -> None:
        """After a sweep the blob store holds what the catalog refers to, nothing else."""
        async with self.worker() as one:
            await one.archiver._sweep.run(2**62)
        left = await paths(self.blobs)
        assert await self.catalog.tiers.used_paths(left) == set(left)

    async def end(self) -> None:
        """Leaves nothing in the engine."""
        await self.desk.delete_all()


@pytest.fixture
async def place(embedded, databases, tmp_path) -> AsyncIterator[Place]:
    engine = open_engine(await databases.migrated("sqlite"))
    catalog = SqlCatalog(engine)
    blobs = open_blobs(f"file://{tmp_path}/blobs")
    async with no_leftovers(embedded) as open_one:
        place = Place(await open_one(), catalog, blobs)
        await place.store.residence.know_all()
        yield place
        await place.end()
    await catalog.close()
    blobs.close()


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
        await place.settle()
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
        await place.settle()
        with suppress(NotFoundError):
            assert await place.seen(key) == before
            await place.check_whole(key, Tier.ARCHIVE)
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
