"""A watch of one session hands over every event once and in order, whatever happens to its stream."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from sojourn import (
    ChangeKind,
    Client,
    ClientClosedError,
    CursorTooOldError,
    HistoryRolledBackError,
    ProtocolError,
    ServerUnreachableError,
    SessionDeletedError,
    SessionNotFoundError,
    SessionWatch,
    StoreUnavailableError,
    Timeouts,
    Watching,
)
from sojourn.v1 import session_service_pb2 as pb
from tests.support.waiting import wait_until
from tests.unit.sdk.conftest import Running, connected
from tests.unit.sdk.fake_service import FakeService, abort, cursor, event

Response = pb.WatchSessionResponse
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def events(*revisions: int) -> Response:
    return Response(events=[event("s", revision) for revision in revisions])


def progress(revision: int) -> Response:
    return Response(progress=pb.Progress(cursor=cursor(revision), revision=revision))


def going_away(revision: int) -> Response:
    return Response(going_away=pb.GoingAway(cursor=cursor(revision)))


def deleted(revision: int) -> Response:
    return Response(deleted=pb.SessionDeleted(session_id="s", uid="uid-s", revision=revision))


def stream(*messages: Response, then: str = "hang", **fault: Any):
    """A script: the messages, and then hang, end in order, or fail with a status."""

    async def script(_request: Any, context: Any) -> AsyncIterator[Response]:
        for message in messages:
            yield message
        if then == "hang":
            await asyncio.Event().wait()
        elif then != "end":
            await abort(context, getattr(grpc.StatusCode, then), **fault)

    return script


async def take(watch: SessionWatch, count: int) -> list[int]:
    return [(await anext(watch)).revision for _ in range(count)]


def positions(service: FakeService) -> list[str | int | None]:
    """Where each stream of the watch began: a cursor, a revision, or now."""
    found: list[str | int | None] = []
    for request in service.requests("WatchSession"):
        if not request.HasField("after"):
            found.append(None)
        elif request.after.WhichOneof("at") == "cursor":
            found.append(request.after.cursor.token)
        else:
            found.append(request.after.revision)
    return found


async def test_events_come_in_order(client: Client, service: FakeService):
    service.script(stream(progress(4), events(5, 6), events(7)))
    async with client.session("s").watch() as watch:
        first = await anext(watch)
        assert (first.revision, first.session_id, first.cursor) == (5, "s", "c5")
        assert first.changes[0].kind is ChangeKind.LOG_APPENDED
        assert await take(watch, 2) == [6, 7]
        assert watch.cursor == "c7"


@pytest.mark.parametrize(
    "cut",
    [
        {"then": "UNAVAILABLE"},
        {"then": "UNAVAILABLE", "reason": "STORE_UNAVAILABLE"},
        {"then": "CANCELLED"},
        {"then": "DEADLINE_EXCEEDED"},
        {"then": "RESOURCE_EXHAUSTED", "reason": "SLOW_CONSUMER", "cursor": "c3"},
        {"then": "RESOURCE_EXHAUSTED", "reason": "LIMIT_EXCEEDED", "retry_after": 0.01},
        {"then": "end"},
    ],
)
async def test_a_cut_stream_is_resumed_where_it_ended(client: Client, service: FakeService, cut: dict[str, Any]):
    service.script(stream(progress(1), events(2, 3), **cut), stream(progress(3), events(4)))
    async with client.session("s").watch(after=1) as watch:
        assert await take(watch, 3) == [2, 3, 4]
    assert positions(service) == [1, "c3"]


async def test_a_marker_advances_the_position(client: Client, service: FakeService):
    """What a filter dropped is not asked for again."""
    service.script(stream(progress(1), events(4), progress(90), then="UNAVAILABLE"), stream(progress(90), events(95)))
    async with client.session("s").watch(kinds="log_appended") as watch:
        assert await take(watch, 2) == [4, 95]
    assert positions(service) == [None, "c90"]
    assert [list(request.kinds) for request in service.requests("WatchSession")] == [[10], [10]]


async def test_from_now_on_means_the_same_now_after_a_reconnect(client: Client, service: FakeService):
    service.script(stream(progress(7), then="UNAVAILABLE"), stream(progress(7), events(8, 9)))
    async with client.session("s").watch() as watch:
        assert await take(watch, 2) == [8, 9]
    assert positions(service) == [None, "c7"]


async def test_repeated_events_are_dropped(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2, 3), then="UNAVAILABLE"), stream(events(2, 3, 4), events(4, 5)))
    async with client.session("s").watch() as watch:
        assert await take(watch, 4) == [2, 3, 4, 5]


@pytest.mark.parametrize("messages", [(events(2), events(4)), (events(2, 4),), (events(2), progress(4))])
async def test_a_gap_is_an_error_and_not_passed_over(client: Client, service: FakeService, messages: Any):
    service.script(stream(progress(1), *messages))
    async with client.session("s").watch() as watch:
        assert await take(watch, 1) == [2]
        with pytest.raises(ProtocolError, match="revisions 3 to"):
            await anext(watch)


async def test_a_gap_over_a_reconnect_is_noticed(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2), then="UNAVAILABLE"), stream(progress(3)))
    async with client.session("s").watch() as watch:
        assert await take(watch, 1) == [2]
        with pytest.raises(ProtocolError, match="revisions 3 to 3"):
            await anext(watch)


async def test_a_filter_makes_gaps(client: Client, service: FakeService):
    service.script(stream(progress(1), events(5), events(9)))
    async with client.session("s").watch(kinds=[ChangeKind.LOG_APPENDED, "custom"]) as watch:
        assert await take(watch, 2) == [5, 9]
    assert list(service.requests("WatchSession")[0].kinds) == [10, 12]


async def test_a_silent_stream_is_given_up(running: Running, service: FakeService):
    service.script(stream(progress(1), events(2)), stream(progress(2), events(3)))
    async with (
        connected(running, watching=Watching(progress_interval=0.1)) as client,
        client.session("s").watch() as watch,
    ):
        assert await take(watch, 2) == [2, 3]
    assert positions(service) == [None, "c2"]
    assert service.requests("WatchSession")[0].progress_interval.ToMilliseconds() == 100


async def test_markers_keep_a_quiet_stream_alive(running: Running, service: FakeService):
    async def quiet(_request: Any, _context: Any) -> AsyncIterator[Response]:
        for _ in range(8):
            yield progress(1)
            await asyncio.sleep(0.1)
        yield events(2)

    service.script(quiet)
    async with (
        connected(running, watching=Watching(progress_interval=0.1)) as client,
        client.session("s").watch() as watch,
    ):
        assert await take(watch, 1) == [2]
    assert len(positions(service)) == 1


async def test_a_slow_reader_is_not_taken_for_a_silent_stream(running: Running, service: FakeService):
    service.script(stream(progress(1), events(2), events(3)))
    async with (
        connected(running, watching=Watching(progress_interval=0.1)) as client,
        client.session("s").watch() as watch,
    ):
        assert await take(watch, 1) == [2]
        await asyncio.sleep(0.5)
        assert await take(watch, 1) == [3]
    assert len(positions(service)) == 1


async def test_another_worker_takes_over(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2), going_away(2), then="end"), stream(progress(2), events(3)))
    async with client.session("s").watch() as watch:
        assert await take(watch, 2) == [2, 3]
    assert positions(service) == [None, "c2"]


async def test_the_snapshot_comes_before_the_events(client: Client, service: FakeService):
    service.add_session("s", revision=6)
    first = stream(Response(snapshot=service.session("s")), progress(6), events(7), then="UNAVAILABLE")
    service.script(first, stream(progress(7), events(8)))
    async with client.session("s").watch(snapshot=True) as watch:
        assert watch.snapshot is not None
        assert watch.snapshot.revision == 6
        assert await take(watch, 2) == [7, 8]
    assert [request.snapshot for request in service.requests("WatchSession")] == [True, False]
    assert positions(service) == [None, "c7"]


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        ("OUT_OF_RANGE", "CURSOR_TOO_OLD", CursorTooOldError),
        ("ABORTED", "HISTORY_ROLLED_BACK", HistoryRolledBackError),
        ("NOT_FOUND", "SESSION_NOT_FOUND", SessionNotFoundError),
    ],
)
async def test_what_cannot_be_resumed_is_raised(
    client: Client, service: FakeService, status: str, reason: str, error: type[Exception]
):
    service.script(
        stream(progress(1), events(2), then="UNAVAILABLE"),
        stream(then=status, reason=reason, session_id="s", oldest_cursor="c9"),
    )
    watch = client.session("s").watch()
    assert await take(watch, 1) == [2]
    for _ in range(2):
        with pytest.raises(error) as caught:
            await anext(watch)
    if isinstance(caught.value, CursorTooOldError):
        assert caught.value.oldest_cursor == "c9"


async def test_an_error_before_the_watch_is_live_meets_whoever_waits(client: Client, service: FakeService):
    service.script(*[stream(then="NOT_FOUND", reason="SESSION_NOT_FOUND", session_id="s")] * 2)
    with pytest.raises(SessionNotFoundError):
        await client.session("s").watch().ready()
    with pytest.raises(SessionNotFoundError):
        async with client.session("s").watch():
            pytest.fail("entered a watch that is not live")


async def test_a_deletion_comes_after_all_events(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2, 3), deleted(3), then="end"))
    watch = client.session("s").watch()
    assert await take(watch, 2) == [2, 3]
    with pytest.raises(SessionDeletedError) as caught:
        await anext(watch)
    assert (caught.value.session_id, caught.value.revision) == ("s", 3)


async def test_a_session_that_was_archived_ends_the_iteration(client: Client, service: FakeService):
    archived = Response(archived=pb.SessionArchived(session_id="s", revision=3))
    service.script(stream(progress(1), events(2, 3), archived, then="end"))
    watch = client.session("s").watch()
    assert not watch.archived
    assert [item.revision async for item in watch] == [2, 3]
    assert watch.archived


async def test_until_ended(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2), then="UNAVAILABLE"), stream(progress(2), events(3), then="end"))
    assert [item.revision async for item in client.session("s").watch(until_ended=True)] == [2, 3]
    assert [request.until_ended for request in service.requests("WatchSession")] == [True, True]


@pytest.mark.parametrize("leave", ["break", "exit", "aclose", "cancel"])
async def test_leaving_ends_the_stream(client: Client, service: FakeService, leave: str):
    service.script(stream(progress(1), events(2)))

    async def read_on() -> None:
        async for _ in client.session("s").watch():
            pass

    if leave == "break":
        async for _ in client.session("s").watch():
            break
        gc.collect()
    elif leave == "exit":
        async with client.session("s").watch() as watch:
            await anext(watch)
    elif leave == "aclose":
        watch = client.session("s").watch()
        await anext(watch)
        await watch.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(watch)
    else:
        task = asyncio.create_task(read_on())
        await wait_until(lambda: len(service.calls) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await wait_until(lambda: service.ended_watches == 1, description="the stream to end on the server")


async def test_reading_goes_on_after_a_cancelled_read(client: Client, service: FakeService):
    service.script(stream(progress(1), events(2)), stream(progress(2), events(3)))
    async with client.session("s").watch() as watch:
        assert await take(watch, 1) == [2]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(watch)
        assert await take(watch, 1) == [3]
    assert positions(service) == [None, "c2"]


async def test_a_watch_that_cannot_become_live_is_given_up(running: Running, service: FakeService):
    service.script(*[stream(then="UNAVAILABLE", reason="STORE_UNAVAILABLE")] * 1000)
    async with connected(running, timeouts=Timeouts(total=0.2)) as client:
        with pytest.raises(StoreUnavailableError):
            await client.session("s").watch().ready()


async def test_a_live_watch_is_given_up_only_when_told_so(running: Running, service: FakeService):
    away = [stream(then="UNAVAILABLE")] * 1000
    live = [stream(progress(1), *more, then="UNAVAILABLE") for more in ([], [events(2)])]
    service.script(live[0], *away[:20], live[1], *away)
    watching = Watching(progress_interval=5, give_up_after=1.5)
    async with (
        connected(running, timeouts=Timeouts(total=0.1, connect=5), watching=watching) as client,
        client.session("s").watch() as watch,
    ):
        assert await take(watch, 1) == [2]
        watch._give_up_after = 0.1
        with pytest.raises(ServerUnreachableError):
            await anext(watch)


async def test_closing_the_client_ends_the_watch(running: Running, service: FakeService):
    service.script(stream(progress(1)))
    client = await running.client().connect()
    watch = client.session("s").watch()
    await watch.ready()
    reader = asyncio.create_task(anext(watch))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ClientClosedError):
        await reader


@pytest.mark.parametrize("after", ["c2", 2, "event"])
async def test_a_watch_begins_after_a_cursor_a_revision_or_an_event(client: Client, service: FakeService, after: Any):
    if after == "event":
        service.script(stream(progress(1), events(2)))
        async with client.session("s").watch() as watch:
            after = await anext(watch)
        service.calls.clear()
    service.script(stream(events(3), progress(3)))
    async with client.session("s").watch(after=after) as watch:
        assert await take(watch, 1) == [3]
    assert positions(service) == [2 if after == 2 else "c2"]
