"""Events that left the active store are read from the catalog: nobody notices."""

from functools import partial

import pytest

from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, watch_failure, write


@pytest.fixture
async def stub(tmp_path):
    async with (
        ServerUnderTest(data_dir=tmp_path, log_events_kept=10, project_seconds=0.05) as server,
        wire.connect(server.target) as stub,
    ):
        yield stub


async def test_the_whole_log_is_read_though_most_of_it_left_the_active_store(stub, sid):
    first = await create(stub, sid)
    for _ in range(100):
        await stub.WriteSession(write(sid))

    async def left() -> bool:
        """Only a watch needs the active store's own log: it says so."""
        call = stub.WatchSession(wire.watch(sid, 1, until_ended=True))
        try:
            return (await watch_failure(call)).metadata["oldest_revision"] >= "80"
        except AssertionError:
            return False

    async def pages(**query) -> list[int]:
        found, token = [], ""
        while True:
            page = await stub.ListEvents(pb.ListEventsRequest(session_id=sid, page_token=token, **query))
            found += wire.revisions(page.events)
            token = page.next_page_token
            if not token:
                return found

    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))
    await wait_until(left, description="old events left the active store")
    everything = list(range(1, 103))
    for read in (partial(pages, page_size=size) for size in (7, 50, 1000)):
        assert await read() == everything
        assert await read(reverse=True) == everything[::-1]
    assert await pages(after=pb.Position(cursor=first.cursor)) == everything[1:]
    assert await pages(after=pb.Position(revision=40), before=pb.Position(revision=60)) == everything[40:59]
