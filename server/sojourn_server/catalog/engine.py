"""Opening the catalog's database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .faults import translated
from .words import indexed_words

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
CONNECT_SECONDS = 5.0
"""A server that takes longer to accept a connection is down."""
LOCKED_SECONDS = 2.0
"""So long a file may be locked by others who make it."""
PRAGMAS = (
    "journal_mode=WAL",  # readers never wait for the writer
    "synchronous=FULL",  # an acknowledged commit is on disk: the active store drops events because of it
    "foreign_keys=ON",
    "trusted_schema=ON",  # a trigger of ours calls `sojourn_words`
    "cache_size=-16000",  # KiB
    "temp_store=MEMORY",
)
EXPECTED = "catalog URL: expected sqlite:///path or postgresql://host/database"


def open_engine(url: str, *, pool_size: int = 5, timeout: float = 30.0) -> AsyncEngine:
    """An engine for a catalog URL: `sqlite:///path` or `postgresql://user:password@host/database`.

    Args:
        pool_size: most connections.
        timeout: seconds a statement may take, and a writer or a caller without a connection waits for others.

    Raises:
        ValueError: another kind of URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError(EXPECTED) from error
    driver = DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise ValueError(EXPECTED)
    parsed = parsed.set(drivername=driver)
    return (_open_sqlite if driver.startswith("sqlite") else _open_postgresql)(parsed, pool_size, timeout)


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for statements that write nothing. Raises CatalogUnavailableError."""
    with translated():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction, committed at the end. SQLite has one writer at a time: its lock is taken here, not
    by the first statement that writes, so that what was read before is still so. Raises CatalogUnavailableError."""
    with translated():
        async with engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                await connection.execute(text("BEGIN IMMEDIATE"))
            else:
                # A plan for every row, and for every look whether its session is there, would cost more than the rows.
                await connection.execute(text("SET LOCAL plan_cache_mode = auto"))
            yield connection


def _open_sqlite(url: URL, pool_size: int, timeout: float) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise ValueError("catalog URL: SQLite needs a file, because several connections share it")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url, connect_args={"timeout": timeout}, pool_size=pool_size, max_overflow=0, pool_timeout=timeout
    )
    event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, record: Any) -> None:
    try:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            _set(cursor, pragma)
        cursor.close()
        connection.create_function("sojourn_words", 2, indexed_words, deterministic=True)
    except BaseException:
        connection.close()  # the pool does not know it yet, and it has a thread
        raise


def _set(cursor: Any, pragma: str) -> None:
    """A new file becomes one with a write-ahead log by whoever is first, and SQLite lets others fail at once meanwhile
    instead of waiting as for any other lock."""
    until = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _open_postgresql(url: URL, pool_size: int, timeout: float) -> AsyncEngine:
    query = dict(url.query)
    if "sslmode" in query:  # libpq's name for it, which people copy
        query.setdefault("ssl", query.pop("sslmode"))
    return create_async_engine(
        url.set(query=query),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        # A server that restarted is noticed before a connection is used, not by the call that uses it.
        pool_pre_ping=True,
        connect_args={
            "timeout": min(timeout, CONNECT_SECONDS),
            "command_timeout": timeout,
            "server_settings": {
                "application_name": "sojourn",
                "synchronous_commit": "on",  # the active store drops events because of a commit
                "jit": "off",  # compiling takes longer than our statements
                # Pages are in memory or on flash, and no question is answered best by reading a table from end to end.
                "random_page_cost": "1.1",
                "enable_seqscan": "off",
                # A plan that suits a rare word, tag or user is bad for a common one; planning takes a millisecond.
                "plan_cache_mode": "force_custom_plan",
            },
        },
    )
