"""Events as responses: encoded once, put together from what the store knows and what the writer sent."""

import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain.cursor import SessionCursor, ShardCursor, ShardPosition, decode_session_cursor
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.session import Session, SessionStatus, StepStatus, StepSummary
from sojourn_server.ports import ArchivedSession, DeletedSession
from sojourn_server.rpc import render
from sojourn_server.usecases.watching import GoingAway, Progress

UID, INCARNATION = "00000000000000aa", "00000000000000bb"
CURSOR = SessionCursor(UID, INCARNATION, 7, 1_700_000_000_123_456)


def stored(revision: int, size: int = 10) -> StoredEvent:
    body = event_pb2.Event(writer="w", changes=[{"log_appended": {"text": "x" * size}}]).SerializeToString()
    return StoredEvent("s", UID, INCARNATION, revision, 1_700_000_000_123_456, 9, 1, body)


@pytest.mark.parametrize("size", [0, 100, 127, 128, 20_000, 3 << 20])
def test_an_event_of_any_size(size):
    response = pb.ListEventsResponse.FromString(render.events_page([stored(7, size)], "token"))
    [event] = response.events
    assert (event.session_id, event.revision, event.writer) == ("s", 7, "w")
    assert (event.commit_time.seconds, event.commit_time.nanos) == (1_700_000_000, 123_456_000)
    assert decode_session_cursor(event.cursor.token, "f") == CURSOR
    assert len(event.changes[0].log_appended.text) == size
    assert response.next_page_token == "token"


def test_it_is_encoded_once():
    event = stored(7)
    [first], [second] = render.watch_messages([event]), render.watch_messages([event])
    assert first is second is event.wire


def test_a_long_flow_comes_in_pieces_in_order_and_whole():
    found = [stored(n, 10 if n % 3 else 300_000) for n in range(1, 900)]
    pieces = list(render.watch_messages(found))
    assert len(pieces) > 1
    for response in (pb.WatchSessionResponse, pb.WatchSessionsResponse):
        events = [event for piece in pieces for event in response.FromString(piece).events]
        assert [event.revision for event in events] == list(range(1, 900))
    assert max(map(len, pieces)) < 2 << 20


def test_markers():
    def marker(message) -> pb.WatchSessionResponse:
        [piece] = render.watch_messages(message)
        assert pb.WatchSessionsResponse.FromString(piece).SerializeToString() == piece
        return pb.WatchSessionResponse.FromString(piece)

    assert marker(Progress(CURSOR, 7)).progress == pb.Progress(cursor={"token": CURSOR.encode()}, revision=7)
    assert marker(GoingAway(CURSOR)).going_away.cursor.token == CURSOR.encode()
    assert marker(DeletedSession("s", UID, 7)).deleted == pb.SessionDeleted(session_id="s", uid=UID, revision=7)
    assert marker(ArchivedSession("s", UID, 7)).archived == pb.SessionArchived(session_id="s", revision=7)
    shards = ShardCursor(1, (ShardPosition(1, 2),))
    assert marker(Progress(shards)).progress.cursor.token == shards.encode()


def test_a_session_in_full_and_without_state():
    found = Session(
        "s", UID, INCARNATION, "qa", "u", "p", "why", "mother", SessionStatus.FAILED, "e", 7, 1_000_000,
        CURSOR.commit_us, 3_000_000, 1500, 2000, 3, 4, 5, 6, ["a"], {"m": b"1"}, {"k": b"2"}, {"r": b"3"},
        {"messages": 1, "invocations": 2, "failed_invocations": 3, "open_invocations": 4, "steps": 5, "artifacts": 6,
         "logs": 7},
        {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost_micros": 4}, {"git": 8},
        {"n": StepSummary(2, StepStatus.SKIPPED, 1500), "o": StepSummary(1, StepStatus.PASSED, None)},
    )  # fmt: skip
    full, basic = session_pb2.Session(), session_pb2.Session()
    render.fill_session(full, found)
    render.fill_session(basic, found, full=False)
    unset = {field.name for field in full.DESCRIPTOR.fields} - {field.name for field, _ in full.ListFields()}
    assert unset <= {"expire_time"}, "ended: it does not expire"
    assert full.status == session_pb2.SESSION_STATUS_FAILED
    assert full.end_time.seconds == 3
    assert decode_session_cursor(full.cursor.token, "f") == CURSOR
    assert full.steps["n"] == session_pb2.StepSummary(
        run=2, status=session_pb2.STEP_STATUS_SKIPPED, duration={"nanos": 1_500_000}
    )
    assert not full.steps["o"].HasField("duration")
    for field in full.counters.DESCRIPTOR.fields:
        assert getattr(full.counters, field.name) == found.counters[field.name]
    for field in full.usage.DESCRIPTOR.fields:
        assert getattr(full.usage, field.name) == found.usage[field.name]
    assert (full.state["k"].json, full.results["r"].json) == (b"2", b"3")
    full.ClearField("state")
    full.ClearField("results")
    assert full == basic


def test_when_a_session_expires():
    found = Session("s", UID, INCARNATION, created_us=1_000_000, updated_us=5_000_000, idle_timeout_ms=2500)
    message = session_pb2.Session()
    render.fill_session(message, found)
    assert (message.expire_time.seconds, message.expire_time.nanos) == (7, 500_000_000)
    found.max_lifetime_ms = 1000
    render.fill_session(message, found)
    assert message.expire_time.seconds == 2
    found.queued_requests = 1
    message.Clear()
    render.fill_session(message, found)
    assert not message.HasField("expire_time"), "not while a request is live"
