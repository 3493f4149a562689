"""A store that is made to lose what it has, with everything around it that brings it back."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sojourn.v1 import event_pb2
from sojourn_server.blobs.opening import open_blobs
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.domain.cursor import SessionCursor
from sojourn_server.domain.events import Precondition, StoredEvent
from sojourn_server.domain.session import Session
from sojourn_server.ports import EventQuery
from sojourn_server.store.opening import StoreSettings, open_store
from sojourn_server.usecases.history import History

from .engine_server import EngineServer
from .replays import changes_write, create, says
from .sessions import Desk
from .store_engines import SHARDS
from .tiering import Worker, worker


class Place:
    """A worker at an engine that may lose data, with a catalog and a blob store that do not."""

    def __init__(self, engine: EngineServer, desk: Desk, worker: Worker, catalog: SqlCatalog) -> None:
        self.engine, self.desk, self.worker, self.catalog = engine, desk, worker, catalog
        self.history = History(worker.store, catalog)
        desk.store.hub.read_through(self.history)

    @property
    def recovery(self):
        return self.worker.tiers.recovery

    async def create(self, sid: str = "s", **begins_with: object) -> SessionCursor:
        """A session that the catalog has."""
        await create(self.desk, sid, **begins_with)
        await self.project(sid)
        return await self.cursor(sid)

    async def say(self, *lines: str, sid: str = "s", known: SessionCursor | None = None) -> SessionCursor:
        """Writes messages; where the last is."""
        for line in lines:
            cursor = await self.change(says(line), sid=sid, known=known)
        return cursor

    async def change(
        self, *changes: event_pb2.Change, sid: str = "s", known: SessionCursor | None = None
    ) -> SessionCursor:
        """A caller's write."""
        write = changes_write(self.desk, sid, *changes)
        if known:
            write.precondition = Precondition(known=known)
        return (await self.worker.store.write(write)).cursor

    async def project(self, *sids: str) -> None:
        """Brings sessions into the catalog."""
        await self.worker.tiers.projector.project([self.desk.key(sid) for sid in sids or ("s",)])

    async def cursor(self, sid: str = "s") -> SessionCursor:
        session = await self.get(sid)
        return SessionCursor(session.uid, session.incarnation, session.revision, session.updated_us)

    async def get(self, sid: str = "s") -> Session:
        """The session, from wherever it is."""
        return await self.worker.store.get(self.desk.key(sid), full=True)

    async def events(self, sid: str = "s") -> list[StoredEvent]:
        """The whole log."""
        found: list[StoredEvent] = []
        while True:
            query = EventQuery(after=found[-1].revision if found else 0)
            page = await self.history.events(self.desk.key(sid), query)
            found += page.events
            if not page.more:
                return found

    async def kinds(self, sid: str = "s") -> list[str]:
        """What happened, event by event."""
        return [
            " ".join(change.WhichOneof("kind") or "" for change in event_pb2.Event.FromString(event.body).changes)
            for event in await self.events(sid)
        ]


@asynccontextmanager
async def place(engine: EngineServer, directory: Path, desk: Desk | None = None) -> AsyncIterator[Place]:
    """A worker of its own, at whatever the engine, the catalog and the blob store in the directory have."""
    async with AsyncExitStack() as stack:
        store = await open_store(StoreSettings(engine.url, shards=SHARDS), stack)
        catalog = SqlCatalog(open_engine(f"sqlite:///{directory / 'catalog.db'}"))
        stack.push_async_callback(catalog.close)
        blobs = open_blobs((directory / "blobs").as_uri())
        stack.callback(blobs.close)
        one = worker(store, catalog, blobs, recent_after_seconds=0, archive_after_seconds=1_000, snapshot_seconds=0)
        stack.push_async_callback(one.close)
        await one.tiers.recovery.recover()
        yield Place(engine, Desk(store, desk.tenant if desk else ""), one, catalog)


class Copy:
    """A copy of what a persistent engine has on its disk."""

    def __init__(self, engine: EngineServer) -> None:
        self._engine = engine
        self._directory = engine.files.socket.parent
        self._copy = self._directory.with_name(self._directory.name + "-copy")

    async def take(self) -> None:
        """Copies what is there now."""
        self.discard()
        self._engine.pause()
        try:
            for name in ("appendonlydir",):
                shutil.copytree(self._directory / name, self._copy / name)
        finally:
            self._engine.resume()

    async def put_back(self) -> None:
        """Kills the engine, and starts it with the copy."""
        await self._engine.kill()
        shutil.rmtree(self._directory / "appendonlydir")
        shutil.copytree(self._copy / "appendonlydir", self._directory / "appendonlydir")
        await self._engine.start()

    def discard(self) -> None:
        """Removes the copy."""
        shutil.rmtree(self._copy, ignore_errors=True)
