"""The store under test: each engine in turn, a tenant for every test, and a look for leftovers after it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from sojourn_server.blobs.opening import open_blobs
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine
from sojourn_server.store.opening import Store, StoreSettings, open_store
from tests.support.catalogs import KINDS, Databases
from tests.support.catalogs import databases as open_databases
from tests.support.requests import Clerk
from tests.support.sessions import Desk
from tests.support.store_engines import SHARDS, LoopThread, StoreEngine, StoreEngines
from tests.support.tiering import Place
from tests.support.waiting import wait_until

Open = Callable[..., Awaitable[Store]]


@pytest.fixture(scope="session")
def engines() -> Iterator[StoreEngines]:
    with LoopThread() as thread:
        engines = StoreEngines(thread)
        try:
            yield engines
        finally:
            engines.close()


@pytest.fixture(params=["embedded", "cluster", "redis"])
def engine(request: pytest.FixtureRequest, engines: StoreEngines) -> StoreEngine:
    return engines.get(request.param)


@pytest.fixture
def embedded(engines: StoreEngines) -> StoreEngine:
    """One engine, for what does not depend on it."""
    return engines.get("embedded")


@asynccontextmanager
async def no_leftovers(engine: StoreEngine) -> AsyncIterator[Open]:
    """Opens stores of an engine; afterwards no task, connection, watch or key of theirs is left."""
    before = await engine.connections()
    tasks = asyncio.all_tasks()
    stores: list[Store] = []
    async with AsyncExitStack() as stack:

        async def open_one(**settings: Any) -> Store:
            store = await open_store(StoreSettings(engine.url, shards=SHARDS, **settings), stack)
            stores.append(store)
            return store

        yield open_one
        assert [store.hub.watches for store in stores] == [0] * len(stores)
        assert not any(feed.sessions or feed.tenants for store in stores for feed in store.hub._feeds.values())

    def leftover() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - tasks - {asyncio.current_task()}

    await wait_until(lambda: not leftover(), description="no tasks of the store")

    async def closed() -> bool:
        return await engine.connections() == before

    await wait_until(closed, description="no connections of the store")
    assert await engine.leaked_keys() == []


@pytest.fixture
async def open_another(engine: StoreEngine) -> AsyncIterator[Open]:
    """Opens a store of the engine, with the settings given; any number of them is as many workers."""
    async with no_leftovers(engine) as open_one:
        yield open_one


@pytest.fixture
async def store(open_another: Open) -> Store:
    return await open_another()


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    """A tenant of the test's own; its sessions are deleted afterwards."""
    desk = Desk(store)
    yield desk
    await desk.delete_all()


@pytest.fixture
async def clerk(desk: Desk) -> AsyncIterator[Clerk]:
    """Requests in the desk's sessions. Afterwards what the store says of them is what their logs say, and deleting the
    sessions leaves no lease."""
    clerk = Clerk(desk)
    yield clerk
    await clerk.check_all()
    await desk.delete_all()
    assert await clerk.leases() == []


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    yield from open_databases()


@pytest.fixture(params=KINDS)
async def catalog_url(request: pytest.FixtureRequest, databases: Databases) -> AsyncIterator[str]:
    """A catalog with nothing in it, on each database in turn."""
    async with databases.lent(request.param) as url:
        yield url


@pytest.fixture
async def catalog_engine(catalog_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(catalog_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def catalog(catalog_engine: AsyncEngine) -> AsyncIterator[SqlCatalog]:
    catalog = SqlCatalog(catalog_engine)
    yield catalog
    await catalog.close()


@pytest.fixture
async def place(embedded: StoreEngine, databases: Databases, tmp_path: Path) -> AsyncIterator[Place]:
    """A store, a catalog and a directory with nothing in them."""
    engine = open_engine(await databases.migrated("sqlite"))
    catalog, blobs = SqlCatalog(engine), open_blobs(f"file://{tmp_path}/blobs")
    async with no_leftovers(embedded) as open_one:
        place = Place(await open_one(), catalog, blobs)
        await place.store.residence.know_all()
        yield place
        await place.end()
    await catalog.close()
    blobs.close()
