"""The catalog's schema: made once, whoever asks and however often, and never served when it is another version's."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from sojourn_server.catalog.engine import open_engine, writing
from sojourn_server.catalog.migrating import MIGRATIONS, SchemaError, check, is_empty, migrate
from sojourn_server.catalog.tables import metadata
from tests.support.catalogs import KINDS


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture(params=KINDS)
def empty_url(request, databases):
    return databases.empty(request.param)


async def set_revision(engine: AsyncEngine, revision: str) -> None:
    async with writing(engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


async def test_an_empty_database_gets_every_table(empty_url):
    async with opened(empty_url) as engine:
        assert await is_empty(engine)
        before, now = await migrate(engine)
        assert (before, now) == (None, "0001")
        await check(engine)
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda one: inspect(one).get_table_names())
    assert {table.name for table in metadata.sorted_tables} <= set(tables)


async def test_who_made_a_sqlite_file_plans_with_what_is_usual(tmp_path):
    """SQLite reads statistics when it opens a file: whoever writes them must ask for that."""
    async with opened(f"sqlite:///{tmp_path}/catalog.db") as engine:
        await migrate(engine)
        found = "SELECT id FROM invocations WHERE tenant = 't' AND session = 7 ORDER BY started_us LIMIT 9"
        async with engine.connect() as connection:
            plan = [row.detail for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {found}"))]
    assert any("(session=?)" in step for step in plan), plan


async def test_migrating_again_changes_nothing(empty_url):
    async with opened(empty_url) as engine:
        await migrate(engine)
        assert await migrate(engine) == ("0001", "0001")
        await check(engine)


async def test_two_workers_may_migrate_at_once(empty_url):
    async with opened(empty_url) as one, opened(empty_url) as other:
        befores = [before for before, _ in await asyncio.gather(migrate(one), migrate(other))]
        assert sorted(befores, key=str) == ["0001", None]
        await check(other)


async def test_a_new_catalog_is_what_the_tables_say(empty_url):
    def differences(connection: Connection) -> list[Any]:
        def compared(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
            # SQLite's full-text index is made of tables of its own, and PostgreSQL's is not on SQLite.
            ours = not (kind == "table" and str(name).startswith("texts_index"))
            return ours and not (connection.dialect.name == "sqlite" and name == "ix_texts_search")

        options = {"include_object": compared, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with opened(empty_url) as engine:
        await migrate(engine)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []


async def test_a_database_that_is_there_is_migrated_step_by_step(empty_url, monkeypatch, tmp_path):
    """There is only one version as yet: this one is given a next one."""
    later = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, later)
    (later / "versions" / "0002_a_column.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision, down_revision = '0002', '0001'\n"
        "def upgrade():\n    op.add_column('templates', sa.Column('note', sa.Text()))\n"
    )
    async with opened(empty_url) as engine:
        await migrate(engine)
        monkeypatch.setattr("sojourn_server.catalog.migrating.MIGRATIONS", later)
        with pytest.raises(SchemaError, match="schema is 0001, this version needs 0002: run `sojourn migrate`"):
            await check(engine)
        assert await migrate(engine) == ("0001", "0002")
        await check(engine)
        async with engine.connect() as connection:
            columns = await connection.run_sync(lambda one: inspect(one).get_columns("templates"))
    assert "note" in {column["name"] for column in columns}


async def test_an_empty_catalog_is_not_served(empty_url):
    async with opened(empty_url) as engine:
        with pytest.raises(SchemaError, match="the catalog is empty: run `sojourn migrate`"):
            await check(engine)


async def test_a_schema_of_a_newer_version_is_refused(catalog_engine):
    await set_revision(catalog_engine, "9999")
    for refuses in (check, migrate):
        with pytest.raises(
            SchemaError, match="the catalog's schema 9999 is of a newer version of Sojourn than this one"
        ):
            await refuses(catalog_engine)


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense", "", "redis://host"])
def test_only_urls_of_catalogs_are_opened(url):
    with pytest.raises(ValueError, match="catalog URL"):
        open_engine(url)


async def test_libpqs_name_for_tls_is_understood():
    engine = open_engine("postgresql://user@host/db?sslmode=require")
    assert dict(engine.url.query) == {"ssl": "require"}
    await engine.dispose()
