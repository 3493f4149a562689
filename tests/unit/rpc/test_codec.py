"""Bodies of events read back as changes of the domain: what moved the head once moves it again."""

from dataclasses import replace

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain import changes as ch
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.session import SessionStatus
from sojourn_server.rpc.changes import encode_body, parse_changes
from sojourn_server.rpc.codec import ProtoCodec

from .test_changes import CALLER, FULL, SERVER, change

CODEC = ProtoCodec()
LIMITS = Limits()


@pytest.mark.parametrize("name", CALLER)
@pytest.mark.parametrize("full", [True, False])
def test_a_callers_change_is_what_it_was_when_it_was_parsed(name, full):
    fields = FULL[name] if full else {k: v for k, v in FULL[name].items() if k not in ("usage", "duration", "version")}
    message = change(name, fields)
    (parsed,) = parse_changes([message], LIMITS)
    (decoded,) = CODEC.decode(encode_body([message], "me", LIMITS))
    if isinstance(decoded, ch.InvocationFinished):
        assert (decoded.tool, decoded.error) == ("t", "e")
        decoded = replace(decoded, tool="", error="")
    assert decoded == parsed


def test_changes_come_in_their_order():
    messages = [change(name, FULL[name]) for name in CALLER]
    decoded = CODEC.decode(encode_body(messages, "", LIMITS))
    assert [int(one.kind) for one in decoded] == [event_pb2.Change.DESCRIPTOR.fields_by_name[n].number for n in CALLER]


@pytest.mark.parametrize(
    "written",
    [
        ch.SessionCreated("aa", "qa", "u", "p", "why", ("a",), {"m": b"1"}, {"s": b"{}"}, "mother", 1500, 2000, 3),
        ch.SessionCreated("aa"),
        ch.StatusChanged(SessionStatus.FAILED, "why"),
        ch.StatusChanged(SessionStatus.ACTIVE),
        ch.Forked("aa", "mother", 7),
        ch.Restored(7),
        ch.InvocationFinished("i", ch.InvocationStatus.INTERRUPTED, tool="t", error="why"),
        ch.RequestLost("r", 7, "why"),
    ],
)
def test_what_the_server_writes_is_read_back(written):
    assert CODEC.decode(CODEC.encode([written], "me")) == [written]


@pytest.mark.parametrize("name", SERVER)
def test_every_kind_of_the_servers_is_known(name):
    (decoded,) = CODEC.decode(event_pb2.Event(changes=[_smallest(name)]).SerializeToString())
    assert int(decoded.kind) == event_pb2.Change.DESCRIPTOR.fields_by_name[name].number


def _smallest(name: str) -> event_pb2.Change:
    return change(name, {"status": 1} if name == "status_changed" else {})


def test_a_kind_of_a_later_version_is_left_out():
    unknown = b"\xfa\x07\x00"  # field 127, empty
    later = event_pb2.Change.FromString(unknown)
    body = event_pb2.Event(changes=[later, change("custom", {"type": "t"})]).SerializeToString()
    assert CODEC.decode(body) == [ch.Custom("t")]


def test_bytes_that_are_no_event_are_refused():
    with pytest.raises(ValueError, match="not the body of an event"):
        CODEC.decode(b"\xff\xff")
