"""Times, durations and facts as they are typed."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from sojourn.cli._param_types import duration, fact, when


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01", datetime(2026, 3, 1).astimezone()),
        ("2026-03-01T14:30", datetime(2026, 3, 1, 14, 30).astimezone()),
        ("2026-03-01 14:30:05", datetime(2026, 3, 1, 14, 30, 5).astimezone()),
        ("2026-03-01T14:30Z", datetime(2026, 3, 1, 14, 30, tzinfo=UTC)),
        ("2026-03-01T14:30+05:30", datetime(2026, 3, 1, 9, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_of_the_readers_zone_unless_it_names_one(text, time):
    assert when(text) == time
    assert when(text).tzinfo is not None


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30s", timedelta(seconds=30)), ("90m", timedelta(minutes=90)), ("1.5h", timedelta(minutes=90)),
     ("7d", timedelta(days=7)), ("2w", timedelta(days=14))],
)  # fmt: skip
def test_a_duration_is_a_time_that_long_ago(text, ago):
    before = datetime.now(UTC) - ago
    assert before <= when(text) <= datetime.now(UTC) - ago


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("150ms", 0.15), ("2s", 2), ("2 s", 2), ("1.5m", 90), ("3min", 180), ("0s", 0), ("1h", 3600), ("1d", 86_400)],
)
def test_a_duration(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("parse", [when, duration])
@pytest.mark.parametrize("text", ["", "soon", "-2h", "2", "h", "2 fortnights", "99999999999999d", "2026-13-01"])
def test_nonsense_is_refused_with_an_example(parse, text):
    with pytest.raises(click.BadParameter, match="like these: 2"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attempt=3", ("attempt", 3)),
        ("channel=web", ("channel", "web")),
        ('id="3"', ("id", "3")),
        ('plan={"steps":[1,null]}', ("plan", {"steps": [1, None]})),
        ("formula=a=b", ("formula", "a=b")),
        ("empty=", ("empty", "")),
    ],
)
def test_the_value_of_a_fact_is_json_or_else_text(text, expected):
    assert fact(text) == expected


@pytest.mark.parametrize("text", ["attempt", "=3", ""])
def test_a_fact_has_a_key_and_a_value(text):
    with pytest.raises(click.BadParameter, match="KEY=VALUE"):
        fact(text)
