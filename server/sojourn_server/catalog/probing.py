"""What the catalog's database says of itself: the CatalogProbe port."""

from __future__ import annotations

from time import perf_counter, time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ..ports.probes import CatalogFacts
from .engine import reading
from .finishing import Finishing, finished
from .migrating import SchemaError, check

_POSTGRESQL = text("SELECT current_setting('server_version'), extract(epoch from clock_timestamp())")
_SQLITE = text("SELECT sqlite_version(), NULL")


class SqlProbe:
    """Shares the engine and the end of a SqlCatalog."""

    def __init__(self, engine: AsyncEngine, finishing: Finishing) -> None:
        self._engine = engine
        self.finishing = finishing

    @finished
    async def facts(self) -> CatalogFacts:
        """Raises CatalogUnavailableError."""
        sqlite = self._engine.dialect.name == "sqlite"
        async with reading(self._engine) as connection:
            began, asked = perf_counter(), time()
            version, now = (await connection.execute(_SQLITE if sqlite else _POSTGRESQL)).one()
            took = perf_counter() - began
        return CatalogFacts(
            database=f"SQLite {version}" if sqlite else f"PostgreSQL {str(version).split()[0]}",
            schema_problem=await self._schema_problem(),
            answered_seconds=took,
            ahead_seconds=None if now is None else float(now) - asked - took / 2,
        )

    async def _schema_problem(self) -> str:
        try:
            await check(self._engine)
        except SchemaError as error:
            return str(error)
        return ""
