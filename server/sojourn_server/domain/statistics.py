"""What sessions did, summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from .session import Session, SessionStatus, StepStatus

COUNTERS = ("messages", "invocations", "open_invocations", "failed_invocations", "steps", "logs", "artifacts")
"""Names of a session's counters, as in the protos."""
USAGE = ("input_tokens", "output_tokens", "total_tokens", "cost_micros")
"""Names of a session's usage, as in the protos."""
STEPS = ("steps_passed", "steps_failed", "steps_skipped")
"""How the last runs of steps ended."""

_STEP = {
    StepStatus.PASSED: "steps_passed",
    StepStatus.FAILED: "steps_failed",
    StepStatus.ERROR: "steps_failed",
    StepStatus.SKIPPED: "steps_skipped",
}


class Group(IntEnum):
    """What statistics are split by. The numbers are those of the protos."""

    USER = 1
    PROJECT = 2


@dataclass(frozen=True, slots=True)
class ToolStatistics:
    """The invocations of a tool, summed up."""

    tool: str
    succeeded: int = 0
    failed: int = 0
    """Finished otherwise."""
    running: int = 0
    total_us: int = 0
    """Durations of those that finished."""
    max_us: int = 0
    cost_micros: int = 0

    @property
    def invocations(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.running

    def __add__(self, other: ToolStatistics) -> ToolStatistics:
        return ToolStatistics(
            self.tool,
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.running + other.running,
            self.total_us + other.total_us,
            max(self.max_us, other.max_us),
            self.cost_micros + other.cost_micros,
        )


@dataclass(slots=True)
class Statistics:
    """Sessions, summed up. `sums` has the counters, the usage and the steps by the names above."""

    sessions: int = 0
    statuses: Counter[SessionStatus] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    lasted_us: int = 0
    """From creation to end, or to the last write while active."""
    by_tool: dict[str, ToolStatistics] = field(default_factory=dict)

    def add(self, other: Statistics) -> None:
        """Adds the sums of other sessions."""
        self.sessions += other.sessions
        self.statuses.update(other.statuses)
        self.sums.update(other.sums)
        self.lasted_us += other.lasted_us
        self.add_tools(other.by_tool.values())

    def add_tools(self, tools: Iterable[ToolStatistics]) -> None:
        """Adds invocations."""
        for tool in tools:
            known = self.by_tool.get(tool.tool)
            self.by_tool[tool.tool] = known + tool if known else tool

    @property
    def tools(self) -> list[ToolStatistics]:
        """Each tool, most invocations first."""
        return sorted(self.by_tool.values(), key=lambda one: (-one.invocations, one.tool))

    @property
    def tool_us(self) -> int:
        """Durations of all finished invocations."""
        return sum(one.total_us for one in self.by_tool.values())

    @property
    def invocation_success_rate(self) -> float | None:
        """Of the finished invocations, how many succeeded; None when none finished."""
        succeeded = sum(one.succeeded for one in self.by_tool.values())
        return _rate(succeeded, sum(one.failed for one in self.by_tool.values()))

    @property
    def step_success_rate(self) -> float | None:
        """Of the steps that passed or failed, how many passed; None when there is neither."""
        return _rate(self.sums["steps_passed"], self.sums["steps_failed"])


class Bucket(NamedTuple):
    """The sums of the sessions of a period and a group."""

    begin_us: int | None
    """Of the period; None when there is one for all."""
    group: str
    statistics: Statistics


def statistics_of(session: Session, tools: Iterable[ToolStatistics]) -> Statistics:
    """The sums of one session; its tools are known to the catalog alone."""
    found = Statistics(1, Counter([session.status]), sums_of(session), lasted_us(session))
    found.add_tools(tools)
    return found


def sums_of(session: Session) -> Counter[str]:
    """What a session adds to each sum."""
    sums = Counter(_STEP[step.status] for step in session.steps.values())
    sums.update(session.counters)
    sums.update(session.usage)
    return sums


def lasted_us(session: Session) -> int:
    """From creation to end, or to the last write while active."""
    return max((session.updated_us if session.ended_us is None else session.ended_us) - session.created_us, 0)


def _rate(good: int, bad: int) -> float | None:
    return good / (good + bad) if good + bad else None
