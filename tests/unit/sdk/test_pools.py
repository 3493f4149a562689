"""Pools: slots for requests of many sessions, and a session of the client's own for those that have none."""

import asyncio

import pytest

from sojourn import Client, InvalidFieldError, Pool, PoolNotFoundError
from sojourn.v1 import session_pb2
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running
from tests.unit.sdk.fake_service import FakeService


async def test_make_resize_and_list(client: Client, service: FakeService):
    browsers = client.pool("browsers")
    with pytest.raises(PoolNotFoundError) as raised:
        await browsers.info()
    assert raised.value.pool == "browsers"
    assert await browsers.resize(3) == Pool(name="browsers", size=3)
    await client.pool("agents").resize(1)
    assert await browsers.info() == Pool(name="browsers", size=3)
    assert [pool.name for pool in await client.pools()] == ["agents", "browsers"]
    for size in (-1, True, 2.5, 2**31):
        with pytest.raises(InvalidFieldError):
            await browsers.resize(size)
    with pytest.raises(InvalidFieldError):
        client.pool("")
    assert repr(browsers) == "PoolHandle('browsers')"


async def test_a_slot_in_a_session_of_the_callers(client: Client, service: FakeService):
    service.add_session("s")
    session = client.session("s")
    tracked = client.pool("browsers", session=session).slot(
        "checkout", priority=3, policy="interrupt", timeout=9, request_id="mine", lease_ttl=20
    )
    async with tracked as request:
        assert request.session is session
        await session.log("fenced")
    begin = service.streams[0].begin
    assert (begin.session_id, begin.request_id, begin.name) == ("s", "mine", "checkout")
    assert (begin.pool, begin.priority, begin.policy) == ("browsers", 3, 3)
    assert begin.queue_timeout.seconds in (8, 9)
    assert service.requests("BatchWriteSessions")[0].writes[0].precondition.fencing_token == request.fencing_token
    assert not service.requests("CreateSession")


async def test_slots_without_a_session_share_one_of_their_own(running: Running, service: FakeService):
    async with running.client(user_id="ada", project="p") as client:
        browsers = client.pool("browsers")

        async def work() -> str:
            async with browsers.slot("checkout") as request:
                return request.session.id

        found = set(await asyncio.gather(*[work() for _ in range(5)]))
        async with client.pool("browsers").slot() as request:
            found.add(request.session.id)
        async with client.pool("agents").slot() as request:
            assert request.session.id not in found
        assert len(found) == 1
    created = service.requests("CreateSession")
    assert [(request.kind, request.user_id, request.project) for request in created] == [("slots", "ada", "p")] * 2
    assert all(request.max_concurrent_requests == 10_000 for request in created)
    assert all(request.idle_timeout.seconds for request in created)
    ended = {request.session_id for request in service.requests("CompleteSession")}
    assert len(ended) == 2
    assert found < ended


async def test_a_session_of_slots_that_has_ended_is_made_anew(client: Client, service: FakeService):
    browsers = client.pool("browsers")
    async with browsers.slot() as first:
        pass
    service.statuses[first.session.id] = session_pb2.SESSION_STATUS_EXPIRED
    async with browsers.slot() as second:
        pass
    del service.logs[second.session.id]
    async with browsers.slot() as third:
        pass
    assert len(service.requests("CreateSession")) == 3
    assert third.session is not second.session


async def test_closing_is_not_held_up_by_sessions_of_slots(running: Running, service: FakeService, monkeypatch):
    monkeypatch.setattr("sojourn.pool._CLOSE_GRACE", 0.2)
    client = await running.client().connect()
    async with client.pool("browsers").slot():
        pass
    await running.server.stop(None)
    await client.close()
    await wait_until(lambda: not service.requests("CompleteSession"))
