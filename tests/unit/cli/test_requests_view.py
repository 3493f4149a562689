"""Requests and pools as people read them."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from sojourn.changes import PoolSlot
from sojourn.cli import _requests_view as view
from sojourn.models import Pool, Request

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def request(**facts):
    """A request that began a minute and a half ago."""
    given = {"session_id": "s-1", "id": "r-1", "state": "admitted", "begin_time": NOW - timedelta(seconds=90)}
    return Request(**given | facts)


def printed(renderable, width=200):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False).print(renderable)
    return file.getvalue()


def test_a_request_is_a_row_with_everything_there_is_to_know():
    text = printed(
        view.requests_table(
            [
                request(
                    name="plan",
                    priority=3,
                    user_id="ann",
                    pool="browsers",
                    pool_slot=PoolSlot(pool="browsers", slot=4, fencing_token=1),
                    progress=0.4,
                    progress_text="reading",
                    lease_ttl=timedelta(seconds=15),
                    lease_expire_time=NOW + timedelta(seconds=12),
                    cancel_requested=True,
                    cancel_reason="too slow",
                )
            ],
            NOW,
        )
    )
    row = " ".join(text.splitlines()[-2].split())
    assert row == "s-1 r-1 plan admitted 3 ann browsers 4 40% reading 90 s 12 s asked: too slow"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"state": "queued", "waiting_for": "requests_per_session", "position": 2}, "queued: session #2"),
        ({"state": "queued", "waiting_for": "pool", "pool": "gpus"}, "queued: pool gpus"),
        ({"state": "queued", "waiting_for": "requests_per_user", "position": 1}, "queued: user #1"),
        ({"state": "queued"}, "queued"),
        ({"state": "admitted", "waiting_for": "pool", "pool": "gpus"}, "admitted"),
    ],
)
def test_a_queued_request_says_what_it_waits_for(facts, text):
    assert view.state_text(request(**facts)).plain == text


@pytest.mark.parametrize(
    ("left", "text", "style"),
    [(15, "15 s", ""), (4, "4 s", "red"), (-3, "0 s", "red"), (3600, "15 s", "")],
    ids=["fresh", "soon over", "the reader's clock is ahead", "the reader's clock is behind"],
)
def test_a_lease_lasts_between_nothing_and_all_of_it(left, text, style):
    shown = view.lease_text(
        request(lease_ttl=timedelta(seconds=15), lease_expire_time=NOW + timedelta(seconds=left)), NOW
    )
    assert (shown.plain, shown.style) == (text, style)


def test_progress_shows_only_once_it_was_told():
    assert view.percent_text(request()) == ""
    assert printed(view.progress_bar(request())).strip() == ""
    assert view.percent_text(request(progress_text="starting")) == "0%"
    assert printed(view.progress_bar(request(progress=0.5))).strip() == "━" * 5


def test_ids_are_in_one_piece_however_narrow_the_terminal():
    requests = [request(session_id="a" * 30, id="b" * 32, name="n" * 30, progress_text="c" * 40)]
    row = printed(view.requests_table(requests, NOW), width=100)
    assert f"{'a' * 30}  {'b' * 32}  " in row


def test_a_column_that_says_nothing_is_left_out():
    head = printed(view.requests_table([request(), request(user_id="ann")], NOW)).split("\n")[1].split()
    assert head == ["session", "request", "state", "prio", "user", "age"]


def test_what_requests_say_never_drives_the_terminal():
    evil = "\x1b[2J\x07"
    requests = [request(id=evil, name=evil, user_id=evil, pool=evil, progress_text=evil, cancel_requested=True,
                        cancel_reason=evil)]  # fmt: skip
    assert "\x1b" not in printed(view.requests_table(requests, NOW))
    assert "\x1b" not in printed(view.pools_table([Pool(name=evil, size=1)]))


def test_pools_show_how_full_they_are():
    text = printed(view.pools_table([Pool(name="browsers", size=10, used=8, queued=3), Pool(name="gpus", size=2)]))
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert any(row.startswith("browsers 10 8 2 3 ━") for row in rows)
    assert "gpus 2 0 2 0" in rows


def test_a_pool_that_shrank_has_nothing_free():
    assert "old 2 5 0 0" in " ".join(printed(view.pools_table([Pool(name="old", size=2, used=5)])).split())


def test_the_pools_on_one_line():
    pools = [Pool(name=f"p{number}", size=2, used=number, queued=max(0, number - 2)) for number in range(4)]
    assert view.pools_line(pools, most=3).plain == "p0 0/2   p1 1/2   p2 2/2   and 1 more"
    assert view.pools_line(pools[3:]).plain == "p3 3/2, 1 queued"
    assert view.pools_line([]).plain == "none"
