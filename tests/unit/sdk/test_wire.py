"""Messages of the service become models, those of a newer service included."""

from datetime import UTC, datetime, timedelta

import pytest

from sojourn import (
    ChangeKind,
    Event,
    PoolSlot,
    RequestAdmitted,
    RequestCancelRequested,
    RequestLost,
    RequestQueued,
    Session,
    SessionCreated,
    SessionStatus,
    Tier,
    UnknownChange,
)
from sojourn._transport import parse, vocabulary
from sojourn._transport.parse_changes import _READERS, change
from sojourn.v1 import event_pb2, request_pb2, session_pb2
from tests.unit.sdk.fake_service import cursor


def full_session() -> session_pb2.Session:
    message = session_pb2.Session(
        id="qa-1",
        uid="u1",
        kind="qa",
        user_id="ada",
        project="p",
        purpose="check",
        tags=["a", "b"],
        status=session_pb2.SESSION_STATUS_FAILED,
        error="why",
        revision=41,
        counters=session_pb2.Counters(messages=3, open_invocations=1),
        usage=session_pb2.Usage(input_tokens=1, output_tokens=2, total_tokens=3, cost_micros=1500),
        tools={"git": 2},
        parent="p-1",
        max_concurrent_requests=4,
        storage=session_pb2.Storage(tier=session_pb2.TIER_HOT),
        cursor=cursor(41),
        admitted_requests=2,
        queued_requests=5,
        connection_count=9,
    )
    message.metadata["m"].json = b"[1]"
    message.state["k"].json = b'{"a":1}'
    message.results["r"].json = b"null"
    message.steps["login"].CopyFrom(session_pb2.StepSummary(run=2, status=session_pb2.STEP_STATUS_PASSED))
    message.steps["login"].duration.FromTimedelta(timedelta(milliseconds=1))
    message.idle_timeout.FromTimedelta(timedelta(minutes=5))
    for name in ("create_time", "update_time", "end_time", "expire_time"):
        getattr(message, name).FromDatetime(datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC))
    return message


def test_a_session_with_everything():
    session = parse.session(full_session())
    assert session.status is SessionStatus.FAILED
    assert not session.is_active
    assert (session.tags, session.metadata, session.state) == (("a", "b"), {"m": [1]}, {"k": {"a": 1}})
    assert (session.results, session.tools) == ({"r": None}, {"git": 2})
    assert (session.counters.messages, session.counters.open_invocations, session.usage.cost) == (3, 1, 0.0015)
    assert (session.steps["login"].run, session.steps["login"].duration) == (2, timedelta(milliseconds=1))
    assert session.end_time == session.create_time == datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    assert (session.idle_timeout, session.max_lifetime) == (timedelta(minutes=5), None)
    assert (session.storage.tier, session.cursor, session.max_concurrent_requests) == (Tier.HOT, "c41", 4)
    assert (session.admitted_requests, session.queued_requests, session.connection_count) == (2, 5, 9)
    assert Session.model_validate(session.model_dump(mode="json")) == session
    with pytest.raises(ValueError, match="frozen"):
        session.revision = 42


def test_a_session_with_nothing():
    session = parse.session(session_pb2.Session(id="s", status=session_pb2.SESSION_STATUS_ACTIVE, revision=1))
    assert session.is_active
    assert session.end_time is session.expire_time is session.idle_timeout is None
    assert session.state == session.metadata == session.steps == {}


def test_every_kind_of_change_has_a_model():
    kinds = {field.name for field in event_pb2.Change.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert set(_READERS) == kinds == {kind.value for kind in ChangeKind} - {"unknown"}
    for kind in kinds:
        message = event_pb2.Change()
        getattr(message, kind).SetInParent()
        model = change(message)
        assert model.kind == kind
        event = Event(session_id="s", revision=1, commit_time=datetime.now(UTC), cursor="c", changes=(model,))
        assert Event.model_validate_json(event.model_dump_json()) == event


def test_the_first_change():
    message = event_pb2.Change()
    message.session_created.CopyFrom(event_pb2.SessionCreated(uid="u", kind="qa", user_id="ada", tags=["t"]))
    message.session_created.state["k"].json = b"1"
    message.session_created.max_lifetime.FromTimedelta(timedelta(hours=1))
    assert change(message) == SessionCreated(
        uid="u", session_kind="qa", user_id="ada", tags=("t",), state={"k": 1}, max_lifetime=timedelta(hours=1)
    )


def test_changes_of_requests():
    queued = event_pb2.RequestQueued(request_id="r", priority=3, exclusive=True, pool="browsers", interrupts=True)
    assert change(event_pb2.Change(request_queued=queued)) == RequestQueued(
        request_id="r", priority=3, exclusive=True, pool="browsers", interrupts=True
    )
    slot = request_pb2.PoolSlot(pool="browsers", slot=2, fencing_token=8)
    admitted = event_pb2.RequestAdmitted(request_id="r", fencing_token=7, pool_slot=slot, priority=3)
    assert change(event_pb2.Change(request_admitted=admitted)) == RequestAdmitted(
        request_id="r", fencing_token=7, pool_slot=PoolSlot(pool="browsers", slot=2, fencing_token=8), priority=3
    )
    lost = event_pb2.RequestLost(request_id="r", fencing_token=7, cause="its lease ran out")
    assert change(event_pb2.Change(request_lost=lost)) == RequestLost(
        request_id="r", fencing_token=7, cause="its lease ran out"
    )
    asked = event_pb2.RequestCancelRequested(request_id="r", reason="stuck")
    assert change(event_pb2.Change(request_cancel_requested=asked)) == RequestCancelRequested(
        request_id="r", reason="stuck"
    )


def test_what_is_newer_than_this_sdk_is_unknown_and_no_error():
    assert change(event_pb2.Change()) == UnknownChange()
    assert vocabulary.SESSION_STATUS.read(999) is SessionStatus.UNKNOWN


def test_the_wires_vocabularies_are_all_known():
    """Making a Vocabulary fails when the wire has a name that its enum has not; the other way round is seen here."""
    only_here = {
        "InvocationStatus": {"running"},  # an invocation without a finish
    }
    for value in vars(vocabulary).values():
        if isinstance(value, vocabulary.Vocabulary):
            texts = {member.value for member in value._enum} - {"unknown"}
            assert texts - set(value._write) == only_here.get(value._enum.__name__, set())
