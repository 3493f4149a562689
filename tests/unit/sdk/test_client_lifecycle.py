"""A client is not connected, connected or closed, and every misuse has its own error."""

import asyncio

import pytest

from sojourn import (
    Client,
    ClientAlreadyConnectedError,
    ClientClosedError,
    ClientNotConnectedError,
    ClientStateError,
    InvalidFieldError,
    ServerUnreachableError,
    SessionNotLoadedError,
    Timeouts,
)
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running
from tests.unit.sdk.fake_service import FakeService, hold


async def test_connect_and_close_by_hand(running: Running):
    client = await running.client().connect()
    session = await client.create_session("s")
    assert session.info.id == "s"
    await client.close()
    await client.close()


async def test_a_client_must_be_connected_first(running: Running):
    client = running.client()
    with pytest.raises(ClientNotConnectedError):
        await client.get_session("s")
    with pytest.raises(ClientNotConnectedError):
        client.session("s")


async def test_a_client_connects_once(running: Running):
    async with running.client() as client:
        with pytest.raises(ClientAlreadyConnectedError):
            await client.connect()


async def test_a_closed_client_stays_closed(running: Running):
    async with running.client() as client:
        session = client.session("s")
    with pytest.raises(ClientClosedError):
        await client.connect()
    with pytest.raises(ClientClosedError):
        await session.set_state({"a": 1})
    assert issubclass(ClientClosedError, ClientStateError)


async def test_an_unreachable_server_is_told_and_may_be_tried_again(running: Running):
    await running.server.stop(None)
    client = running.client(timeouts=Timeouts(connect=0.2))
    for _ in range(2):
        with pytest.raises(ServerUnreachableError, match=running.target):
            await client.connect()


async def test_closing_ends_what_is_under_way(running: Running, service: FakeService):
    service.add_session("s")
    gate = asyncio.Event()
    service.plan("BatchWriteSessions", hold(gate))
    service.plan("DeleteSession", hold(gate))
    client = await running.client().connect()
    write = asyncio.create_task(client.session("s").set_state({"a": 1}))
    delete = asyncio.create_task(client.delete_session("s"))
    await wait_until(lambda: len(service.calls) == 2)
    queued = asyncio.create_task(client.session("s").set_state({"a": 2}))
    await asyncio.sleep(0)
    await client.close()
    for task in (write, delete, queued):
        with pytest.raises(ClientClosedError):
            await task
    gate.set()


async def test_the_target_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert Client("there:1").target == "there:1"
    monkeypatch.setenv("SOJOURN_TARGET", "elsewhere:2")
    assert Client().target == "elsewhere:2"
    monkeypatch.delenv("SOJOURN_TARGET")
    assert Client().target == "localhost:7431"


async def test_the_api_key_goes_with_every_call(running: Running, service: FakeService):
    async with running.client(api_key="secret") as client:
        session = await client.create_session("s")
        await session.set_state({"a": 1})
        await session.refresh()
    assert [entry.get("authorization") for entry in service.metadata] == ["Bearer secret"] * 3


async def test_client_labels_are_defaults_for_created_sessions(running: Running, service: FakeService):
    async with running.client(project="p", user_id="u", writer="w") as client:
        await client.create_session("a")
        session = await client.create_session("b", project="q", user_id="")
        await session.log("hello")
    first, second = service.requests("CreateSession")
    assert (first.project, first.user_id, first.writer) == ("p", "u", "w")
    assert (second.project, second.user_id) == ("q", "")
    assert service.logs["b"][-1].writer == "w"


async def test_a_handle_knows_what_it_read_and_wrote(client: Client, service: FakeService):
    service.add_session("s", revision=4)
    session = client.session("s")
    assert session.revision == 0
    with pytest.raises(SessionNotLoadedError):
        _ = session.info
    assert await session.log("five") == 5
    assert session.revision == 5
    assert (await session.refresh()).revision == session.info.revision == 5
    with pytest.raises(InvalidFieldError):
        client.session("")
