"""What can go wrong between us and a database, as the domain's error. The only place that knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..domain.errors import CatalogUnavailableError

log = structlog.get_logger()

_SQLITE = {
    sqlite3.SQLITE_BUSY: "it is busy with another writer",
    sqlite3.SQLITE_LOCKED: "it is busy with another writer",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_IOERR: "its disk does not work",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_READONLY: "its file cannot be written to",
    sqlite3.SQLITE_PERM: "its file cannot be written to",
    sqlite3.SQLITE_AUTH: "its file cannot be written to",
    sqlite3.SQLITE_NOMEM: "it has no memory left",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged",
    sqlite3.SQLITE_PROTOCOL: "it is busy with another writer",
}
"""By the low byte of the result code: all else is a defect of ours."""

_POSTGRESQL = {
    "08": "the connection broke",
    "25006": "it is read-only",
    "28": "it refuses our credentials",
    "3D": "its database does not exist",
    "40": "it is busy with another writer",
    "53": "it has no room left",
    "55P03": "it is busy with another writer",
    "57014": "it took too long",
    "57": "it is starting or stopping",
    "58": "its disk does not work",
    "XX001": "its data is damaged",
}
"""By the beginning of the SQLSTATE, the longest first: all else is a defect of ours."""


@contextmanager
def translated() -> Iterator[None]:
    """Turns what a database that cannot be used raises into CatalogUnavailableError. The log has the details: they may
    name hosts and users, which callers are not told."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        message = _message(error)
        if message is None:
            raise
        log.debug("the catalog does not answer", cause=repr(getattr(error, "orig", None) or error))
        raise CatalogUnavailableError(message) from error


def _message(error: BaseException) -> str | None:
    """What is wrong with the database; None when it is not the database that is wrong."""
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return "it cannot be reached"
    seen: BaseException | None = error
    while seen is not None:  # SQLAlchemy wraps the adapter's error, which wraps the driver's
        if isinstance(seen, sqlite3.Error):
            code = getattr(seen, "sqlite_errorcode", None)
            return _SQLITE.get(code & 0xFF) if code is not None else None
        state = getattr(seen, "sqlstate", None)
        if state:
            return next((_POSTGRESQL[state[:n]] for n in (5, 2) if state[:n] in _POSTGRESQL), None)
        if isinstance(seen, OSError):
            return "the connection broke"
        seen = getattr(seen, "orig", None) or seen.__cause__
    if isinstance(error, asyncpg.InterfaceError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return "the connection broke"
    return None
