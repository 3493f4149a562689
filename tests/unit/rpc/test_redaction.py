"""Redaction: what is to be left out is left out everywhere, and what is left is still a session."""

import json
from dataclasses import replace

import pytest

from sojourn.v1 import event_pb2, session_pb2
from sojourn_server.domain.changes import ChangeKind
from sojourn_server.domain.errors import InvalidFieldError
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.limits import Limits
from sojourn_server.rpc.redaction import REDACTED, Redactions

LIMITS = Limits()
NAMES = {field.name: field for field in event_pb2.Change.DESCRIPTOR.fields}


def value(document):
    return session_pb2.Value(json=json.dumps(document).encode())


def stored(*changes, writer=""):
    body = event_pb2.Event(writer=writer, changes=changes).SerializeToString()
    return StoredEvent("a", "u", "", 1, 1, 1, 0, body)


def change(kind, **fields):
    return event_pb2.Change(**{kind: NAMES[kind].message_type._concrete_class(**fields)})


async def redacted(*changes, keys=(), patterns=(), writer="", limits=LIMITS):
    async with Redactions(limits).open(keys, patterns) as redactor:
        (event,) = await redactor.redact([stored(*changes, writer=writer)])
    return event_pb2.Event.FromString(event.body), event


async def test_values_under_keys_go_wherever_they_are():
    arguments = {"Password": {"deep": 1}, "list": [{"PASSWORD": None, "n": 1.10}], "pass": "word"}
    event, _ = await redacted(
        change("state_set", values={"password": value(7), "k": value({"a": {"password": "x"}})}),
        change("invocation_started", invocation_id="i", tool="t", arguments=value(arguments)),
        change("session_created", metadata={"PassWord": value("x")}),
        change("result_set", name="password", value=value([1])),
        change("artifact_attached", name="n", labels={"password": "x", "b": "c"}),
        keys=["passWORD"],
    )
    one, two, three, four, five = event.changes
    assert json.loads(one.state_set.values["password"].json) == REDACTED
    assert json.loads(one.state_set.values["k"].json) == {"a": {"password": REDACTED}}
    kept = b'{"Password":"[redacted]","list":[{"PASSWORD":"[redacted]","n":1.1}],"pass":"word"}'
    assert two.invocation_started.arguments.json == kept
    assert json.loads(three.session_created.metadata["PassWord"].json) == REDACTED
    assert json.loads(four.result_set.value.json) == REDACTED
    assert dict(five.artifact_attached.labels) == {"password": REDACTED, "b": "c"}


async def test_what_patterns_match_goes_from_every_text():
    event, _ = await redacted(
        change("message_appended", content="call 555-1234 or 555-9999", parts=[value({"t": "555-1234"})]),
        change("log_appended", text="555-1234"),
        change("status_changed", error="at 555-1234"),
        change("info_updated", purpose="555-1234", add_tags=["555-1234", "555-9999", "b"]),
        change("invocation_finished", invocation_id="555-1234", error="555-1234", result=value(["555-1234", 5551234])),
        writer="555-1234",
        patterns=["[0-9]{3}-[0-9]{4}"],
    )
    assert b"555-" not in b"".join(c.SerializeToString() for c in event.changes[:4])
    message, _, _, info, finished = event.changes
    assert message.message_appended.content == f"call {REDACTED} or {REDACTED}"
    assert list(info.info_updated.add_tags) == [REDACTED, "b"]
    assert finished.invocation_finished.invocation_id == "555-1234"  # ids stay
    assert json.loads(finished.invocation_finished.result.json) == [REDACTED, 5551234]
    assert event.writer == REDACTED


async def test_numbers_stay_as_they_were_written():
    raw = b'{"a":"x","n":[1e400,-0,1.50,123456789012345678901234567890]}'
    event, _ = await redacted(change("custom", type="t", payload=session_pb2.Value(json=raw)), patterns=["x"])
    assert event.changes[0].custom.payload.json == raw.replace(b'"x"', b'"[redacted]"')


async def test_an_integer_that_is_redacted_is_not_incremented():
    event, rest = await redacted(change("state_incremented", key="pin", delta=1), keys=["pin"])
    assert json.loads(event.changes[0].state_set.values["pin"].json) == REDACTED
    assert rest.mask == 1 << ChangeKind.STATE_SET


async def test_texts_stay_within_their_limits():
    small = replace(LIMITS, text_bytes=64, tag_bytes=12, value_bytes=40, write_bytes=100)
    event, _ = await redacted(
        change("message_appended", content="x " * 30),
        change("info_updated", add_tags=["x x"]),
        change("custom", type="t", payload=value("x " * 10)),
        patterns=["x"],
        limits=small,
    )
    assert event.changes[0].message_appended.content == REDACTED
    assert list(event.changes[1].info_updated.add_tags) == [REDACTED]
    assert json.loads(event.changes[2].custom.payload.json) == REDACTED


@pytest.mark.parametrize("pattern", ["(", "a*", "", "(?=a)b", r"(a)\1", "a{1,100000}{1,1000}"])
async def test_what_is_no_pattern_of_ours_is_refused(pattern):
    with pytest.raises(InvalidFieldError) as refused:
        await redacted(change("log_appended", text="aaa"), patterns=["fine", pattern])
    assert refused.value.metadata["field"].startswith("redaction.patterns")


async def test_a_pattern_that_takes_for_ever_ends_the_export_and_nothing_else(monkeypatch):
    monkeypatch.setattr("sojourn_server.rpc.patterns.PAGE_SECONDS", 0.5)
    with pytest.raises(InvalidFieldError, match="so long"):
        await redacted(change("log_appended", text="a" * 60), patterns=["(a|aa)+$x|(a|aa)+b"])
    monkeypatch.undo()
    event, _ = await redacted(change("log_appended", text="aab"), patterns=["b"])
    assert event.changes[0].log_appended.text == f"aa{REDACTED}"


async def test_without_rules_nothing_is_redacted():
    async with Redactions(LIMITS).open([], []) as redactor:
        assert redactor is None
