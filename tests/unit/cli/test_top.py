"""What `sojourn top` makes of events and lists, and how it shows that."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from sojourn import changes as ch
from sojourn.changes import PoolSlot
from sojourn.cli._overview import Overview
from sojourn.cli._top_view import frame
from sojourn.enums import RequestState
from sojourn.models import Event, Pool, Request, Session, SessionDeleted

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def session(name, **facts):
    return Session(**{"id": name, "uid": "u", "revision": 1, "create_time": NOW, "update_time": NOW} | facts)


def request(session_id, request_id, state="admitted", **facts):
    given = {"session_id": session_id, "id": request_id, "name": request_id, "state": state, "begin_time": NOW}
    return Request(**given | facts)


def event(session_id, *changes, seconds=1):
    time = NOW + timedelta(seconds=seconds)
    return Event(session_id=session_id, revision=2, commit_time=time, cursor="c", changes=changes)


@pytest.fixture
def overview():
    """Two sessions; one has a request that is admitted and one that is queued."""
    overview = Overview()
    overview.begin([session("idle"), session("busy", user_id="ann", connection_count=3)])
    overview.list_begins()
    overview.list_ends([request("busy", "plan"), request("busy", "next", "queued", position=1)], [])
    return overview


def states(overview):
    return {key[1]: request.state for key, request in overview.requests.items()}


class TestOverview:
    def test_sessions_come_and_go_with_their_events(self, overview):
        overview.see(event("new", ch.SessionCreated(uid="u", user_id="eve"), seconds=5))
        assert overview.sessions["new"].user == "eve"
        overview.see(event("new", ch.StatusChanged(status="completed")))
        overview.see(SessionDeleted(session_id="idle", uid="u", revision=3))
        assert set(overview.sessions) == {"busy"}

    def test_the_last_event_is_that_of_the_session(self, overview):
        overview.see(event("idle", ch.LogAppended(text="hello"), seconds=7))
        assert overview.sessions["idle"].last == NOW + timedelta(seconds=7)
        assert overview.events == 1

    def test_a_request_can_be_followed_by_events_alone(self, overview):
        slot = PoolSlot(pool="gpus", slot=1, fencing_token=5)
        steps = [
            ch.RequestQueued(request_id="r", name="render", priority=4, pool="gpus"),
            ch.RequestAdmitted(request_id="r", name="render", priority=4, fencing_token=9, pool_slot=slot),
            ch.RequestProgressed(request_id="r", fraction=0.5, text="half"),
            ch.RequestCancelRequested(request_id="r", reason="why not"),
        ]
        overview.see(event("busy", steps[0]))
        assert overview.requests["busy", "r"] == request(
            "busy", "r", "queued", name="render", user_id="ann", priority=4, pool="gpus",
            begin_time=NOW + timedelta(seconds=1),
        )  # fmt: skip
        for step in steps[1:]:
            overview.see(event("busy", step))
        followed = overview.requests["busy", "r"]
        assert (followed.state, followed.fencing_token, followed.pool_slot) == ("admitted", 9, slot)
        assert (followed.progress, followed.progress_text) == (0.5, "half")
        assert (followed.cancel_requested, followed.cancel_reason) == (True, "why not")
        overview.see(event("busy", ch.RequestFinished(request_id="r", outcome="cancelled")))
        assert ("busy", "r") not in overview.requests

    def test_the_changes_of_one_event_belong_together(self, overview):
        overview.see(
            event(
                "busy",
                ch.RequestLost(request_id="plan", cause="the lease ran out"),
                ch.RequestAdmitted(request_id="next", fencing_token=2),
            )
        )
        assert states(overview) == {"next": "admitted"}

    def test_a_list_does_not_undo_events_that_came_while_it_was_read(self, overview):
        listed = list(overview.requests.values())
        overview.list_begins()
        overview.see(event("busy", ch.RequestFinished(request_id="plan", outcome="succeeded"),
                           ch.RequestAdmitted(request_id="next", fencing_token=2)))  # fmt: skip
        overview.see(event("busy", ch.RequestQueued(request_id="late")))
        overview.list_ends(listed, [])
        assert states(overview) == {"next": "admitted", "late": "queued"}

    def test_an_event_that_came_after_the_list_had_it_changes_nothing(self, overview):
        overview.see(event("busy", ch.RequestQueued(request_id="plan")))
        assert states(overview)["plan"] is RequestState.ADMITTED

    def test_what_a_list_does_not_have_is_gone(self, overview):
        overview.list_begins()
        overview.list_ends([], [Pool(name="gpus", size=1)])
        assert not overview.requests
        assert [pool.name for pool in overview.pools] == ["gpus"]

    def test_a_session_that_was_read_has_its_connections(self, overview):
        overview.look(session("idle", connection_count=8, update_time=NOW - timedelta(hours=1)))
        assert overview.sessions["idle"].connections == 8
        assert overview.sessions["idle"].last == NOW
        overview.look(session("idle", status="completed"))
        assert "idle" not in overview.sessions

    def test_the_busiest_come_first(self, overview):
        overview.begin([session("b"), session("c", connection_count=1), session("busy"), session("a")])
        overview.see(event("b", ch.LogAppended(), seconds=20))
        assert [row.session_id for row in overview.busiest(10)] == ["busy", "c", "b", "a"]
        assert overview.busiest(1)[0][2:] == (1, 1)

    def test_requests_are_in_the_order_of_their_turn(self, overview):
        overview.list_begins()
        overview.list_ends(
            [
                request("s", "third", "queued", position=2),
                request("s", "second", "queued", position=1),
                request("t", "first", begin_time=NOW - timedelta(seconds=3)),
                request("s", "begun later"),
            ],
            [],
        )
        assert [each.name for each in overview.in_order()] == ["first", "begun later", "second", "third"]


def shown(overview, width=120, height=40, **how):
    file = io.StringIO()
    out = Console(file=file, width=width, highlight=False, markup=False)
    out.print(frame(overview, target="localhost:7431", now=NOW + timedelta(seconds=5), height=height, **how))
    return file.getvalue()


class TestFrame:
    def test_totals_sessions_and_requests(self, overview):
        overview.list_begins()
        overview.list_ends(
            [
                request("busy", "plan", progress=0.4, progress_text="reading", lease_ttl=timedelta(seconds=15),
                        lease_expire_time=NOW + timedelta(seconds=16)),
                request("busy", "next", "queued", position=1, waiting_for="requests_per_session"),
            ],
            [Pool(name="gpus", size=2, used=2, queued=1), Pool(name="browsers", size=10)],
        )  # fmt: skip
        overview.rate = 12.3
        lines = [" ".join(line.split()) for line in shown(overview).splitlines()]
        assert lines[0].startswith("sojourn top localhost:7431")
        assert lines[1] == "sessions 2 active requests 1 admitted, 1 queued slots 2/12 used, 1 queued events 12/s"
        assert lines[2] == "pools gpus 2/2, 1 queued browsers 0/10"
        assert lines.index("busy ann 1 1 3 5 s ago") < lines.index("idle 0 0 0 5 s ago")
        assert "plan busy admitted 0 5 s 11 s ━━━━ 40% reading" in lines
        assert "next busy queued: session #1 0 5 s" in lines

    def test_one_that_was_asked_to_stop_is_stopping(self, overview):
        overview.see(event("busy", ch.RequestCancelRequested(request_id="plan")))
        assert "stopping" in shown(overview)

    def test_trouble_is_told_first(self, overview):
        assert "no answer for 4 s" in shown(overview, trouble="no answer for 4 s").splitlines()[0]

    @pytest.mark.parametrize("height", [10, 24, 60])
    def test_it_fits_the_terminal_and_counts_what_does_not(self, height):
        overview = Overview()
        overview.begin(session(f"s-{number}") for number in range(100))
        overview.list_begins()
        overview.list_ends((request(f"s-{number}", f"r-{number}") for number in range(100)), [])
        text = shown(overview, height=height, width=80)
        assert len(text.splitlines()) <= max(height, 13)
        sessions, requests = (int(number) for number in re.findall(r"^and (\d+) more *$", text, re.MULTILINE))
        assert sessions + text.count("5 s ago") == 100
        assert requests + text.count(" admitted  ") - 1 == 100

    def test_a_frame_in_a_pipe_is_as_wide_as_what_it_holds(self, overview):
        lines = shown(overview, width=10_000, expand=False).splitlines()
        assert max(map(len, lines)) < 200

    def test_what_sessions_hold_never_drives_the_terminal(self):
        evil = "\x1b[2J"
        overview = Overview()
        overview.begin([session("s", user_id=evil)])
        overview.list_begins()
        overview.list_ends([request("s", evil, progress_text=evil, pool=evil)], [Pool(name=evil, size=1)])
        assert "\x1b" not in shown(overview, trouble=evil)

    def test_a_list_that_is_not_all_says_so(self, overview):
        overview.list_begins()
        overview.list_ends([request("busy", "plan")], [], partial=True)
        assert "(the oldest)" in shown(overview)
