"""Bringing the catalog's schema up to date, and refusing one that is not."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from .creating import create
from .engine import reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"

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
        if before is None:
            await connection.run_sync(create, _newest())
        else:
            _check_known(before)
            if before != _newest():
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
    if revision not in _revisions():
        raise SchemaError(f"the catalog's schema {revision} is of a newer version of Sojourn than this one")


def _revisions() -> list[str]:
    """In their order: files of migrations begin with the number of theirs."""
    return sorted(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _newest() -> str:
    return _revisions()[-1]


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def _upgrade(connection: Connection) -> None:
    # Most starts have nothing to migrate, and it takes longer to load than all the rest of the catalog.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
