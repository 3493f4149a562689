"""Whoever moves a session is killed at every single step: what is left is the session, whole, and whoever comes next
finishes what was begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from sojourn_server.blobs.opening import open_blobs
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.domain.errors import NotFoundError
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.ports.blobs import BlobStore
from sojourn_server.store.opening import Store
from sojourn_server.usecases.forking import NewFork
from tests.support.replays import changes_write, create, says
from tests.support.sessions import Desk
from tests.support.tiering import AT_ONCE, NEVER, Fate, KilledError, Seen, Worker, look, paths, worker
from sojourn.v1 import event_pb2, session_pb2

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
            key, SessionStatus.COMPLETED, "", writer="", precondition=_anything(), idempotency_key=""
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
            for _ in range(4):
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


def _anything():
    from sojourn_server.domain.events import NO_PRECONDITION

    return NO_PRECONDITION


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
    check: Callable[[SessionKey, Seen], Awaitable[None]],
) -> int:  # fmt: skip
    """Does it, killed before and after each of its calls, and checks what is left; returns how many there were."""
    steps = 0
    for after in (False, True):
        step = 0
        while True:
            key = await prepare()
            before = await place.seen(key)
            fate = Fate(step, after=after)
            async with place.worker(fate) as mortal:
                with suppress(KilledError):
                    await asyncio.wait_for(do(mortal, key), 30)
            await check(key, before)
            if not fate.dead:
                break
            step += 1
        steps += step
    return steps


async def test_a_session_on_its_way_to_the_archive(place):
    async def check(key: SessionKey, before: Seen) -> None:
        assert await place.seen(key) == before
        await place.settle()
        assert await place.seen(key) == before
        await place.check_whole(key, Tier.ARCHIVE)

    steps = await at_every_step(place, place.ended, lambda one, key: one.archiver.look(), check)
    assert steps > 30
    await place.check_no_orphans()
