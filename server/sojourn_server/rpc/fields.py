"""Parsing the fields requests have in common, with an error that names the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from sojourn.v1 import event_pb2, session_pb2

from ..domain import changes as ch
from ..domain.errors import InvalidFieldError
from ..domain.limits import Limits, check_name, check_text
from ..domain.values import check_json

MAX_MS = 10 * 366 * 86_400_000
"""Ten years: no timeout is longer."""

E = TypeVar("E", bound=IntEnum)


def enum(kind: type[E], number: int, field: str) -> E:
    """The member with this number; UNSPECIFIED and unknown numbers are refused."""
    try:
        return kind(number)
    except ValueError:
        raise unknown(kind, field) from None


def unknown(kind: type[IntEnum], field: str) -> InvalidFieldError:
    """The error for a number that is no member."""
    return InvalidFieldError(field, f"one of {', '.join(member.name for member in kind)}")


def value(message: session_pb2.Value, field: str, limits: Limits) -> bytes:
    """The checked JSON of a Value."""
    return check_json(message.json, field, max_bytes=limits.value_bytes, max_depth=limits.value_depth)


def values(entries: Mapping[str, session_pb2.Value], field: str, limits: Limits) -> dict[str, bytes]:
    """A map of checked JSON; its keys are checked too."""
    checked = {}
    for key, message in entries.items():
        check_name(key, f"{field} key", limits.key_bytes)
        checked[key] = value(message, f'{field}["{key}"]', limits)
    return checked


def keys(names: Iterable[str], field: str, limits: Limits) -> tuple[str, ...]:
    """Checked keys."""
    return tuple(check_name(name, f"{field}[{i}]", limits.key_bytes) for i, name in enumerate(names))


def tags(names: Iterable[str], field: str, limits: Limits) -> tuple[str, ...]:
    """Checked tags."""
    found = tuple(check_name(name, f"{field}[{i}]", limits.tag_bytes) for i, name in enumerate(names))
    if len(found) > limits.tags:
        raise InvalidFieldError(field, f"at most {limits.tags} tags")
    return found


def milliseconds(message: Duration, field: str, *, minimum: int = 0) -> int:
    """A duration in whole milliseconds, rounded up; 0 stays 0."""
    ms = message.seconds * 1000 + -(-message.nanos // 1_000_000)
    if ms < 0 or ms > MAX_MS or (0 < ms < minimum):
        raise InvalidFieldError(field, f"a duration between {minimum} ms and ten years, or zero")
    return ms


def microseconds(message: Duration, field: str) -> int:
    """A duration that something took."""
    us = message.seconds * 1_000_000 + message.nanos // 1000
    if us < 0 or us > MAX_MS * 1000:
        raise InvalidFieldError(field, "a duration between zero and ten years")
    return us


def time_us(message: Timestamp, field: str) -> int:
    """A time in microseconds since the epoch."""
    us: int = message.seconds * 1_000_000 + message.nanos // 1000
    if us < 0:
        raise InvalidFieldError(field, "a time after 1970")
    return us


def usage(message: session_pb2.Usage, field: str) -> ch.Usage:
    """Token usage; nothing in it is negative."""
    found = ch.Usage(message.input_tokens, message.output_tokens, message.total_tokens, message.cost_micros)
    if min(found.input_tokens, found.output_tokens, found.total_tokens, found.cost_micros) < 0:
        raise InvalidFieldError(field, "numbers of zero or more")
    if max(found.input_tokens, found.output_tokens, found.total_tokens, found.cost_micros) > 1 << 50:
        raise InvalidFieldError(field, "numbers below 2^50")
    return found


def text(content: str, field: str, limits: Limits) -> str:
    """Text of a message, a log line, an error."""
    return check_text(content, field, limits.text_bytes)


def kind_mask(kinds: Iterable[event_pb2.ChangeKind]) -> int:
    """The bits of a filter of kinds; 0 for all."""
    return ch.kind_mask(enum(ch.ChangeKind, kind, f"kinds[{i}]") for i, kind in enumerate(kinds))
