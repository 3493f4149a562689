"""Scalars keep their value over the wire."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn import InvalidFieldError
from sojourn._transport import values

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
times = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))


@given(json_values)
def test_json_comes_back(value: object):
    encoded = values.to_json(value, "value")
    assert json.loads(encoded) == value
    assert values.from_json(encoded) == value


def test_json_is_compact_and_integers_stay_integers():
    assert values.to_json({"a": [1, 2.0, "é"]}, "value") == '{"a":[1,2.0,"é"]}'.encode()
    assert values.from_json(values.to_json(2**70, "value")) == 2**70


def test_what_is_not_json_is_named():
    endless: list[object] = []
    endless.append(endless)
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for wrong in (object(), b"bytes", {1, 2}, float("nan"), float("-inf"), "\udfff", endless, deep, Decimal(1)):
        with pytest.raises(InvalidFieldError) as caught:
            values.to_json(wrong, 'state["k"]')
        assert caught.value.field == 'state["k"]'


@given(times)
def test_times_come_back(time: datetime):
    assert values.to_datetime(values.to_timestamp(time, "time")) == time


def test_times_are_utc_whatever_their_zone():
    time = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert values.to_datetime(values.to_timestamp(time, "time")).isoformat() == "2026-01-01T10:00:00+00:00"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=365_000)))
def test_durations_come_back(duration: timedelta):
    assert values.to_timedelta(values.to_duration(duration, "duration")) == duration


def test_durations_are_seconds_or_timedeltas():
    assert values.to_timedelta(values.to_duration(1.5, "d")) == timedelta(seconds=1.5)
    assert values.to_timedelta(values.to_duration(2, "d")) == timedelta(seconds=2)
    for wrong in (-1, timedelta(-1), float("nan"), float("inf"), "soon"):
        with pytest.raises(InvalidFieldError):
            values.to_duration(wrong, "d")  # type: ignore[arg-type]


@given(st.integers(min_value=0, max_value=10**15))
def test_costs_come_back_to_the_millionth(micros: int):
    assert values.to_micros(values.from_micros(micros), "cost") == micros
    assert values.to_micros(Decimal(micros) / 1_000_000, "cost") == micros
