"""Opening the catalog for a worker: its schema is made where that is safe, and checked otherwise."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from .catalog import SqlCatalog
from .engine import open_engine
from .migrating import check, is_empty, migrate

log = structlog.get_logger()


async def open_catalog(url: str, stack: AsyncExitStack) -> SqlCatalog:
    """The catalog at `url`; what it opens is closed by `stack`.

    A SQLite file is ours alone, and an empty database has nothing to lose: both are brought up to date. A database
    server's schema is changed by `sojourn migrate` only, at a moment that somebody chose.

    Raises:
        SchemaError: the schema is not the one this version needs.
        CatalogUnavailableError: the database does not answer.
        ValueError: not the URL of a catalog.
    """
    engine = open_engine(url)
    stack.push_async_callback(engine.dispose)
    if engine.dialect.name == "sqlite" or await is_empty(engine):
        before, now = await migrate(engine)
        if before != now:
            log.info("catalog migrated", before=before, now=now)
    await check(engine)
    log.info("catalog open", database=engine.dialect.name)
    return SqlCatalog(engine)
