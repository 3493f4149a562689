"""The store loses what it had while sessions are written and watched through the SDK: everything that the catalog had
is there, everybody who knew of more is told, and nothing is lost without a word."""

import shutil
import tempfile
from pathlib import Path

import pytest

import sojourn
from tests.support.engines import ValkeyProcess
from tests.support.lossy import Copy
from tests.support.server import ServerUnderTest
from tests.support.survivors import Load, catalogued, history, locked
from tests.support.waiting import wait_until


@pytest.fixture
async def engine():
    async with ValkeyProcess(persistent=True) as engine:
        yield engine


@pytest.fixture
def data_dir():
    with tempfile.TemporaryDirectory(prefix="sojourn-data-") as directory:
        yield Path(directory)


@pytest.fixture
async def server(engine, data_dir):
    async with ServerUnderTest(redis=engine.url, data_dir=data_dir, project_seconds=0.05, keeper=False) as server:
        yield server


async def known_to(catalog: Path, load: Load, *, beyond: int = 0) -> dict[str, int]:
    """Waits until the catalog has all sessions, some revisions beyond one; up to which. A session that it never heard
    of would be lost for good."""
    await wait_until(
        lambda: all(catalogued(catalog, sid) > beyond + 1 for sid in load.session_ids), timeout=20,
        description="the catalog knows all sessions",
    )  # fmt: skip
    return {sid: catalogued(catalog, sid) for sid in load.session_ids}


def has_all(load: Load, before: dict[str, int]) -> None:
    """What the catalog had before the loss is history: it was restored up to there, or further."""
    for sid, writer in zip(load.session_ids, load.writers, strict=True):
        restored = [at for at, text in load.found[sid].items() if text.endswith("restored")]
        assert restored
        assert min(restored) > before[sid]
        had = [known for known in writer.known if not known.losses and known.revision <= before[sid]]
        assert had
        assert all(load.found[sid][known.revision] == known.text for known in had)


async def test_the_store_is_wiped_under_load(engine, server, data_dir):
    async with Load(server.target) as load:
        catalog = data_dir / "catalog.db"
        await known_to(catalog, load)
        async with locked(catalog):
            await load.goes_on()  # this is what nobody will have
            before = await known_to(catalog, load)
            await engine.call("FLUSHALL")
        await load.told()
        await load.goes_on()
        await load.finish()
        has_all(load, before)
        assert load.lost
    assert "the store lost history that was acknowledged" in server.log


async def test_the_engine_comes_back_with_an_older_copy_under_load(engine, server, data_dir):
    copy = Copy(engine)
    try:
        async with Load(server.target) as load:
            catalog = data_dir / "catalog.db"
            await known_to(catalog, load)
            await copy.take()
            copied = max(known.revision for writer in load.writers for known in writer.known)
            before = await known_to(catalog, load, beyond=copied + 5)
            await copy.put_back()
            await load.told()
            await load.goes_on()
            await load.finish()
            has_all(load, before)
    finally:
        copy.discard()


async def test_a_server_that_starts_at_an_older_copy_serves_what_the_catalog_had(data_dir):
    old = data_dir / "old"
    async with ServerUnderTest(data_dir=data_dir, project_seconds=0.05, keeper=False) as server:
        async with sojourn.Client(server.target) as client:
            await client.create_session("early")
        await server.terminate()
        shutil.copytree(data_dir / "valkey", old)
        await server.start()
        async with sojourn.Client(server.target) as client:
            await (await client.create_session("late")).log("one")
            assert await client.count_sessions() == 2  # the catalog has all of it
        await server.terminate()
        shutil.rmtree(data_dir / "valkey")
        old.rename(data_dir / "valkey")
        await server.start()
        async with sojourn.Client(server.target) as client:
            assert list((await history(client, "early")).values()) == ["session_created"]
            assert list((await history(client, "late")).values()) == ["session_created", "one", "restored"]
