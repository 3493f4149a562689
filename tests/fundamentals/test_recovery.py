"""Recovery: a store that lost its data is rebuilt from the catalog, and whoever knew of more than the catalog had is
told.

Nothing of this needs a line in an application that reads a session again when it is told to.
"""

import asyncio

import pytest

import sojourn
from tests.support.engines import ValkeyProcess
from tests.support.server import ServerUnderTest
from tests.support.store_engines import LoopThread


@pytest.fixture(scope="module")
def engine():
    engine = ValkeyProcess()
    with LoopThread() as thread:
        thread.run(engine.start())
        yield engine
        thread.run(engine.stop())


@pytest.fixture(scope="module")
def server(engine, tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    server = ServerUnderTest(redis=engine.url, data_dir=directory, project_seconds=0.05, keeper=False)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def client(server):
    async with sojourn.Client(server.target) as client:
        yield client


@pytest.fixture
def lose_everything(engine, client):
    """Empties the store, once the catalog has everything that was acknowledged."""

    async def lose() -> None:
        await client.count_sessions(consistency="strong")
        await engine.call("FLUSHALL")

    return lose


async def test_a_lost_session_is_there_again_with_its_whole_history(client, name, lose_everything):
    session = await client.create_session(name, state={"n": 1}, tags=["kept"])
    await session.add_message("user", "hello")
    await lose_everything()
    found = await client.get_session(name)
    assert found.info.state == {"n": 1}
    assert found.info.tags == ("kept",)
    assert [message.content async for message in found.messages()] == ["hello"]
    *_, last = [event async for event in found.events()]
    assert last.changes == (sojourn.Restored(restored_revision=2),)


async def test_a_writer_is_told_and_goes_on_after_reading_again(client, name, lose_everything):
    session = await client.create_session(name)
    await session.set_state({"step": 1})
    await lose_everything()
    with pytest.raises(sojourn.HistoryRolledBackError):
        await session.set_state({"step": 2})
    assert (await session.refresh()).state == {"step": 1}
    await session.set_state({"step": 2})


async def test_a_watcher_is_told(client, name, lose_everything):
    session = await client.create_session(name)
    async with session.watch() as watch:
        await lose_everything()
        with pytest.raises(sojourn.HistoryRolledBackError):
            await anext(watch)


async def test_who_has_seen_nothing_is_not_bothered(client, name, lose_everything):
    await client.create_session(name)
    await lose_everything()
    await client.session(name).refresh()
    await client.session(name).log("hello")


async def test_work_in_flight_is_over(client, name, lose_everything):
    session = await client.create_session(name)

    async def think() -> None:
        async with session.track("a long thought"):
            await lose_everything()
            await session.log("too late")

    with pytest.raises((sojourn.LeaseLostError, sojourn.HistoryRolledBackError)):
        await think()
    session = await client.get_session(name)
    assert session.info.admitted_requests == 0
