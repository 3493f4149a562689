"""What the frames hold: nothing of a session is left out, nothing comes back that no session can have."""

from dataclasses import MISSING, fields, replace

import pytest

from sojourn.v1 import session_pb2
from sojourn_server.archive import records
from sojourn_server.archive.documents import ContentError, parse_object
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.session import Session
from tests.support.archived import document, events_of, folded_of, rich_session, session_members


def default_of(field):
    return field.default_factory() if field.default_factory is not MISSING else field.default


def test_every_field_of_a_session_is_kept_but_those_that_say_where_it_is():
    folded = rich_session()
    for field in fields(Session):
        if field.name not in records.NOT_KEPT:
            assert getattr(folded.session, field.name) != default_of(field), f"rich_session gives no {field.name}"
    assert records.parse_session(records.render_session(folded)) == folded
    assert {field.name for field in fields(Folded)} == {"session", "open_invocations", "requests"}


def test_where_a_session_is_stays_out_of_its_files():
    folded = rich_session()
    elsewhere = Folded(
        replace(folded.session, connection_count=3, snapshot_path="sessions/x", archive_path="sessions/y"),
        folded.open_invocations, folded.requests,
    )  # fmt: skip
    rendered = records.render_session(elsewhere)
    assert rendered == records.render_session(folded)
    members = parse_object(rendered).member("session")._members
    assert members.keys() == {field.name for field in fields(Session)} - records.NOT_KEPT


def test_the_counts_we_know_are_those_of_the_protos():
    assert {field.name for field in session_pb2.Counters.DESCRIPTOR.fields} == records.COUNTERS
    assert {field.name for field in session_pb2.Usage.DESCRIPTOR.fields} == records.USAGE


def test_what_a_later_server_adds_is_ignored():
    members = session_members() | {"mood": "good", "counters": {"messages": 1, "moods": 2}, "usage": {"joules": 3}}
    found = records.parse_session(document({"session": members, "weather": [1]}))
    assert found == Folded(Session("s", members["uid"], members["incarnation"], revision=1, counters={"messages": 1}))


def test_events_come_back_as_they_were():
    folded = folded_of(4)
    log = events_of(folded, [b"", b"\x00", b"x" * 1000, b"last"])
    raw = b"".join(records.render_events(log))
    identity = records.Identity("s", folded.session.uid, folded.session.incarnation)
    assert records.parse_events(raw, identity, 1) == log
    assert records.parse_events(b"".join(records.render_events(log[2:])), identity, 3) == log[2:]


WRONG = {
    "id": [None, 1, "", "a/b", "../x", "a" * 129], "uid": [None, 1, "", "x", "00000000000000AA", "0" * 17],
    "incarnation": [1, "x"], "kind": [1, "", "Kind"], "user_id": [1, "\n", "x" * 257], "project": [1, "\x00"],
    "purpose": [1, None], "parent": [1, "a/b"], "error": [1],
    "status": [None, 1, "active", "DONE"], "revision": [None, 0, -1, 1.0, "1", True, 2**63, 10**400],
    "created_us": [-1, 10**18], "updated_us": [-1, 10**18], "ended_us": [-1, 10**18, "1"],
    "idle_timeout_ms": [-1, 2**60], "max_lifetime_ms": [-1, 2**60], "max_concurrent_requests": [-1, 2**31],
    "admitted_requests": [-1, 2**31], "queued_requests": [-1, 2**31],
    "tags": ["a", [1], [""], ["\n"], ["x" * 65]],
    "metadata": [[], {"": "1"}, {"k" * 257: "1"}, {"k": 1}, {"k": ""}, {"k": "x"}, {"k": "NaN"}],
    "state": [{"k": "[" * 33 + "]" * 33}, {"k": "[" * 1000_000}, {"\n": "1"}, {"k": '"' + "x" * (1 << 20) + '"'}],
    "results": [{"k": "{"}, {"k": None}], "counters": [{"messages": -1}, {"messages": "1"}, [1]],
    "usage": [{"total_tokens": 1.5}], "tools": [{"": 1}, {"t": -1}],
    "steps": [{"": {"run": 1, "status": "PASSED"}}, {"s": 1}, {"s": {"run": 1}}, {"s": {"run": 1, "status": "X"}},
              {"s": {"run": 2**31, "status": "PASSED"}}, {"s": {"run": 1, "status": "PASSED", "duration_us": -1}}],
    "artifacts": [{"a": "1"}, {"a": 2**63}],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_session_with_a_field_that_no_session_can_have_is_refused(name):
    for value in WRONG[name]:
        with pytest.raises(ContentError, match=r"expected|more than"):
            records.parse_session(document({"session": session_members() | {name: value}}))


def test_every_field_of_a_session_is_checked():
    assert WRONG.keys() == {field.name for field in fields(Session)} - records.NOT_KEPT


@pytest.mark.parametrize(
    "more",
    [{"open_invocations": {"i": "click"}}, {"open_invocations": {"i": 1}}, {"open_invocations": {"": "/x"}},
     {"requests": {"r": 1}}, {"requests": {"a/b": True}}, {"requests": []}, {"session": []}, {"session": None}],
)  # fmt: skip
def test_a_session_with_something_wrong_beside_it_is_refused(more):
    with pytest.raises(ContentError):
        records.parse_session(document({"session": session_members()} | more))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"1", b"null", b'{"session":', b"\xff{}", b'{"a":"\xff"}', b'{"a":NaN}', b'{"a":1e5}{}',
     b'{"a":"\\ud800"}', b'{"\\udc00":1}', b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"a":' + b"1" * 5000 + b"}"],
    ids=lambda raw: raw[:12].decode(errors="replace"),
)  # fmt: skip
def test_what_is_no_json_object_in_utf8_is_refused(raw):
    with pytest.raises(ContentError):
        parse_object(raw)
