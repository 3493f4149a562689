"""Cursors, revisions and page tokens that cannot be resumed at, each with its documented error on the wire."""

import shutil
from contextlib import AsyncExitStack

import pytest

from sojourn.v1 import search_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain.session import SessionKey
from sojourn_server.store.opening import StoreSettings, open_store
from tests.support import wire
from tests.support.engines import ValkeyProcess
from tests.support.server import ServerUnderTest
from tests.support.wire import after, create, failure, watch_failure, write


def cursor(token):
    return session_pb2.Cursor(token=token)


def listed(sid, place, **rest):
    return pb.ListEventsRequest(session_id=sid, after=after(place), **rest)


async def both_ways(stub, sid, place):
    """What listing and watching after a position fail with: the same."""
    found = await failure(stub.ListEvents(listed(sid, place)))
    assert await watch_failure(stub.WatchSession(wire.watch(sid, place))) == found
    return found


@pytest.mark.parametrize("token", ["x", "cAFh", "äöü", "AAAA" * 1000, "cQ" + "A" * 41])
async def test_a_malformed_cursor(stub, sid, token):
    await create(stub, sid)
    found = await both_ways(stub, sid, token)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "CURSOR_MALFORMED")
    assert found.metadata == {"field": "after.cursor"}
    assert found.fields == ["after.cursor"]
    many = await watch_failure(stub.WatchSessions(pb.WatchSessionsRequest(after=cursor(token))))
    assert (many.code, many.reason, many.metadata) == ("INVALID_ARGUMENT", "CURSOR_MALFORMED", {"field": "after"})


async def test_cursors_of_one_session_and_of_many_are_not_exchangeable(stub, sid):
    session = await create(stub, sid)
    call = stub.WatchSessions(pb.WatchSessionsRequest())
    many = (await call.read()).progress.cursor.token
    call.cancel()
    found = await both_ways(stub, sid, many)
    assert found.reason == "CURSOR_MALFORMED"
    found = await watch_failure(stub.WatchSessions(pb.WatchSessionsRequest(after=session.cursor)))
    assert found.reason == "CURSOR_MALFORMED"


async def test_a_position_in_the_future(stub, sid):
    await create(stub, sid)
    found = await both_ways(stub, sid, 9)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "CURSOR_IN_FUTURE")
    assert found.metadata == {"session_id": sid, "after_revision": "9", "revision": "1"}


async def test_a_cursor_of_an_earlier_session_with_the_id(stub, sid):
    old = await create(stub, sid)
    await stub.DeleteSession(pb.DeleteSessionRequest(session_id=sid))
    await create(stub, sid)
    found = await both_ways(stub, sid, old.cursor.token)
    assert (found.code, found.reason, found.metadata) == ("ABORTED", "SESSION_REPLACED", {"session_id": sid})


async def test_a_cursor_of_another_session(stub, sid):
    await create(stub, sid)
    other = await create(stub, f"{sid}-2")
    assert (await both_ways(stub, sid, other.cursor.token)).reason == "SESSION_REPLACED"


async def test_page_tokens_are_bound_to_their_query(stub, sid):
    for number in range(3):
        await create(stub, f"{sid}-{number}", project=sid)
    await stub.WriteSession(write(f"{sid}-0"))
    of_project = session_pb2.SessionFilter(project=sid)
    strong = search_pb2.CONSISTENCY_STRONG
    sessions = await stub.ListSessions(pb.ListSessionsRequest(filter=of_project, page_size=1, consistency=strong))
    events = await stub.ListEvents(pb.ListEventsRequest(session_id=f"{sid}-0", page_size=1))
    assert sessions.next_page_token
    assert events.next_page_token
    refused = [
        stub.ListSessions(pb.ListSessionsRequest(page_token=sessions.next_page_token)),
        stub.ListSessions(pb.ListSessionsRequest(filter=of_project, page_token="junk")),
        stub.ListSessions(pb.ListSessionsRequest(filter=of_project, page_token=events.next_page_token)),
        stub.ListEvents(pb.ListEventsRequest(session_id=f"{sid}-1", page_token=events.next_page_token)),
        stub.ListEvents(pb.ListEventsRequest(session_id=f"{sid}-0", reverse=True, page_token=events.next_page_token)),
    ]
    for call in refused:
        found = await failure(call)
        assert (found.code, found.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
        assert found.metadata == {"field": "page_token"}
    # With the very query they go on, and the size of a page may change.
    more = pb.ListSessionsRequest(filter=of_project, page_size=9, page_token=sessions.next_page_token)
    assert [s.id for s in (await stub.ListSessions(more)).sessions] == [f"{sid}-1", f"{sid}-0"]


async def test_events_that_nobody_has_any_more(sid, tmp_path):
    """Not even the catalog: it had no time to learn of them."""
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(ValkeyProcess())
        server = await stack.enter_async_context(
            ServerUnderTest(redis=engine.url, data_dir=tmp_path, project_seconds=60, keeper=False)
        )
        stub = await stack.enter_async_context(wire.connect(server.target))
        first = await create(stub, sid)
        for _ in range(5):
            await stub.WriteSession(write(sid))
        async with AsyncExitStack() as opened:
            store = await open_store(StoreSettings(engine.url), opened)
            await store.active.trim(SessionKey("default", sid), before=4)
        found = await watch_failure(stub.WatchSession(wire.watch(sid, first.cursor.token)))
        assert (found.code, found.reason) == ("OUT_OF_RANGE", "CURSOR_TOO_OLD")
        assert {**found.metadata, "oldest_cursor": ""} == {
            "session_id": sid, "oldest_revision": "4", "oldest_cursor": "",
        }  # fmt: skip
        # Resuming at the oldest position works.
        page = await stub.ListEvents(listed(sid, found.metadata["oldest_cursor"]))
        assert wire.revisions(page.events) == [4, 5, 6]
        watch = stub.WatchSession(wire.watch(sid, 0))
        assert (await watch_failure(watch)).reason == "CURSOR_TOO_OLD"


async def test_a_store_restored_from_an_older_copy_is_noticed(tmp_path, sid):
    data, copy = tmp_path / "data", tmp_path / "copy"
    async with ServerUnderTest(data_dir=data) as server:
        async with wire.connect(server.target) as stub:
            await create(stub, sid)
            kept = (await stub.WriteSession(write(sid))).cursor.token
        assert await server.terminate() == 0
        shutil.copytree(data, copy)
        await server.start()
        async with wire.connect(server.target) as stub:
            await stub.WriteSession(write(sid))
            lost = (await stub.WriteSession(write(sid))).cursor.token
        assert await server.terminate() == 0
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        await server.start()
        async with wire.connect(server.target) as stub:
            found = await both_ways(stub, sid, lost)
            assert (found.code, found.reason) == ("ABORTED", "HISTORY_ROLLED_BACK")
            assert found.metadata == {"session_id": sid, "revision": "2"}
            # Revisions 3 and 4 are used anew: the lost cursor does not fit them either.
            for _ in range(2):
                await stub.WriteSession(write(sid))
            assert (await both_ways(stub, sid, lost)).reason == "HISTORY_ROLLED_BACK"
            page = await stub.ListEvents(listed(sid, kept))
            assert wire.revisions(page.events) == [3, 4]
