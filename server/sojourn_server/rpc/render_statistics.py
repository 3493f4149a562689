"""Sums and comparisons as responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from sojourn.v1 import session_pb2
from sojourn.v1 import statistics_pb2 as spb

from ..domain.comparison import Comparison, StepComparison, ToolComparison, ValueComparison
from ..domain.errors import TooLargeError
from ..domain.session import StepSummary
from ..domain.statistics import COUNTERS, STEPS, USAGE, Bucket, Statistics, ToolStatistics
from ..usecases.statistics import Summed
from .render import BATCH_BYTES, duration, fill_session, timestamp

M = TypeVar("M", bound=Message)

MOST = 2**63 - 1
MOST_US = 315_576_000_000 * 1_000_000
"""The longest duration that protobuf knows: sums are not longer in earnest."""


def of_session(summed: Summed) -> spb.GetSessionStatisticsResponse:
    """The sums of a session. Raises TooLargeError."""
    response = spb.GetSessionStatisticsResponse()
    fill(response.statistics, summed.alone)
    if summed.roll_up is not None:
        fill(response.roll_up, summed.roll_up)
    return _bearable(response, "session_id")


def of_all(total: Statistics, buckets: Iterable[Bucket]) -> spb.GetStatisticsResponse:
    """The sums of many. Raises TooLargeError."""
    response = spb.GetStatisticsResponse()
    fill(response.total, total)
    for bucket in buckets:
        message = response.buckets.add(group=bucket.group)
        if bucket.begin_us is not None:
            message.begin.CopyFrom(timestamp(bucket.begin_us))
        fill(message.statistics, bucket.statistics)
    return _bearable(response, "filter")


def comparison(found: Comparison) -> spb.CompareSessionsResponse:
    """What differs. Raises TooLargeError."""
    response = spb.CompareSessionsResponse(
        steps=map(_step, found.steps),
        results=map(_value, found.results),
        state=map(_value, found.state),
        tools=map(_tool_comparison, found.tools),
    )
    fill_session(response.baseline, found.baseline, full=False)
    fill_session(response.session, found.session, full=False)
    fill(response.baseline_statistics, found.baseline_statistics)
    fill(response.session_statistics, found.session_statistics)
    return _bearable(response, "session_id")


def fill(message: spb.Statistics, found: Statistics) -> None:
    """Fills an empty message in place."""
    message.sessions = found.sessions
    for status, count in found.statuses.items():
        message.sessions_by_status[status.name] = count
    for name in COUNTERS:
        setattr(message.counters, name, _number(found.sums[name]))
    for name in USAGE:
        setattr(message.usage, name, _number(found.sums[name]))
    for name in STEPS:
        setattr(message, name, _number(found.sums[name]))
    message.tools.extend(map(_tool, found.tools))
    message.tool_duration.CopyFrom(_duration(found.tool_us))
    message.session_duration.CopyFrom(_duration(found.lasted_us))
    if (rate := found.invocation_success_rate) is not None:
        message.invocation_success_rate = rate
    if (rate := found.step_success_rate) is not None:
        message.step_success_rate = rate


def _tool(found: ToolStatistics) -> spb.ToolStatistics:
    return spb.ToolStatistics(
        tool=found.tool,
        invocations=found.invocations,
        succeeded=found.succeeded,
        failed=found.failed,
        running=found.running,
        total_duration=_duration(found.total_us),
        max_duration=_duration(found.max_us),
        cost_micros=_number(found.cost_micros),
    )


def _tool_comparison(found: ToolComparison) -> spb.ToolComparison:
    return spb.ToolComparison(
        tool=found.tool,
        baseline=_tool(found.baseline) if found.baseline else None,
        session=_tool(found.session) if found.session else None,
    )


def _step(found: StepComparison) -> spb.StepComparison:
    return spb.StepComparison(
        name=found.name,
        difference=int(found.difference),  # type: ignore[arg-type]
        baseline=_summary(found.baseline),
        session=_summary(found.session),
    )


def _summary(step: StepSummary | None) -> session_pb2.StepSummary | None:
    if step is None:
        return None
    lasted = None if step.duration_us is None else duration(step.duration_us)
    return session_pb2.StepSummary(run=step.run, status=int(step.status), duration=lasted)  # type: ignore[arg-type]


def _value(found: ValueComparison) -> spb.ValueComparison:
    return spb.ValueComparison(
        name=found.name,
        difference=int(found.difference),  # type: ignore[arg-type]
        baseline=None if found.baseline is None else session_pb2.Value(json=found.baseline),
        session=None if found.session is None else session_pb2.Value(json=found.session),
    )


def _bearable(response: M, field: str) -> M:
    if (size := response.ByteSize()) > BATCH_BYTES:
        raise TooLargeError(field, actual=size, limit=BATCH_BYTES)
    return response


def _number(number: int) -> int:
    return min(number, MOST)


def _duration(us: int) -> Duration:
    return duration(min(us, MOST_US))
