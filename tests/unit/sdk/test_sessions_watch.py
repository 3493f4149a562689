"""A watch of many sessions resumes only at markers, and hands over what comes again only once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from sojourn import Client, CursorTooOldError, Event, InvalidFieldError, SessionArchived, SessionDeleted
from sojourn.v1 import session_service_pb2 as pb
from tests.unit.sdk.fake_service import FakeService, abort, event
from tests.unit.sdk.fake_service import cursor as position

Response = pb.WatchSessionsResponse


def events(*items: tuple[str, int]) -> Response:
    return Response(events=[event(session_id, revision) for session_id, revision in items])


def progress(number: int) -> Response:
    return Response(progress=pb.Progress(cursor=position(number)))


def deleted(session_id: str, revision: int) -> Response:
    return Response(deleted=pb.SessionDeleted(session_id=session_id, uid=f"uid-{session_id}", revision=revision))


def stream(*messages: Response, fault: str = "", reason: str = ""):
    async def script(_request: Any, context: Any) -> AsyncIterator[Response]:
        for message in messages:
            yield message
        if fault:
            await abort(context, getattr(grpc.StatusCode, fault), reason)
        await asyncio.Event().wait()

    return script


async def take(watch: AsyncIterator[Event | SessionDeleted | SessionArchived], count: int) -> list[tuple[str, int]]:
    return [(item.session_id, item.revision) for item in [await anext(watch) for _ in range(count)]]


async def test_events_of_all_sessions_come(client: Client, service: FakeService):
    service.script(stream(progress(1), events(("a", 4), ("b", 9)), events(("a", 5))))
    async with client.watch_sessions(user_id="u", project="p", status=["active"], tags=["t"], kinds="custom") as watch:
        assert await take(watch, 3) == [("a", 4), ("b", 9), ("a", 5)]
    request = service.requests("WatchSessions")[0]
    assert (request.filter.user_id, request.filter.project) == ("u", "p")
    assert (list(request.filter.statuses), list(request.filter.all_tags), list(request.kinds)) == ([1], ["t"], [12])


async def test_what_comes_again_after_a_marker_is_dropped(client: Client, service: FakeService):
    service.script(
        stream(progress(1), events(("a", 1)), progress(2), events(("a", 2), ("b", 1)), fault="UNAVAILABLE"),
        stream(events(("b", 1)), events(("a", 2), ("a", 3)), progress(3)),
    )
    async with client.watch_sessions() as watch:
        assert await take(watch, 4) == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
        assert watch.cursor == "c2"
    assert [request.after.token for request in service.requests("WatchSessions")] == ["", "c2"]


async def test_a_session_that_took_a_deleted_ones_id_is_another(client: Client, service: FakeService):
    second = event("a", 1, "another session")
    second.commit_time.seconds += 100
    service.script(
        stream(progress(1), events(("a", 1)), deleted("a", 1), Response(events=[second]), fault="UNAVAILABLE"),
        stream(deleted("a", 1), Response(events=[second]), events(("b", 1))),
    )
    async with client.watch_sessions() as watch:
        items = [await anext(watch) for _ in range(4)]
    assert [type(item) for item in items] == [Event, SessionDeleted, Event, Event]
    assert [item.session_id for item in items] == ["a", "a", "a", "b"]
    assert items[1].changes == ()


async def test_a_session_that_was_archived_is_told_once(client: Client, service: FakeService):
    archived = Response(archived=pb.SessionArchived(session_id="a", revision=2))
    service.script(
        stream(progress(1), events(("a", 2)), archived, fault="UNAVAILABLE"),
        stream(events(("a", 2)), archived, events(("b", 1))),
    )
    async with client.watch_sessions() as watch:
        items = [await anext(watch) for _ in range(3)]
    assert [(type(item), item.session_id, item.revision) for item in items] == [
        (Event, "a", 2), (SessionArchived, "a", 2), (Event, "b", 1),
    ]  # fmt: skip
    assert items[1].changes == ()


async def test_snapshots_are_complete_once_the_watch_is_live(client: Client, service: FakeService):
    for name in "abc":
        service.add_session(name, revision=2)
    snapshots = [Response(snapshot=service.session(name)) for name in "abc"]
    service.script(
        stream(snapshots[0], fault="UNAVAILABLE"),
        stream(*snapshots, progress(5), events(("a", 3)), fault="UNAVAILABLE"),
        stream(progress(5), events(("a", 3), ("c", 3))),
    )
    async with client.watch_sessions(snapshot=True) as watch:
        assert [session.id for session in watch.snapshots] == ["a", "b", "c"]
        assert await take(watch, 2) == [("a", 3), ("c", 3)]
    assert [request.snapshot for request in service.requests("WatchSessions")] == [True, True, False]


async def test_a_watch_is_resumed_by_another(client: Client, service: FakeService):
    service.script(stream(progress(8), events(("a", 2))))
    async with client.watch_sessions(after="c7") as watch:
        assert await take(watch, 1) == [("a", 2)]
    assert service.requests("WatchSessions")[0].after.token == "c7"


async def test_a_position_that_is_too_old_is_told(client: Client, service: FakeService):
    service.script(stream(fault="OUT_OF_RANGE", reason="CURSOR_TOO_OLD"))
    with pytest.raises(CursorTooOldError):
        await client.watch_sessions(after="c1").ready()


async def test_a_wrong_filter_is_told_at_once(client: Client):
    with pytest.raises(InvalidFieldError, match="status"):
        client.watch_sessions(status="asleep")
    with pytest.raises(InvalidFieldError, match="tags"):
        client.watch_sessions(tags="one")
