"""The catalog or the blob store is away, or killed, while sessions are written and watched: live work goes on, and what
waits is done when it is back."""

import asyncio
import tempfile
from pathlib import Path

import pytest

import sojourn
from tests.support.engines import ValkeyProcess
from tests.support.postgres_process import PostgresProcess
from tests.support.server import ServerUnderTest
from tests.support.survivors import Load, history, locked
from tests.support.waiting import wait_until

SETTINGS = {"project_seconds": 0.05, "keeper": False}


@pytest.fixture(scope="module")
def data_dir():
    with tempfile.TemporaryDirectory(prefix="sojourn-data-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def server(data_dir):
    server = ServerUnderTest(data_dir=data_dir, **SETTINGS)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def client(server):
    async with sojourn.Client(server.target, timeouts=sojourn.Timeouts(total=1)) as client:
        yield client


async def test_live_work_goes_on_without_the_catalog(server, client, data_dir):
    async with Load(server.target, sessions=2, prefix="c") as load:
        await load.goes_on()
        async with locked(data_dir / "catalog.db"):
            await load.goes_on(20)
            minted = await client.create_session()
            await client.create_session("given")
            assert (await client.get_session("given")).revision == 1
            with pytest.raises((sojourn.CatalogUnavailableError, sojourn.DeadlineExceededError)):
                await client.count_sessions()
        await load.goes_on()
        await load.finish()
        assert not load.lost
        listed = await wait_until(lambda: names(client), timeout=20, description="the outbox drains")
        assert listed >= {*load.session_ids, minted.id, "given"}


async def test_a_database_killed_under_load_loses_nothing(tmp_path):
    async with (
        ValkeyProcess() as engine,
        PostgresProcess() as postgres,
        ServerUnderTest(redis=engine.url, data_dir=tmp_path, catalog=postgres.url, **SETTINGS) as server,
        Load(server.target, sessions=2) as load,
    ):
        await load.goes_on()
        postgres.kill()
        await load.goes_on(20)
        await postgres.start()
        await load.goes_on()
        await load.finish()
        assert not load.lost
        async with sojourn.Client(server.target) as client:
            listed = await wait_until(lambda: names(client), timeout=20, description="the outbox drains")
            assert listed == set(load.session_ids)
            # What the catalog has is all there is now.
            await engine.call("FLUSHALL")
            for sid in load.session_ids:
                now = await history(client, sid)
                assert list(now.values())[:-1] == list(load.found[sid].values())


async def test_live_work_goes_on_without_the_blob_store(server, client, data_dir):
    blobs, aside = data_dir / "blobs", data_dir / "aside"
    async with Load(server.target, sessions=2, prefix="b") as load:
        await load.goes_on()
        session = client.session(load.session_ids[0])
        await wait_until(lambda: saved(session), timeout=20, description="the session is saved")
        blobs.rename(aside)
        blobs.write_text("no directory")
        await load.goes_on()
        assert not await saved(session)
        blobs.unlink()
        aside.rename(blobs)
        await wait_until(lambda: saved(session), timeout=20, description="the session is saved again")
        await load.finish()
        assert not load.lost


async def names(client: sojourn.Client) -> set[str]:
    """The sessions of the catalog, when it has everything that was acknowledged; empty while it is behind."""
    try:
        return {session.id async for session in client.list_sessions()}
    except (sojourn.CatalogUnavailableError, sojourn.DeadlineExceededError):
        return set()


async def saved(session: sojourn.SessionHandle) -> bool:
    """Whether a snapshot could be written."""
    try:
        await session.save()
    except (sojourn.UnavailableError, sojourn.DeadlineExceededError):
        return False
    return True
