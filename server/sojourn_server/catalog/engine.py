"""Opening the catalog's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

BUSY_SECONDS = 30.0
"""How long a writer waits for another one of SQLite: several workers share the file."""


def open_engine(url: str, *, pool_size: int = 5) -> AsyncEngine:
    """An engine for a catalog URL: `sqlite:///path` or `postgresql://user:password@host/database`.

    Raises:
        ValueError: another kind of URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("catalog URL: expected sqlite:///path or postgresql://host/database") from error
    driver = DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise ValueError("catalog URL: expected sqlite:///path or postgresql://host/database")
    parsed = parsed.set(drivername=driver)
    if driver.startswith("sqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("catalog URL: SQLite needs a file, because several connections share it")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, pool_size=pool_size)
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine
    # A server that restarted is noticed before a connection is used, not by the call that uses it.
    return create_async_engine(parsed, pool_size=pool_size, max_overflow=0, pool_pre_ping=True, pool_timeout=10)


def _tune_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    # Readers never wait for the writer; an acknowledged commit is on disk: the active store drops events because of it.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
