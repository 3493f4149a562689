"""What people read: every kind of change has a line, and a session's content never drives the terminal."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sojourn import changes as ch
from sojourn.cli import _text
from sojourn.cli._conversation_view import print_conversation, print_events, print_header
from sojourn.cli._render import change_text, event_lines
from sojourn.enums import ChangeKind
from sojourn.models import Event, Session

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

EXAMPLES = [
    (ch.MessageAppended(role="user", content="Hello\nthere"), ["user", "Hello there"]),
    (ch.MessageAppended(role="assistant", parts=({"type": "image"},)), ["assistant", "(image)"]),
    (ch.InvocationStarted(invocation_id="i", tool="grep", arguments={"q": 1}), ["grep", '{"q": 1}']),
    (
        ch.InvocationFinished(invocation_id="i", tool="grep", status="failed", error="no disk", result=[1]),
        ["grep", "failed: no disk", "[1]"],
    ),
    (
        ch.StepFinished(name="login", run=2, status="passed", duration=timedelta(seconds=3)),
        ["login", "run 2", "3.00 s"],
    ),
    (ch.LogAppended(level="warning", text="careful"), ["warning", "careful"]),
    (ch.StatusChanged(status="failed", error="broke"), ["failed", "broke"]),
    (ch.SessionCreated(uid="u", session_kind="qa", user_id="ann", tags=("web",)), ["qa", "user=ann", "[web]"]),
    (ch.StateSet(values={"a": 1, "b": "x"}), ["a = 1", 'b = "x"']),
    (ch.StateDeleted(keys=("a", "b")), ["deleted a, b"]),
    (ch.StateIncremented(key="n", delta=-2), ["n -2"]),
    (ch.ResultSet(name="reward", value=1.0), ["reward = 1.0"]),
    (
        ch.InfoUpdated(purpose="new", add_tags=("a",), remove_tags=("b",), set_metadata={"k": 1}),
        ["new", "+[a]", "-[b]"],
    ),
    (ch.ArtifactAttached(name="home.png", version=2, size_bytes=2048), ["home.png v2", "2,048 bytes"]),
    (ch.Custom(type="acme.mark", payload={"x": 1}), ["acme.mark", '{"x": 1}']),
    (
        ch.RequestQueued(request_id="r1", name="plan", priority=3, exclusive=True, pool="gpus"),
        ["queued plan priority 3 exclusive for pool gpus (r1)"],
    ),
    (
        ch.RequestAdmitted(
            request_id="r1",
            name="plan",
            fencing_token=7,
            pool_slot=ch.PoolSlot(pool="gpus", slot=2, fencing_token=9),
        ),
        ["admitted plan token 7 slot 2 of pool gpus (r1)"],
    ),
    (ch.RequestProgressed(request_id="r1", fraction=0.5, text="half"), ["50% half (r1)"]),
    (ch.RequestCancelRequested(request_id="r1", reason="too slow"), ["asked to stop: too slow (r1)"]),
    (ch.RequestFinished(request_id="r1", outcome="failed", error="no disk"), ["failed: no disk (r1)"]),
    (ch.RequestLost(request_id="r1", fencing_token=7, cause="the lease ran out"), ["lost: the lease ran out (r1)"]),
    (ch.Forked(parent_id="p", parent_revision=3), ["p", "3"]),
    (ch.Restored(restored_revision=9), ["9"]),
    (ch.UnknownChange(), ["unknown"]),
]


def event(*changes, revision=3):
    return Event(session_id="s-1", revision=revision, commit_time=NOW, cursor="c", changes=changes)


def printed(print_it):
    file = io.StringIO()
    print_it(Console(file=file, width=120, highlight=False, markup=False))
    return file.getvalue()


@pytest.mark.parametrize(("change", "expected"), EXAMPLES, ids=lambda value: getattr(value, "kind", ""))
def test_a_change_is_one_telling_line(change, expected):
    line = change_text(change).plain
    assert "\n" not in line
    assert [part for part in expected if part not in line] == []


def test_every_kind_has_an_example():
    assert {change.kind for change, _ in EXAMPLES} == set(ChangeKind)


def test_an_event_shows_its_changes_under_one_head():
    first, second = event_lines(event(EXAMPLES[0][0], EXAMPLES[2][0]), name_session=True)
    assert "s-1" in first.plain
    assert "#3" in first.plain
    assert ".123" in first.plain
    assert "s-1" not in second.plain
    assert second.plain.index("call") == first.plain.index("user")


def test_long_lines_are_cut():
    line = change_text(ch.MessageAppended(role="user", content="x" * 10_000), width=50).plain
    assert len(line) < 70
    assert line.endswith("…")


@given(st.text())
def test_no_control_character_reaches_the_terminal(text):
    for shown in (_text.clean(text), _text.one_line(text)):
        assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
        assert "\x9b" not in shown
        shown.encode()


def test_escape_sequences_are_shown_not_obeyed():
    assert _text.clean("\x1b]0;title\x07") == "\\x1b]0;title\\x07"
    evil = "\x1b[2Jgone"
    changes = [
        ch.MessageAppended(role="user", content=evil, tool_name=evil),
        ch.InvocationStarted(invocation_id="i", tool=evil),
    ]
    assert "\x1b" not in printed(lambda out: print_conversation(out, [event(*changes)], fold=None))
    assert "\x1b" not in printed(lambda out: print_events(out, [event(*changes)]))


def test_markup_in_messages_is_text():
    assert "[red]x[/red]" in printed(
        lambda out: print_conversation(out, [event(ch.MessageAppended(role="user", content="[red]x[/red]"))], fold=None)
    )


def test_a_conversation_tells_each_thing_once():
    text = printed(
        lambda out: print_conversation(
            out,
            [
                event(ch.MessageAppended(role="assistant"), ch.InvocationStarted(invocation_id="i", tool="grep")),
                event(
                    ch.MessageAppended(role="tool", content="3 hits", tool_name="grep", invocation_id="i"),
                    ch.InvocationFinished(invocation_id="i", tool="grep", status="succeeded", result="3 hits"),
                ),
            ],
            fold=None,
        )
    )
    assert text.count("3 hits") == 1
    assert "tool (grep)" in text


def test_long_messages_are_folded():
    message = ch.MessageAppended(role="system", content="\n".join(f"line {n}" for n in range(100)))
    text = printed(lambda out: print_conversation(out, [event(message)], fold=10))
    assert "line 9\n" in text
    assert "line 10\n" not in text
    assert "90 more lines" in text


def test_the_header_leaves_out_what_is_empty():
    session = Session(
        id="s-1", uid="u", revision=4, create_time=NOW, update_time=NOW, state={"k": {"a": 1}}, user_id="ann"
    )
    text = printed(lambda out: print_header(out, session, with_state=True))
    assert "ann" in text
    assert 'k = {"a": 1}' in text
    assert "project" not in text
    assert "tokens" not in text
    assert 'k = {"a": 1}' not in printed(lambda out: print_header(out, session, with_state=False))


def test_the_header_tells_what_is_live():
    session = Session(
        id="s", uid="u", revision=1, create_time=NOW, update_time=NOW,
        admitted_requests=2, queued_requests=1, connection_count=1,
    )  # fmt: skip
    text = printed(lambda out: print_header(out, session, with_state=False))
    assert "2 requests admitted, 1 queued, 1 connection " in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations_for_people(seconds, text):
    assert _text.spent(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.9, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_durations_for_columns(seconds, text):
    assert _text.briefly(timedelta(seconds=seconds)) == text
