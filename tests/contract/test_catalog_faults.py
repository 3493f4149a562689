"""A database that cannot be used is told as such, within seconds; nothing that was stored is lost and nothing is left
behind."""

import asyncio
import os
import random
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine, reading, writing
from sojourn_server.catalog.migrating import check, migrate
from sojourn_server.domain.errors import CatalogUnavailableError
from sojourn_server.domain.filters import SessionFilter
from tests.support.catalogs import Databases, Postgres
from tests.support.stories import TENANT, Active, Story, tell
from tests.support.waiting import wait_until


@asynccontextmanager
async def opened(url: str, **options: float) -> AsyncIterator[SqlCatalog]:
    engine = open_engine(url, **options)  # type: ignore[arg-type]
    catalog = SqlCatalog(engine)
    yield catalog
    await catalog.close()


@pytest.fixture
async def sqlite_url(databases: Databases) -> str:
    return await databases.migrated("sqlite")


@pytest.fixture
def postgres(databases: Databases):
    """A server of the test's own, which it may kill."""
    server = Postgres(databases.fresh_directory() / "data")
    yield server
    server.start()
    server.close()


def file_of(url: str) -> Path:
    database = make_url(url).database
    assert database is not None
    return Path(database)


async def every_call(catalog: SqlCatalog) -> list[Exception]:
    """What each call raises, within ten seconds each."""
    story = Story()
    calls = [
        lambda: catalog.revisions([story.key]),
        lambda: tell(catalog, story),
        lambda: catalog.get(story.key),
        lambda: catalog.list(TENANT, SessionFilter(), after=None, count=9),
        lambda: catalog.count(TENANT, SessionFilter()),
        lambda: catalog.search(TENANT, "x", SessionFilter(), sources=frozenset(), offset=0, count=9),
        lambda: catalog.events(story.session.uid, after=0, before=None, mask=0, count=9, reverse=False),
    ]
    raised: list[Exception] = []
    for call in calls:
        async with asyncio.timeout(10):
            try:
                await call()
            except Exception as error:
                raised.append(error)
    return raised


async def test_while_another_holds_sqlites_lock_writers_wait_and_readers_read(sqlite_url):
    async with opened(sqlite_url, timeout=0.3) as catalog:
        await tell(catalog, Story("a"))
        with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert len(await catalog.list(TENANT, SessionFilter(), after=None, count=9)) == 1
            with pytest.raises(CatalogUnavailableError, match="it is busy with another writer"):
                await tell(catalog, Story("b"))
            other.execute("ROLLBACK")
        await tell(catalog, Story("b"))
        assert await catalog.count(TENANT, SessionFilter()) == 2


async def test_sqlite_has_no_room_left(sqlite_url):
    async with opened(sqlite_url) as catalog:
        await tell(catalog, Story("a"))
        async with reading(catalog._engine) as connection:
            pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
            await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(CatalogUnavailableError, match="its disk is full"):
            await tell(catalog, *[Story(f"s{n}").says("x" * 100_000) for n in range(10)])
        async with reading(catalog._engine) as connection:
            await connection.execute(text("PRAGMA max_page_count = 1000000"))
        await tell(catalog, Story("b"))
        assert await catalog.count(TENANT, SessionFilter()) == 2


async def test_sqlites_file_is_damaged_or_no_database(sqlite_url, tmp_path):
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database at all " * 1000)
    threads = threading.active_count()
    async with opened(f"sqlite:///{damaged}") as catalog:
        for error in await every_call(catalog):
            assert isinstance(error, CatalogUnavailableError)
            assert error.message == "the catalog does not answer: its file is damaged"
        await wait_until(lambda: threading.active_count() <= threads, description="no connection is left open")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every file")
async def test_sqlites_file_may_not_be_written_to(sqlite_url):
    file_of(sqlite_url).chmod(stat.S_IRUSR)
    async with opened(sqlite_url) as catalog:
        with pytest.raises(CatalogUnavailableError, match="its file cannot be written to"):
            await tell(catalog, Story())


async def test_sqlites_directory_is_gone(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/inside/catalog.db")
    shutil.rmtree(tmp_path / "inside")
    threads = threading.active_count()
    with pytest.raises(CatalogUnavailableError, match="its file cannot be opened"):
        await migrate(engine)
    await engine.dispose()
    await wait_until(lambda: threading.active_count() <= threads, description="no connection is left open")


async def test_nobody_answers(tmp_path):
    for url in (f"postgresql://u@/db?host={tmp_path}", "postgresql://u@127.0.0.1:1/db"):
        async with opened(url) as catalog:
            begun = monotonic()
            errors = await every_call(catalog)
            assert monotonic() - begun < 5
            assert {type(error) for error in errors} == {CatalogUnavailableError}
            assert {error.message for error in errors} == {"the catalog does not answer: it cannot be reached"}


async def test_a_server_that_accepts_and_says_nothing():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"postgresql://u@127.0.0.1:{port}/db", timeout=0.5) as catalog:
            with pytest.raises(CatalogUnavailableError, match="it took too long"):
                await catalog.get(Story().key)


async def test_a_database_that_is_not_there_or_not_ours(databases):
    url = databases.postgres.url("nonexistent")
    async with opened(url) as catalog:
        with pytest.raises(CatalogUnavailableError, match="its database does not exist"):
            await catalog.get(Story().key)


async def test_no_connection_is_free(databases):
    async with opened(await databases.migrated("postgresql"), pool_size=1, timeout=0.3) as catalog:
        async with reading(catalog._engine):
            with pytest.raises(CatalogUnavailableError, match="all connections are in use"):
                await catalog.get(Story().key)
        assert await catalog.get(Story().key) is None


async def test_a_statement_that_takes_too_long(databases):
    url = await databases.migrated("postgresql")
    story = Story()
    async with opened(url, timeout=0.5) as catalog, opened(url) as other:
        await tell(other, story)
        async with writing(other._engine) as connection:
            await connection.execute(text("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"))
            with pytest.raises(CatalogUnavailableError, match="it took too long"):
                await catalog.get(story.key)
        assert await catalog.get(story.key) is not None


async def test_what_is_told_names_no_internals(databases):
    for url in ("postgresql://someone:secret@127.0.0.1:1/db", databases.postgres.url("nonexistent")):
        async with opened(url) as catalog:
            with pytest.raises(CatalogUnavailableError) as raised:
                await catalog.get(Story().key)
        for word in ("secret", "someone", "127.0.0.1", "nonexistent", "SELECT", "asyncpg"):
            assert word not in str(raised.value)


async def test_a_defect_of_ours_is_not_the_databases_fault(catalog):
    with pytest.raises(DBAPIError):
        async with reading(catalog._engine) as connection:
            await connection.execute(text("SELECT * FROM no_such_table"))
    assert await catalog.count(TENANT, SessionFilter()) == 0


async def test_a_session_the_database_does_not_take_takes_nobody_with_it(catalog):
    story = Story("bad")
    story.session.revision = 1 << 70  # more than the column holds
    with pytest.raises((DBAPIError, OverflowError)):
        await catalog.project([Story("good").projection(), story.projection()], Active(story, Story("good")).standings)
    assert await catalog.count(TENANT, SessionFilter()) == 0


async def test_cancelled_at_any_moment_nothing_is_left_behind(catalog):
    """No lock, no connection, no half of a transaction."""
    chance = random.Random(3)
    for n in range(25):
        stories = [Story(f"s{n}-{m}", tags=["x"]).says("hello") for m in range(5)]
        task = asyncio.create_task(tell(catalog, *stories))
        await asyncio.sleep(chance.random() * 0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        there = len(await catalog.revisions([story.key for story in stories]))
        assert there in (0, 5)
        await tell(catalog, *stories)
    assert await catalog.count(TENANT, SessionFilter(all_tags=frozenset({"x"}), text="hello")) == 125


async def test_postgresql_is_killed_under_load_and_keeps_what_it_acknowledged(postgres):
    """Whoever is cut off learns so, tries again and goes on with the server that is back."""
    postgres.run("CREATE DATABASE catalog")
    url = postgres.url("catalog")
    engine = open_engine(url)
    await migrate(engine)
    catalog = SqlCatalog(engine)
    acknowledged: dict[str, Story] = {}
    faults: list[str] = []
    stop = False

    async def write(worker: int) -> None:
        number = 0
        while not stop:
            story = Story(f"w{worker}-{number}", tags=["x"]).says("hello").says("again")
            try:
                await catalog.project([story.projection(0, 2)], Active(story).standings)
                await tell(catalog, story)
            except CatalogUnavailableError as error:
                faults.append(error.message)
                await asyncio.sleep(0.05)
            else:
                acknowledged[story.session.id] = story
            number += 1

    async with asyncio.TaskGroup() as writers:
        for worker in range(4):
            writers.create_task(write(worker))
        for _ in range(2):
            before = len(acknowledged)
            await wait_until(lambda before=before: len(acknowledged) > before + 20, description="more is stored")
            await asyncio.to_thread(postgres.kill)
            seen = len(faults)
            await wait_until(lambda seen=seen: len(faults) > seen, description="the writers learn of it")
            await asyncio.to_thread(postgres.start)
        before = len(acknowledged)
        await wait_until(lambda: len(acknowledged) > before + 20, timeout=20, description="the writers go on")
        stop = True
    for story in acknowledged.values():
        found = await catalog.events(story.session.uid, after=0, before=None, mask=0, count=9, reverse=False)
        assert found == story.events
    assert await catalog.count(TENANT, SessionFilter(text="again")) >= len(acknowledged)
    await check(engine)
    await engine.dispose()
