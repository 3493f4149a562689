"""Bringing the catalog's schema up to date, and refusing one that is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = 0x536F6A6F
"""Number of the lock under which one of several starting workers migrates PostgreSQL."""


class SchemaError(Exception):
    """The catalog's schema is not the one this version needs; the message says what to do."""


async def migrate(engine: AsyncEngine) -> tuple[str | None, str]:
    """Brings the schema up to date; several processes may do so at once. Returns the revisions before and after."""
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        else:
            await connection.execute(text("BEGIN IMMEDIATE"))
        before = await connection.run_sync(_current)
        await connection.run_sync(_upgrade)
    return before, _newest()


async def check(engine: AsyncEngine) -> None:
    """Raises SchemaError unless the schema is the newest this version knows."""
    async with engine.connect() as connection:
        current = await connection.run_sync(_current)
    newest = _newest()
    if current is None:
        raise SchemaError("the catalog is empty: run `sojourn migrate`")
    if current != newest:
        known = {script.revision for script in _scripts().walk_revisions()}
        if current in known:
            raise SchemaError(f"the catalog's schema is {current}, this version needs {newest}: run `sojourn migrate`")
        raise SchemaError(f"the catalog's schema {current} is of a newer version of Sojourn than this one")


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
