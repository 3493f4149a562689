"""Values that options take, as click's `type`: times, durations, facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def when(text: str) -> datetime:
    """A time: `2026-03-01`, `2026-03-01T14:30`, in the reader's time zone unless it names another; `2h` (ago)."""
    try:
        span = _span(text)
        return datetime.now().astimezone() - span if span is not None else datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no time; like these: 2026-03-01, 2026-03-01T14:30, 2h (ago)") from None


def duration(text: str) -> timedelta:
    """A duration: `2s`, `150ms`, `1.5h`."""
    try:
        span = _span(text)
    except OverflowError:
        span = None
    if span is None:
        raise click.BadParameter(f"{text!r} is no duration; like these: 2s, 150ms, 1.5h")
    return span


def fact(text: str) -> tuple[str, Any]:
    """A key and its value, which is JSON or else text: `attempt=3`, `channel=web`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def facts(_ctx: click.Context, _param: click.Parameter, given: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Several facts as one dictionary: a callback."""
    return dict(given)


def label(text: str) -> tuple[str, str]:
    """A key and a text: `browser=firefox`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not KEY=TEXT")
    return key, value


def labels(_ctx: click.Context, _param: click.Parameter, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Several labels as one dictionary: a callback."""
    return dict(given)


def _span(text: str) -> timedelta | None:
    """The duration that the text names; None when it names none. Raises OverflowError for one beyond all bounds."""
    match = _SPAN.fullmatch(text.strip())
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]]) if match else None
