"""Comparisons and statistics: their calls, and from the wire to models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sojourn.v1 import session_pb2
from sojourn.v1 import statistics_pb2 as pb

from .. import comparison, models, statistics
from ..config import Seconds
from . import parse, vocabulary
from .parse_changes import optional, usage
from .values import from_micros, invalid, to_datetime, to_duration, to_timedelta

if TYPE_CHECKING:
    from .calls import Calls

_GROUPS = {
    None: pb.STATISTICS_GROUP_UNSPECIFIED,
    "user": pb.STATISTICS_GROUP_USER,
    "project": pb.STATISTICS_GROUP_PROJECT,
}


class InsightCalls:
    """The methods that compare and sum up, on the channel of `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._compare = calls.unary("CompareSessions", pb.CompareSessionsRequest, pb.CompareSessionsResponse)
        self._session = calls.unary(
            "GetSessionStatistics", pb.GetSessionStatisticsRequest, pb.GetSessionStatisticsResponse
        )
        self._all = calls.unary("GetStatistics", pb.GetStatisticsRequest, pb.GetStatisticsResponse)

    async def compare(self, baseline_id: str, session_id: str, timeout: float) -> comparison.Comparison:
        """What differs between two sessions."""
        request = pb.CompareSessionsRequest(baseline_id=baseline_id, session_id=session_id)
        return _comparison(await self._calls.call(self._compare, request, timeout))

    async def session(self, session_id: str, children: bool, timeout: float) -> statistics.SessionStatistics:
        """The sums of a session."""
        request = pb.GetSessionStatisticsRequest(session_id=session_id, include_children=children)
        response = await self._calls.call(self._session, request, timeout)
        roll_up = statistics.Statistics(**_sums(response.roll_up)) if response.HasField("roll_up") else None
        return statistics.SessionStatistics(**_sums(response.statistics), roll_up=roll_up)

    async def all(self, request: pb.GetStatisticsRequest, timeout: float) -> statistics.StatisticsReport:
        """The sums of many."""
        response = await self._calls.call(self._all, request, timeout)
        return statistics.StatisticsReport(
            total=_statistics(response.total), buckets=tuple(_bucket(item) for item in response.buckets)
        )


def statistics_request(
    filter_: session_pb2.SessionFilter, period: Seconds | None, group_by: str | None
) -> pb.GetStatisticsRequest:
    """A GetStatisticsRequest."""
    if group_by not in _GROUPS:
        raise invalid("group_by", "'user' or 'project'")
    length = to_duration(period, "period") if period is not None else None
    return pb.GetStatisticsRequest(filter=filter_, period=length, group_by=_GROUPS[group_by])


def _statistics(message: pb.Statistics) -> statistics.Statistics:
    return statistics.Statistics(**_sums(message))


def _sums(message: pb.Statistics) -> dict[str, Any]:
    return {
        "sessions": message.sessions,
        "sessions_by_status": {name.lower(): count for name, count in sorted(message.sessions_by_status.items())},
        "counters": models.Counters(**{name: getattr(message.counters, name) for name in models.Counters.model_fields}),
        "usage": usage(message.usage),
        "tools": tuple(_tool(item) for item in message.tools),
        "tool_duration": to_timedelta(message.tool_duration),
        "invocation_success_rate": _given(message, "invocation_success_rate"),
        "steps_passed": message.steps_passed,
        "steps_failed": message.steps_failed,
        "steps_skipped": message.steps_skipped,
        "step_success_rate": _given(message, "step_success_rate"),
        "session_duration": to_timedelta(message.session_duration),
    }


def _tool(message: pb.ToolStatistics) -> statistics.ToolStatistics:
    return statistics.ToolStatistics(
        tool=message.tool,
        invocations=message.invocations,
        succeeded=message.succeeded,
        failed=message.failed,
        running=message.running,
        total_duration=to_timedelta(message.total_duration),
        max_duration=to_timedelta(message.max_duration),
        cost=from_micros(message.cost_micros),
    )


def _bucket(message: pb.StatisticsBucket) -> statistics.StatisticsBucket:
    return statistics.StatisticsBucket(
        begin=to_datetime(message.begin) if message.HasField("begin") else None,
        group=message.group,
        statistics=_statistics(message.statistics),
    )


def _comparison(message: pb.CompareSessionsResponse) -> comparison.Comparison:
    return comparison.Comparison(
        baseline=parse.session(message.baseline),
        session=parse.session(message.session),
        steps=tuple(_step(item) for item in message.steps),
        results=tuple(_value(item) for item in message.results),
        state=tuple(_value(item) for item in message.state),
        tools=tuple(_sides(item) for item in message.tools),
        baseline_statistics=_statistics(message.baseline_statistics),
        session_statistics=_statistics(message.session_statistics),
    )


def _step(message: pb.StepComparison) -> comparison.StepComparison:
    return comparison.StepComparison(
        name=message.name,
        difference=vocabulary.DIFFERENCE.read(message.difference),
        baseline=parse.step_summary(message.baseline) if message.HasField("baseline") else None,
        session=parse.step_summary(message.session) if message.HasField("session") else None,
    )


def _value(message: pb.ValueComparison) -> comparison.ValueComparison:
    return comparison.ValueComparison(
        name=message.name,
        difference=vocabulary.DIFFERENCE.read(message.difference),
        baseline=optional(message, "baseline"),
        session=optional(message, "session"),
    )


def _sides(message: pb.ToolComparison) -> comparison.ToolComparison:
    return comparison.ToolComparison(
        tool=message.tool,
        baseline=_tool(message.baseline) if message.HasField("baseline") else None,
        session=_tool(message.session) if message.HasField("session") else None,
    )


def _given(message: pb.Statistics, field: Any) -> float | None:
    return getattr(message, field) if message.HasField(field) else None
