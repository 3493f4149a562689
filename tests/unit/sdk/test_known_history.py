"""A handle says with each write what it has seen of the session, so that a loss of it is never silent."""

import asyncio

import grpc
import pytest

from sojourn import Client, HistoryRolledBackError
from sojourn.v1 import session_service_pb2 as pb
from tests.unit.sdk.fake_service import FakeService, cursor, event, fail, item_status, refuse

ROLLED_BACK = item_status("HISTORY_ROLLED_BACK", grpc.StatusCode.ABORTED, session_id="s", revision="2")


def known(service: FakeService) -> list[str]:
    """The positions that writes said to know; empty: none."""
    writes = [write for request in service.requests("BatchWriteSessions") for write in request.writes]
    return [write.precondition.known.token for write in writes]


async def test_a_write_knows_the_last_read_or_write(client: Client, service: FakeService):
    service.add_session("s", revision=3)
    session = await client.get_session("s")
    await session.log("a")
    await session.log("b")
    assert known(service) == ["c3", "c4"]


async def test_a_handle_that_has_seen_nothing_knows_nothing(client: Client, service: FakeService):
    service.add_session("s")
    session = client.session("s")
    await session.log("a")
    await session.log("b")
    assert known(service) == ["", "c2"]


async def test_a_write_knows_what_a_watch_of_its_handle_delivered(client: Client, service: FakeService):
    service.add_session("s", revision=4)

    async def watch(_request, _context):
        yield pb.WatchSessionResponse(progress=pb.Progress(cursor=cursor(1), revision=1))
        yield pb.WatchSessionResponse(events=[event("s", 2), event("s", 3)])
        await asyncio.Event().wait()

    service.script(watch)
    session = client.session("s")
    async with session.watch() as events:
        assert (await anext(events)).revision == 2
    await session.log("a")
    assert known(service) == ["c3"]


async def test_completing_knows_it_too(client: Client, service: FakeService):
    service.add_session("s", revision=2)
    service.plan("CompleteSession", fail(grpc.StatusCode.ABORTED, "HISTORY_ROLLED_BACK", session_id="s", revision="2"))
    session = await client.get_session("s")
    with pytest.raises(HistoryRolledBackError):
        await session.complete()
    await session.complete()
    tokens = [request.precondition.known.token for request in service.requests("CompleteSession")]
    assert tokens == ["c2", ""]


async def test_after_a_loss_was_told_the_next_write_goes_on(client: Client, service: FakeService):
    service.add_session("s", revision=5)
    session = await client.get_session("s")
    service.plan("BatchWriteSessions", refuse(0, ROLLED_BACK))
    with pytest.raises(HistoryRolledBackError) as raised:
        await session.log("a")
    assert raised.value.revision == session.revision == 2
    await session.refresh()
    await session.log("b")
    assert known(service) == ["c5", "c5"]  # what the fake service has now
    assert session.revision == 6


async def test_every_write_under_way_is_told(client: Client, service: FakeService):
    service.add_session("s", revision=5)
    session = await client.get_session("s")

    async def refuse_all(_work, _context):
        count = len(service.requests("BatchWriteSessions")[-1].writes)
        response = pb.BatchWriteSessionsResponse()
        for _ in range(count):
            response.items.add(status=ROLLED_BACK)
        return response

    service.plan("BatchWriteSessions", refuse_all)
    results = await asyncio.gather(*(session.log(text) for text in "abc"), return_exceptions=True)
    assert [type(result) for result in results] == [HistoryRolledBackError] * 3
    await session.log("d")
    assert known(service) == ["c5", "c5", "c5", ""]
