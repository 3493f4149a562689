"""What differs between two sessions: frozen pydantic models."""

from __future__ import annotations

from typing import Any

from .changes import Model
from .enums import Difference, StepStatus
from .models import Session, StepSummary
from .statistics import Statistics, ToolStatistics

__all__ = ["Comparison", "StepComparison", "ToolComparison", "ValueComparison"]

_BAD = (StepStatus.FAILED, StepStatus.ERROR)


class StepComparison(Model):
    """The last outcomes of a step side by side; None where a side has none. `changed`: the outcome differs."""

    name: str
    difference: Difference
    baseline: StepSummary | None = None
    session: StepSummary | None = None


class ValueComparison(Model):
    """Two JSON values side by side; `difference` says which sides have one."""

    name: str
    difference: Difference
    baseline: Any = None
    session: Any = None


class ToolComparison(Model):
    """The use of a tool side by side; None where it was not used."""

    tool: str
    baseline: ToolStatistics | None = None
    session: ToolStatistics | None = None


class Comparison(Model):
    """What differs between a session and its baseline, what was before."""

    baseline: Session
    """Without `state` and `results`, as `session`."""
    session: Session
    steps: tuple[StepComparison, ...] = ()
    """Steps of either, by name."""
    results: tuple[ValueComparison, ...] = ()
    """Results that differ, by name."""
    state: tuple[ValueComparison, ...] = ()
    """State that differs, by key."""
    tools: tuple[ToolComparison, ...] = ()
    """Tools of either, by name."""
    baseline_statistics: Statistics
    session_statistics: Statistics

    @property
    def changed_steps(self) -> tuple[StepComparison, ...]:
        """Steps that only one of them has, or whose outcome differs."""
        return tuple(step for step in self.steps if step.difference is not Difference.SAME)

    @property
    def regressions(self) -> tuple[StepComparison, ...]:
        """Steps that passed in the baseline and do not now: they failed, broke, were skipped or are not there."""
        return tuple(step for step in self.changed_steps if _status(step.baseline) is StepStatus.PASSED)

    @property
    def fixed(self) -> tuple[StepComparison, ...]:
        """Steps that failed or broke in the baseline and pass now."""
        return tuple(
            step
            for step in self.changed_steps
            if _status(step.baseline) in _BAD and _status(step.session) is StepStatus.PASSED
        )


def _status(step: StepSummary | None) -> StepStatus | None:
    return None if step is None else step.status
