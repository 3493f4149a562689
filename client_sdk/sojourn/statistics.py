"""What sessions did, summed up: frozen pydantic models."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field

from .changes import Model, Usage
from .models import Counters

__all__ = ["SessionStatistics", "Statistics", "StatisticsBucket", "StatisticsReport", "ToolStatistics"]


class ToolStatistics(Model):
    """The invocations of a tool, summed up."""

    tool: str
    invocations: int = 0
    succeeded: int = 0
    failed: int = 0
    """Finished otherwise."""
    running: int = 0
    """Not finished."""
    total_duration: timedelta = timedelta(0)
    """Of those that finished."""
    max_duration: timedelta = timedelta(0)
    cost: float = 0.0
    """In the deployment's currency unit."""

    @property
    def mean_duration(self) -> timedelta | None:
        """Of those that finished; None when none did."""
        finished = self.succeeded + self.failed
        return self.total_duration / finished if finished else None


class Statistics(Model):
    """Sessions, summed up."""

    sessions: int = 0
    """How many sessions this is the sum of."""
    sessions_by_status: dict[str, int] = Field(default_factory=dict)
    counters: Counters = Counters()
    usage: Usage = Usage()
    tools: tuple[ToolStatistics, ...] = ()
    """Each tool that was used, most invocations first."""
    tool_duration: timedelta = timedelta(0)
    """Durations of all finished invocations."""
    invocation_success_rate: float | None = None
    """Of the finished invocations, the part that succeeded; None when none finished."""
    steps_passed: int = 0
    """Steps whose last run passed."""
    steps_failed: int = 0
    """Steps whose last run failed or ended with an error."""
    steps_skipped: int = 0
    step_success_rate: float | None = None
    """Of the steps that passed or failed, the part that passed; None when there is neither."""
    session_duration: timedelta = timedelta(0)
    """From creation to end, or to the last write while active."""


class SessionStatistics(Statistics):
    """One session, summed up."""

    roll_up: Statistics | None = None
    """The session and all below it; None when that was not asked for."""


class StatisticsBucket(Model):
    """The sessions of a period and a group, summed up."""

    begin: datetime | None = None
    """When the period begins; None when there is one for all."""
    group: str = ""
    """The user or project; empty when not split, and for sessions without one."""
    statistics: Statistics


class StatisticsReport(Model):
    """Many sessions, summed up."""

    total: Statistics
    buckets: tuple[StatisticsBucket, ...] = ()
    """By period and group, in the order of both; only those with sessions."""
