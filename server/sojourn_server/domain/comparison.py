"""What differs between two sessions: what was, the baseline, and what is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple, TypeVar

from .session import Session, StepSummary
from .statistics import Statistics, ToolStatistics
from .values import canonical_json

T = TypeVar("T")


class Difference(IntEnum):
    """How two sides differ. The numbers are those of the protos."""

    SAME = 1
    ADDED = 2
    """Only the session has it."""
    REMOVED = 3
    """Only the baseline has it."""
    CHANGED = 4


class StepComparison(NamedTuple):
    """The last outcomes of a step; CHANGED when the outcome differs, whatever its duration or run."""

    name: str
    difference: Difference
    baseline: StepSummary | None
    session: StepSummary | None


class ValueComparison(NamedTuple):
    """Two JSON values that differ."""

    name: str
    difference: Difference
    baseline: bytes | None
    session: bytes | None


class ToolComparison(NamedTuple):
    """The use of a tool."""

    tool: str
    baseline: ToolStatistics | None
    session: ToolStatistics | None


class Comparison(NamedTuple):
    """What differs between two sessions, by name."""

    baseline: Session
    session: Session
    steps: list[StepComparison]
    """Of either, those that are the same too."""
    results: list[ValueComparison]
    """Those that differ."""
    state: list[ValueComparison]
    """What differs."""
    tools: list[ToolComparison]
    """Of either."""
    baseline_statistics: Statistics
    session_statistics: Statistics


def compare(baseline: Session, session: Session, was: Statistics, now: Statistics) -> Comparison:
    """What differs between two whole sessions, whose sums are `was` and `now`."""
    return Comparison(
        baseline,
        session,
        list(_steps(baseline, session)),
        list(_values(baseline.results, session.results)),
        list(_values(baseline.state, session.state)),
        [ToolComparison(*each) for each in _sides(was.by_tool, now.by_tool)],
        was,
        now,
    )


def equal(one: bytes, other: bytes) -> bool:
    """Whether two JSON values are the same: 1 is 1.0, and the order of an object's keys says nothing."""
    return one == other or canonical_json(one) == canonical_json(other)


def _steps(baseline: Session, session: Session) -> Iterator[StepComparison]:
    for name, was, now in _sides(baseline.steps, session.steps):
        same = was is not None and now is not None and was.status is now.status
        yield StepComparison(name, _difference(was, now, same=same), was, now)


def _values(baseline: Mapping[str, bytes], session: Mapping[str, bytes]) -> Iterator[ValueComparison]:
    for name, was, now in _sides(baseline, session):
        if was is None or now is None or not equal(was, now):
            yield ValueComparison(name, _difference(was, now, same=False), was, now)


def _sides(baseline: Mapping[str, T], session: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in sorted(baseline.keys() | session.keys()):
        yield name, baseline.get(name), session.get(name)


def _difference(was: object, now: object, *, same: bool) -> Difference:
    if was is None:
        return Difference.ADDED
    if now is None:
        return Difference.REMOVED
    return Difference.SAME if same else Difference.CHANGED
