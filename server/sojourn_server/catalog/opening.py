"""Opening the catalog for a worker: its schema is made where that is safe, and checked otherwise."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from ..domain.errors import CatalogUnavailableError
from .catalog import SqlCatalog
from .engine import open_engine
from .faults import translated
from .migrating import check, is_empty, migrate

log = structlog.get_logger()


async def migrate_catalog(url: str) -> tuple[str | None, str]:
    """Brings the catalog's schema up to date; returns its revisions before and after. Raises like `open_catalog`."""
    engine = open_engine(url)
    try:
        with translated():
            return await migrate(engine)
    finally:
        await engine.dispose()


async def open_catalog(url: str, stack: AsyncExitStack) -> SqlCatalog:
    """The catalog at `url`; what it opens is closed by `stack`.

    A SQLite file is ours alone, and an empty database has nothing to lose: both are brought up to date. A database
    server's schema is changed by `sojourn migrate` only, at a moment that somebody chose.

    Raises:
        SchemaError: the schema is not the one this version needs.
        ValueError: not the URL of a catalog.
    """
    engine = open_engine(url)
    catalog = SqlCatalog(engine)
    stack.push_async_callback(catalog.close)
    try:
        await _prepare(engine)
    except CatalogUnavailableError as error:
        # Live work goes on without it; the projector tries again for as long as it takes.
        log.warning("the catalog is away", error=error.message)
    else:
        log.info("catalog open", database=engine.dialect.name)
    return catalog


async def _prepare(engine: AsyncEngine) -> None:
    with translated():
        if engine.dialect.name == "sqlite" or await is_empty(engine):
            before, now = await migrate(engine)
            if before != now:
                log.info("catalog migrated", before=before, now=now)
        await check(engine)
