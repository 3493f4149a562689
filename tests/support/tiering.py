"""The tiers put together over a store, a catalog and a directory, with a hook that kills whoever works at any step."""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from sojourn.v1 import event_pb2, session_pb2
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.compose_tiers import Tiers, TierUseCases, compose_tiers, make_archiver, tier_use_cases
from sojourn_server.domain.events import NO_PRECONDITION
from sojourn_server.domain.requests import NewRequest, Quotas, RequestKey, RequestOutcome
from sojourn_server.domain.session import Session, SessionKey, SessionStatus, Tier
from sojourn_server.ports import EventQuery
from sojourn_server.ports.blobs import Blob, BlobStore
from sojourn_server.rpc.codec import ProtoCodec
from sojourn_server.settings import Settings
from sojourn_server.store.opening import Store
from sojourn_server.usecases.archiver import Archiver
from sojourn_server.usecases.background import Background
from sojourn_server.usecases.history import History
from sojourn_server.usecases.lifecycle import Expiry, Places
from sojourn_server.usecases.sessions import Sessions

from .replays import changes_write, create, says
from .sessions import Desk

AT_ONCE: dict[str, Any] = {"recent_after_seconds": 0, "archive_after_seconds": 0, "snapshot_seconds": 0}
NEVER = 1_000_000
"""Seconds that no test lasts."""


class KilledError(BaseException):
    """The process is dead: nothing that is tried afterwards happens."""


CHANGES = frozenset(  # of all adapters
    [
        "put",
        "delete",
        "move",
        "set_snapshot",
        "bring_back",
        "insert",
        "remove",
        "project",
        "forget",
        "adopt",
        "retire",
        "learn",
        "know_all",
        "projected",
        "forgotten",
        "postpone",
        "create",
        "mint",
        "write",
        "write_many",
        "trim",
    ]
)
"""Calls that change something. To die before any other call is to die before the next of these."""


@dataclass
class Fate:
    """Kills before the change with number `at` (from 0; None: never). That is after the one before it, too: what was
    done and what its caller learned of it differ in nothing once the caller is dead."""

    at: int | None = None
    changes: int = 0
    dead: bool = False

    def strike(self, name: str) -> None:
        """A call is about to be made."""
        if name in CHANGES:
            self.dead |= self.changes == self.at
            self.changes += 1
        if self.dead:
            raise KilledError


class Mortal:
    """An adapter whose calls are under a fate."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return Mortal(found, self._fate) if name == "tiers" else found

        def begin(*args: Any, **kwargs: Any) -> Any:
            self._fate.strike(name)
            return found(*args, **kwargs)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await begin(*args, **kwargs)

        return call if inspect.iscoroutinefunction(found) else begin


class Clock:
    """The ClockPort."""

    def seconds(self) -> int:
        return 0


@dataclass
class Worker:
    """One process' use cases over a store, a catalog and a blob store."""

    tiers: Tiers
    calls: TierUseCases
    sessions: Sessions
    history: History
    archiver: Archiver
    background: Background

    @property
    def store(self) -> Any:
        """The store over all tiers."""
        return self.tiers.store

    async def close(self) -> None:
        await self.background.close(1)


def worker(store: Store, catalog: SqlCatalog, blobs: BlobStore, fate: Fate | None = None, **settings: Any) -> Worker:
    """A new process; with a fate, one that may be killed."""
    if fate is not None:
        names = ("active", "outbox", "residence")
        store = replace(store, **{name: Mortal(getattr(store, name), fate) for name in names})
        catalog, blobs = Mortal(catalog, fate), Mortal(blobs, fate)  # type: ignore[assignment]
    background = Background()
    chosen = Settings(ephemeral=True, **settings)
    tiers = compose_tiers(store, catalog, blobs, background, secrets.token_hex(4), chosen)
    places = Places(store.occupancy, tiers.store, tiers.lifecycle, Quotas(), Expiry())
    sessions = Sessions(tiers.store, tiers.lifecycle, ProtoCodec(), Clock(), places, Expiry())
    calls = tier_use_cases(tiers, store, catalog, sessions, places, Clock())
    history = History(tiers.store, catalog)
    return Worker(tiers, calls, sessions, history, make_archiver(tiers, store, catalog, blobs, chosen), background)


@dataclass(frozen=True)
class Seen:
    """A session as a reader sees it, but for where it is."""

    session: Session
    events: tuple[tuple[int, int, bytes], ...]


async def look(worker: Worker, key: SessionKey, *, page: int = 100) -> Seen:
    """Reads a session and its whole log."""
    session = await worker.store.get(key, full=True)
    events: list[tuple[int, int, bytes]] = []
    scanned = 0
    while True:
        found = await worker.history.events(key, EventQuery(after=scanned, count=page))
        events += [(event.revision, event.commit_us, event.body) for event in found.events]
        scanned = found.scanned
        if not found.more:
            break
    return Seen(without_place(session), tuple(events))


def without_place(session: Session) -> Session:
    """The session, but for where it is and who looks at it."""
    return replace(session, tier=session.tier.HOT, snapshot_path="", archive_path="", connection_count=0)


async def paths(blobs: BlobStore) -> list[str]:
    """Everything in the blob store."""
    return sorted([blob.path async for blob in _all(blobs)])


async def _all(blobs: BlobStore) -> Any:
    for folder in ("sessions", "artifacts", "uploads", "incoming"):
        blob: Blob
        async for blob in blobs.list(folder):
            yield blob


class Place:
    """A store, a catalog and a blob store, and what is done to a session in them."""

    def __init__(self, store: Store, catalog: SqlCatalog, blobs: BlobStore) -> None:
        self.store, self.catalog, self.blobs = store, catalog, blobs
        self.desk = Desk(store)
        self.number = 0
        self.anything = NO_PRECONDITION

    async def both(self, *work: Awaitable[Any]) -> None:
        """Does several things at once."""
        await asyncio.gather(*work)

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

    async def live(self) -> SessionKey:
        """A session that goes on."""
        self.number += 1
        key = self.desk.key(f"s{self.number}")
        await create(self.desk, key.session_id)
        return key

    async def busy(self) -> SessionKey:
        """A session that has ended, with a request that goes on."""
        key = await self.live()
        await self.store.requests.begin(NewRequest(RequestKey(key, "r")), Quotas())
        await self.store.lifecycle.end(
            key, SessionStatus.COMPLETED, "", writer="", precondition=NO_PRECONDITION, idempotency_key=""
        )
        return key

    async def finish(self, key: SessionKey) -> None:
        """Its request ends."""
        await self.store.requests.finish(RequestKey(key, "r"), RequestOutcome.SUCCEEDED, "")

    async def lose(self, key: SessionKey) -> None:
        """The active store forgets a session."""
        keys = self.desk.keys(key.session_id)
        nodes = self.store.nodes
        await nodes.link(keys.shard).submit(("UNLINK", keys.head, keys.events), write=True)

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
