"""Bringing the catalog's schema up to date, and refusing one that is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from .engine import reading, writing

_LOCK = 0x536F6A6F
"""Number of the lock under which one of several starting workers migrates PostgreSQL."""


class SchemaError(Exception):
    """The catalog's schema is not the one this version needs; the message says what to do."""


async def migrate(engine: AsyncEngine) -> tuple[str | None, str]:
    """Brings the schema up to date; several processes may do so at once. Returns the revisions before and after.

    Raises:
        SchemaError: the schema is of a newer version.
        CatalogUnavailableError: the database cannot be used.
    """
    async with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        before = await connection.run_sync(_current)
        if before is not None:
            _check_known(before)
        await connection.run_sync(_upgrade)
    return before, _newest()


async def is_empty(engine: AsyncEngine) -> bool:
    """Whether the database holds no table at all."""
    async with reading(engine) as connection:
        return not await connection.run_sync(lambda one: inspect(one).get_table_names())


async def check(engine: AsyncEngine) -> None:
    """Raises SchemaError unless the schema is the newest this version knows."""
    async with reading(engine) as connection:
        current = await connection.run_sync(_current)
    if current is None:
        raise SchemaError("the catalog is empty: run `sojourn migrate`")
    _check_known(current)
    if current != _newest():
        raise SchemaError(f"the catalog's schema is {current}, this version needs {_newest()}: run `sojourn migrate`")


def _check_known(revision: str) -> None:
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaError(f"the catalog's schema {revision} is of a newer version of Sojourn than this one")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _newest() -> str:
    head = _scripts().get_current_head()
    assert head is not None
    return head


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
