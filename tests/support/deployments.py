"""The two deployments that people choose between, for tests that must pass on both.

with deployments() as places:
    async with places.get("distributed").server(recent_after_seconds=1) as server:
        sojourn.Client(server.target)

`embedded` is the default: a data directory with an engine of the server's own, SQLite and files. `distributed` is a
Redis by URL, PostgreSQL and S3. PostgreSQL and S3 are started when they are first needed and shared by all servers;
each server has an engine, a database and a prefix of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psutil
from sqlalchemy.engine import make_url

from sojourn_server.catalog.engine import open_engine
from sojourn_server.catalog.migrating import migrate

from .catalogs import MEMORY, ROOM, SETTINGS, connected
from .engines import ValkeyProcess
from .object_store import ObjectStore
from .postgres_process import PostgresProcess
from .server import ServerUnderTest
from .store_engines import LoopThread

NAMES = ["embedded", "distributed"]
TEMPLATE = "sojourn_template"


class Deployment(Protocol):
    """One way to deploy Sojourn."""

    name: str

    def server(
        self, *, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> AbstractAsyncContextManager[ServerUnderTest]:
        """A server with data of its own, while the block lasts; `kill` and `start` it inside as you like.

        environment, settings: as of ServerUnderTest.
        """
        ...


class Embedded:
    """A data directory: the engine is the server's child, the catalog is SQLite, blobs are files."""

    name = "embedded"

    @asynccontextmanager
    async def server(
        self, *, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> AsyncIterator[ServerUnderTest]:
        roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        directory = Path(tempfile.mkdtemp(prefix="sojourn-data-", dir=MEMORY if roomy else None))
        try:
            async with ServerUnderTest(environment=environment, data_dir=directory / "data", **settings) as server:
                yield server
        finally:
            shutil.rmtree(directory, ignore_errors=True)


class Distributed:
    """A Redis by URL, PostgreSQL and S3."""

    name = "distributed"

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._starting: asyncio.Future[tuple[PostgresProcess, ObjectStore]] | None = None
        self._ending = AsyncExitStack()

    @asynccontextmanager
    async def server(
        self, *, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> AsyncIterator[ServerUnderTest]:
        engine = ValkeyProcess(tcp=True, persistent=True)
        try:
            # The loop of the caller may be a test's, and what is shared outlives it.
            postgres, objects = await asyncio.to_thread(self._thread.run, self._shared())
            catalog = await self._database(postgres)
            await asyncio.to_thread(self._thread.run, engine.start())
            told = {f"AWS_{name.upper()}": text for name, text in objects.options.items()}
            places = {"redis": engine.url, "catalog": catalog, "blobs": f"{objects.url}/{uuid4().hex[:12]}"}
            async with ServerUnderTest(environment=told | dict(environment or {}), **(places | settings)) as server:
                yield server
        finally:
            await asyncio.to_thread(self._thread.run, engine.stop())

    async def _shared(self) -> tuple[PostgresProcess, ObjectStore]:
        """What all servers use, started; whoever comes after a failure sees the same one."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> tuple[PostgresProcess, ObjectStore]:
        postgres, objects = PostgresProcess(), ObjectStore()
        self._ending.push_async_exit(postgres)
        self._ending.push_async_callback(self._stop, postgres)
        self._ending.callback(objects.close)
        await asyncio.gather(self._prepare(postgres), objects.start())
        return postgres, objects

    @staticmethod
    async def _prepare(postgres: PostgresProcess) -> None:
        """Starts it with settings for tests, and a database with the catalog's tables to be copied."""
        await postgres.start()
        url = postgres.url
        async with connected(url) as connection:
            for name, value in SETTINGS.items():
                await connection.execute(f"ALTER SYSTEM SET {name} = {value}")
            await connection.execute("SELECT pg_reload_conf()")
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        engine = open_engine(_named(url, TEMPLATE))
        await migrate(engine)
        await engine.dispose()

    @staticmethod
    async def _stop(postgres: PostgresProcess) -> None:
        """Lets it end by itself, at once: killed it would leave shared memory behind."""
        async with connected(postgres.url) as connection:
            pid = await connection.fetchval("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int")
        postmaster = psutil.Process(pid)
        postmaster.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(psutil.wait_procs, [postmaster], timeout=10)

    @staticmethod
    async def _database(postgres: PostgresProcess) -> str:
        """The URL of a new database with the catalog's tables."""
        name = f"t{uuid4().hex[:12]}"
        async with connected(postgres.url) as connection:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return _named(postgres.url, name)

    async def close(self) -> None:
        """Ends what servers shared, with its data."""
        await self._ending.aclose()


class Deployments:
    """Every deployment, and the thread that what outlives a test lives in."""

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self._distributed = Distributed(thread)
        self._found: dict[str, Deployment] = {"embedded": Embedded(), "distributed": self._distributed}

    def get(self, name: str) -> Deployment:
        """One of NAMES."""
        return self._found[name]

    @contextmanager
    def serving(self, deployment: Deployment, **settings: Any) -> Iterator[ServerUnderTest]:
        """`deployment.server(...)` for fixtures that many tests share, each with a loop of its own."""
        server = deployment.server(**settings)
        running = self.thread.run(server.__aenter__())
        try:
            yield running
        finally:
            self.thread.run(server.__aexit__(None, None, None))

    def close(self) -> None:
        """Ends what servers shared, with its data."""
        self.thread.run(self._distributed.close())


@contextmanager
def deployments() -> Iterator[Deployments]:
    """For a fixture."""
    with LoopThread() as thread:
        found = Deployments(thread)
        try:
            yield found
        finally:
            found.close()


def _named(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)
