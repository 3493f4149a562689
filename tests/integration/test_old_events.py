"""Events that left the active store are read from the catalog: nobody notices."""

from functools import partial

import pytest

from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain.session import SessionKey
from sojourn_server.store.keys import Keyspace
from tests.support import wire
from tests.support.engines import ValkeyProcess
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.wire import create, write

EVERYTHING = list(range(1, 103))


@pytest.fixture
async def engine():
    async with ValkeyProcess() as engine:
        yield engine


@pytest.fixture
async def stub(engine, tmp_path):
    async with (
        ServerUnderTest(
            redis=engine.url, data_dir=tmp_path, log_events_kept=10, project_seconds=0.05, durability="relaxed"
        ) as server,
        wire.connect(server.target) as stub,
    ):
        yield stub


async def written(stub, engine, sid):
    """A session with 101 events, of which the active store has few; the session as it began."""
    first = await create(stub, sid)
    for _ in range(100):
        await stub.WriteSession(write(sid))
    head = Keyspace(256).session(SessionKey("default", sid)).head

    async def left() -> bool:
        return int(await engine.call("HGET", head, "oldest") or 0) >= 80

    await wait_until(left, description="old events left the active store")
    return first


async def test_the_whole_log_is_read_though_most_of_it_left_the_active_store(stub, engine, sid):
    first = await written(stub, engine, sid)
    await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid))

    async def pages(**query) -> list[int]:
        found, token = [], ""
        while True:
            page = await stub.ListEvents(pb.ListEventsRequest(session_id=sid, page_token=token, **query))
            found += wire.revisions(page.events)
            token = page.next_page_token
            if not token:
                return found

    for read in (partial(pages, page_size=size) for size in (7, 50, 1000)):
        assert await read() == EVERYTHING
        assert await read(reverse=True) == EVERYTHING[::-1]
    assert await pages(after=pb.Position(cursor=first.cursor)) == EVERYTHING[1:]
    assert await pages(after=pb.Position(revision=40), before=pb.Position(revision=60)) == EVERYTHING[40:59]


async def test_a_watch_begins_with_events_that_left_and_goes_on_live(stub, engine, sid):
    first = await written(stub, engine, sid)
    for place in (0, 1, 50, first.cursor.token):
        call = stub.WatchSession(wire.watch(sid, place))
        begin = place if isinstance(place, int) else first.revision
        seen: list[int] = []
        async for answer in wire.messages(call):
            seen += wire.revisions(answer.events)
            if seen and seen[-1] >= 101:
                break
        assert seen == list(range(begin + 1, seen[-1] + 1))
        committed = await stub.WriteSession(write(sid))
        async for answer in wire.messages(call):
            seen += wire.revisions(answer.events)
            if seen[-1] >= committed.revision:
                break
        assert seen == list(range(begin + 1, committed.revision + 1))
        call.cancel()
