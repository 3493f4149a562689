"""Changes on the wire: every kind is checked, kept in the body of its event, and read back as it was."""

import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain import changes as ch
from sojourn_server.domain.effects import effects_of
from sojourn_server.domain.errors import ConflictError, InvalidFieldError, TooLargeError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.session import SessionStatus
from sojourn_server.rpc import parse, render
from sojourn_server.rpc.changes import ProtoCodec, encode_body, parse_changes

LIMITS = Limits()
FIELDS = {field.name: field.number for field in event_pb2.Change.DESCRIPTOR.fields}
CALLER = [name for name, number in FIELDS.items() if number < ch.FIRST_SERVER_KIND]
SERVER = [name for name, number in FIELDS.items() if number >= ch.FIRST_SERVER_KIND]

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 4, "cost_micros": 5}
VALUE = {"json": b'{"a": [1, 2.5, null]}'}
FULL = {
    "state_set": {"values": {"k": VALUE, "l": {"json": b"1"}}},
    "state_deleted": {"keys": ["k", "l"]},
    "state_incremented": {"key": "k", "delta": -(2**63)},
    "message_appended": {
        "role": event_pb2.MESSAGE_ROLE_TOOL, "content": "", "parts": [VALUE], "tool_name": "t", "invocation_id": "i",
        "usage": USAGE,
    },
    "invocation_started": {"invocation_id": "i", "tool": "t", "arguments": VALUE, "request_id": "r"},
    "invocation_finished": {
        "invocation_id": "i", "tool": "t", "status": event_pb2.INVOCATION_STATUS_FAILED, "result": VALUE, "error": "e",
        "duration": {"seconds": 1, "nanos": 5000}, "usage": USAGE,
    },
    "step_finished": {
        "name": "n", "run": 2, "status": session_pb2.STEP_STATUS_PASSED, "duration": {"nanos": 1000}, "output": VALUE,
        "error": "e",
    },
    "result_set": {"name": "n", "value": VALUE},
    "artifact_attached": {
        "name": "n", "version": 1, "content_type": "image/png", "size_bytes": 2, "sha256": "ab", "phase": "before",
        "labels": {"k": "v"}, "uri": "s3://b/k",
    },
    "log_appended": {"level": event_pb2.LOG_LEVEL_ERROR, "text": "line"},
    "info_updated": {
        "purpose": "", "add_tags": ["a"], "remove_tags": ["b"], "set_metadata": {"k": VALUE}, "remove_metadata": ["l"],
    },
    "custom": {"type": "acme", "payload": VALUE},
}  # fmt: skip


def change(name: str, fields: dict) -> event_pb2.Change:
    return event_pb2.Change(**{name: fields})


def stored(body: bytes, **fields) -> StoredEvent:
    return StoredEvent("s", "00000000000000aa", "00000000000000bb", 7, 1_700_000_000_123_456, 9, 1, body, **fields)


def read_back(body: bytes) -> event_pb2.Event:
    [event] = pb.ListEventsResponse.FromString(render.events_page([stored(body)], "next")).events
    return event


def test_kinds_are_numbered_alike_everywhere():
    assert {kind.name.lower(): int(kind) for kind in ch.ChangeKind} == FIELDS
    in_proto = {name.removeprefix("CHANGE_KIND_"): number for name, number in event_pb2.ChangeKind.items() if number}
    assert in_proto == {kind.name: int(kind) for kind in ch.ChangeKind}
    assert set(FULL) == set(CALLER)


@pytest.mark.parametrize("name", CALLER)
def test_every_field_of_a_kind_is_kept(name):
    message = change(name, FULL[name])
    kind = event_pb2.Change.DESCRIPTOR.fields_by_name[name].message_type
    assert {field.name for field, _ in getattr(message, name).ListFields()} | {"content", "purpose"} >= {
        field.name for field in kind.fields
    }
    [parsed] = parse_changes([message], LIMITS)
    assert parsed.kind == FIELDS[name]
    effects_of([parsed])
    event = read_back(encode_body([message], "me", LIMITS))
    assert list(event.changes) == [message]
    assert event.writer == "me"


@pytest.mark.parametrize("name", SERVER)
def test_what_the_server_writes_callers_may_not(name):
    with pytest.raises(InvalidFieldError) as raised:
        parse_changes([change("log_appended", {"text": "x"}), change(name, {})], LIMITS)
    assert raised.value.metadata["field"] == "changes[1]"


def test_a_change_without_a_kind():
    with pytest.raises(InvalidFieldError) as raised:
        parse_changes([event_pb2.Change()], LIMITS)
    assert raised.value.metadata == {"field": "changes[0]", "expected": "exactly one kind of change"}


@pytest.mark.parametrize("name", CALLER)
def test_an_empty_change_is_taken_only_where_nothing_is_required(name):
    if name in ("log_appended", "info_updated"):
        assert parse_changes([change(name, {})], LIMITS)
        return
    with pytest.raises(InvalidFieldError) as raised:
        parse_changes([change(name, {})], LIMITS)
    assert raised.value.metadata["field"].startswith(f"changes[0].{name}")


LONG = "x" * 257


@pytest.mark.parametrize(
    ("name", "bad", "field"),
    [
        ("state_set", {"values": {"": VALUE}}, "values key"),
        ("state_set", {"values": {LONG: VALUE}}, "values key"),
        ("state_set", {"values": {"k": {}}}, 'values["k"]'),
        ("state_set", {"values": {"k": {"json": b"NaN"}}}, 'values["k"]'),
        ("state_set", {"values": {"k": {"json": b"[" * 40 + b"]" * 40}}}, 'values["k"]'),
        ("state_set", {"values": {"k": {"json": b'"' + b"x" * (1 << 20) + b'"'}}}, 'values["k"]'),
        ("state_deleted", {"keys": ["k", "a\nb"]}, "keys[1]"),
        ("state_incremented", {"key": LONG, "delta": 1}, "key"),
        ("message_appended", {"role": 9}, "role"),
        ("message_appended", {"role": 1, "content": "x" * ((1 << 20) + 1)}, "content"),
        ("message_appended", {"role": 1, "parts": [VALUE, {"json": b"{"}]}, "parts[1]"),
        ("message_appended", {"role": 1, "tool_name": LONG}, "tool_name"),
        ("message_appended", {"role": 1, "usage": {"input_tokens": -1}}, "usage"),
        ("message_appended", {"role": 1, "usage": {"cost_micros": 1 << 51}}, "usage"),
        ("invocation_started", {"invocation_id": "i"}, "tool"),
        ("invocation_started", {"invocation_id": "i", "tool": "t", "arguments": {"json": b"x"}}, "arguments"),
        ("invocation_finished", {"invocation_id": "i"}, "status"),
        ("invocation_finished", {"invocation_id": "i", "status": 1, "duration": {"seconds": -1}}, "duration"),
        ("step_finished", {"name": "n"}, "status"),
        ("step_finished", {"name": "n", "status": 1, "run": -1}, "run"),
        ("result_set", {"name": "n"}, "value"),
        ("artifact_attached", {"name": "n", "version": -1}, ""),
        ("artifact_attached", {"name": "n", "labels": {"": "v"}}, "labels key"),
        ("log_appended", {"level": 99}, "level"),
        ("info_updated", {"purpose": "x" * 4097}, "purpose"),
        ("info_updated", {"add_tags": ["x" * 65]}, "add_tags[0]"),
        ("info_updated", {"add_tags": [f"t{n}" for n in range(65)]}, "add_tags"),
        ("custom", {"type": "t", "payload": {"json": b""}}, "payload"),
    ],
)
def test_the_error_names_the_field(name, bad, field):
    with pytest.raises((InvalidFieldError, TooLargeError)) as raised:
        parse_changes([change(name, bad)], LIMITS)
    assert raised.value.metadata["field"] == f"changes[0].{name}.{field}".rstrip(".")


def test_a_body_is_the_same_for_the_same_changes():
    """Idempotency compares bodies."""
    one = change("state_set", {"values": {f"k{n}": VALUE for n in range(50)}})
    other = change("state_set", {"values": {f"k{n}": VALUE for n in reversed(range(50))}})
    assert encode_body([one], "", LIMITS) == encode_body([other], "", LIMITS)
    assert encode_body([one], "a", LIMITS) != encode_body([one], "b", LIMITS)


def test_an_increment_that_fails_within_its_write_names_the_session():
    changes = [change("state_set", {"values": {"k": VALUE}}), change("state_incremented", {"key": "k", "delta": 1})]
    with pytest.raises(ConflictError) as raised:
        parse.write("t", pb.WriteSessionRequest(session_id="s", changes=changes), LIMITS)
    assert raised.value.reason == "NOT_AN_INTEGER"
    assert raised.value.metadata == {"session_id": "s", "key": "k"}


def test_a_body_may_not_be_too_large():
    message = change("custom", {"type": "t", "payload": {"json": b'"' + b"x" * 1000 + b'"'}})
    assert encode_body([message] * 3, "", Limits(write_bytes=4000))
    with pytest.raises(TooLargeError) as raised:
        encode_body([message] * 4, "", Limits(write_bytes=4000))
    assert raised.value.metadata["field"] == "changes"


def test_what_the_server_writes_is_read_back():
    created = ch.SessionCreated(
        "00000000000000aa", "qa", "u", "p", "why", ("a", "b"), {"m": b"1"}, {"s": b"{}"}, "mother", 1500, 2000, 3
    )
    ended = ch.StatusChanged(SessionStatus.FAILED, "why")
    event = read_back(ProtoCodec().encode([created, ended], "me"))
    first, second = event.changes
    assert first.session_created == event_pb2.SessionCreated(
        uid="00000000000000aa", kind="qa", user_id="u", project="p", purpose="why", tags=["a", "b"],
        metadata={"m": {"json": b"1"}}, state={"s": {"json": b"{}"}}, parent="mother",
        idle_timeout={"seconds": 1, "nanos": 500_000_000}, max_lifetime={"seconds": 2}, max_concurrent_requests=3,
    )  # fmt: skip
    assert second.status_changed == event_pb2.StatusChanged(status=session_pb2.SESSION_STATUS_FAILED, error="why")
    assert event.writer == "me"
    with pytest.raises(TypeError):
        ProtoCodec().encode([ch.LogAppended()], "")
