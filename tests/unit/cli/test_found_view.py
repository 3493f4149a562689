"""What was found, as people read it."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from sojourn.cli import _found_view as view
from sojourn.cli import _text
from sojourn.models import FoundSession, Fragment, Invocation, Session

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def session(**facts):
    given = {"id": "s-1", "uid": "u", "revision": 3, "create_time": NOON, "update_time": NOON}
    return Session(**given | facts)


def fragment(text, *highlights, source="message", revision=7):
    return Fragment(source=source, revision=revision, text=text, highlights=highlights)


def invocation(**facts):
    return Invocation(**{"session_id": "s-1", "id": "i-1", "tool": "git", "started_time": NOON} | facts)


def rows(table, width=200):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False).print(table)
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def marked(line):
    return [line.plain[span.start : span.end] for span in line.spans if span.style == view._MATCH]


def test_a_session_and_its_fragments():
    found = FoundSession(
        session=session(user_id="ann", project="support", tags=("vip", "web"), status="completed"),
        fragments=(fragment("…a refund, please…", (3, 9)), fragment("refund", (0, 6), source="arguments", revision=12)),
    )
    head, first, second = view.found_lines(found)
    assert " ".join(head.plain.split()).startswith("s-1 completed ann support vip web 2026-")
    assert " ".join(first.plain.split()) == "message #7 …a refund, please…"
    assert " ".join(second.plain.split()) == "arguments #12 refund"
    assert marked(first) == marked(second) == ["refund"]


@pytest.mark.parametrize(
    ("piece", "plain", "matches"),
    [
        (fragment("one two one", (0, 3), (8, 11)), "one two one", ["one", "one"]),
        (fragment("🛫 Flug 🛬", (2, 6)), "🛫 Flug 🛬", ["Flug"]),
        (fragment("seat\n\n  map", (0, 11)), "seat map", ["seat map"]),
        (fragment("a\x1b[2J refund", (6, 12)), "a\\x1b[2J refund", ["refund"]),
        (fragment("no match told"), "no match told", []),
        (fragment("short", (2, 99)), "short", ["ort"]),
    ],
    ids=["several", "outside the basic plane", "lines", "controls", "none", "past the end"],
)
def test_matches_stay_where_they_were(piece, plain, matches):
    line = view.highlighted(piece)
    assert line.plain == plain
    assert marked(line) == matches


def test_an_invocation_is_a_row():
    ended = invocation(
        status="failed",
        arguments={"command": "push"},
        error="rejected",
        duration=timedelta(seconds=2.5),
        cost=0.25,
        request_id="r-1",
    )
    head, _, row = rows(view.invocations_table([ended]))
    assert head == "session invocation tool status started took cost request arguments result"
    assert row.startswith("s-1 i-1 git failed 2026-")
    assert row.endswith('2.50 s 0.25 r-1 {"command": "push"} rejected')


def test_columns_that_say_nothing_are_left_out():
    head, _, row = rows(view.invocations_table([invocation(status="running")]))
    assert head == "session invocation tool status started"
    assert row.startswith("s-1 i-1 git running 2026-")


def test_ids_are_in_one_piece_however_narrow_the_terminal():
    table = view.invocations_table([invocation(session_id="a" * 30, id="b" * 32, arguments="c" * 50, error="d" * 50)])
    assert any(row.startswith(f"{'a' * 30} {'b' * 32} ") for row in rows(table, width=100))


def test_what_sessions_hold_never_drives_the_terminal():
    evil = "\x1b[2J\x07"
    found = FoundSession(session=session(id=evil, user_id=evil, tags=(evil,)), fragments=(fragment(evil, (0, 4)),))
    calls = [invocation(session_id=evil, id=evil, tool=evil, arguments=evil, error=evil, request_id=evil)]
    assert "\x1b" not in "".join(line.plain for line in view.found_lines(found))
    assert "\x1b" not in "".join(rows(view.invocations_table(calls)))


@pytest.mark.parametrize(
    ("lag", "said"),
    [(None, ""), (timedelta(0), ""), (timedelta(seconds=0.4), ""), (timedelta(seconds=90), "1 min 30 s")],
)
def test_what_may_be_missing_is_said_when_it_is_more_than_moments(lag, said, capsys):
    _text.tell_lag(lag)
    assert said in capsys.readouterr().err
