"""Scalars between Python and the wire: JSON values, times, durations, costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ..config import Seconds
from ..errors import InvalidFieldError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROS = 1_000_000
_INT64_MAX = 2**63 - 1

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().decode


def to_json(value: Any, field: str) -> bytes:
    """The value as compact UTF-8 JSON. Raises InvalidFieldError, naming `field`, for what is not JSON."""
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid(field, f"a JSON value ({error})") from error


def from_json(data: bytes) -> Any:
    """The value that the JSON text stands for."""
    return _decode(data.decode())


def invalid(field: str, expected: str) -> InvalidFieldError:
    """The error for a field that is wrong before anything is sent."""
    return InvalidFieldError(f"{field}: expected {expected}", reason="INVALID_FIELD", field=field, expected=expected)


def to_datetime(timestamp: Timestamp) -> datetime:
    """An aware UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)


def to_timestamp(time: datetime, field: str) -> Timestamp:
    """The instant on the wire. Raises InvalidFieldError for a naive datetime."""
    if time.tzinfo is None:
        raise invalid(field, "an aware datetime")
    whole, rest = divmod(time - _EPOCH, timedelta(seconds=1))
    return Timestamp(seconds=whole, nanos=rest // _MICROSECOND * 1000)


def to_timedelta(duration: Duration) -> timedelta:
    """The duration, cut to microseconds."""
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


def to_duration(duration: Seconds, field: str) -> Duration:
    """The duration on the wire. Raises InvalidFieldError for one that is negative or no number."""
    try:
        delta = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(field, "a timedelta or seconds") from error
    if delta < timedelta(0):
        raise invalid(field, "a duration of zero or more")
    whole, rest = divmod(delta, timedelta(seconds=1))
    return Duration(seconds=whole, nanos=rest // _MICROSECOND * 1000)


def to_micros(cost: float | Decimal, field: str) -> int:
    """The cost in millionths, rounded. Raises InvalidFieldError for one that is negative or no finite number."""
    try:
        # By way of the shortest decimal text, so that 0.1 is a tenth and not what its float comes to.
        micros = int((Decimal(str(cost)) * _MICROS).to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise invalid(field, "a finite number") from error
    if not 0 <= micros <= _INT64_MAX:
        raise invalid(field, "a cost of zero or more")
    return micros


def from_micros(micros: int) -> float:
    """The cost in currency units."""
    return micros / _MICROS
