"""Comparisons as text for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from ._render import OUTCOME_STYLES, status_text
from ._tables import filled_table
from ._text import clean, compact, one_line, spent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sojourn.comparison import Comparison, StepComparison, ToolComparison, ValueComparison
    from sojourn.models import StepSummary
    from sojourn.statistics import ToolStatistics

_STYLES = {"changed": "yellow", "added": "green", "removed": "red", "same": "dim"}
_WIDTH = 60


def print_comparison(out: Console, found: Comparison, *, everything: bool) -> None:
    """The sessions, what became of their steps, and each table that has something to say."""
    for label, session in (("baseline", found.baseline), ("session", found.session)):
        out.print(Text.assemble((f"{label:<9}", "dim"), (clean(session.id), "bold"), "  ", status_text(session.status)))
    out.print(_verdict(found))
    steps = found.steps if everything else found.changed_steps
    if steps:
        out.print(_steps_table(found, steps))
    for name, values in (("result", found.results), ("state", found.state)):
        if values:
            out.print(_values_table(name, values))
    if found.tools:
        out.print(_tools_table(found.tools))
    out.print(_totals_table(found))


def _verdict(found: Comparison) -> Text:
    if not found.steps:
        return Text("no steps", style="dim")
    worse, fixed, changed = len(found.regressions), len(found.fixed), len(found.changed_steps)
    line = Text.assemble((f"{worse:,} worse", "bold red" if worse else "dim"), ", ")
    line.append(f"{fixed:,} fixed", style="bold green" if fixed else "dim")
    return line.append(f", {changed - worse - fixed:,} otherwise changed, {len(found.steps) - changed:,} the same")


def _steps_table(found: Comparison, steps: Sequence[StepComparison]) -> Table:
    worse, fixed = ({step.name for step in chosen} for chosen in (found.regressions, found.fixed))
    verdicts = [
        "worse" if step.name in worse else "fixed" if step.name in fixed else step.difference.value for step in steps
    ]
    styles = _STYLES | {"worse": "bold red", "fixed": "bold green"}
    columns = {
        "step": [Text(one_line(step.name, _WIDTH), style="bold") for step in steps],
        "": [Text(verdict, style=styles.get(verdict, "")) for verdict in verdicts],
        "was": [_outcome(step.baseline) for step in steps],
        "is": [_outcome(step.session) for step in steps],
        "took": [_took(step.baseline) for step in steps],
        "takes": [_took(step.session) for step in steps],
    }
    return filled_table(columns, right=("took", "takes"))


def _values_table(name: str, values: Sequence[ValueComparison]) -> Table:
    columns = {
        name: [Text(one_line(value.name, _WIDTH), style="bold") for value in values],
        "": [Text(value.difference, style=_STYLES.get(value.difference, "")) for value in values],
        "was": [_value(value.baseline, there=value.difference != "added") for value in values],
        "is": [_value(value.session, there=value.difference != "removed") for value in values],
    }
    return filled_table(columns)


def _tools_table(tools: Sequence[ToolComparison]) -> Table:
    columns = {
        "tool": [Text(one_line(tool.tool, 40), style="bold") for tool in tools],
        "calls": [_change(tool, lambda side: f"{side.invocations:,}") for tool in tools],
        "failed": [_change(tool, lambda side: f"{side.failed:,}") for tool in tools],
        "time": [_change(tool, lambda side: spent(side.total_duration)) for tool in tools],
        "cost": [_change(tool, lambda side: f"{side.cost:g}") for tool in tools],
    }
    return filled_table(columns)


def _totals_table(found: Comparison) -> Table:
    sides = (found.baseline_statistics, found.session_statistics)
    rows = {
        "messages": [f"{side.counters.messages:,}" for side in sides],
        "invocations": [f"{side.counters.invocations:,}" for side in sides],
        "tokens": [f"{side.usage.total_tokens:,}" for side in sides],
        "cost": [f"{side.usage.cost:g}" for side in sides],
        "took": [spent(side.session_duration) for side in sides],
    }
    columns = {
        "in all": [Text(name) for name in rows],
        "was": [Text(was) for was, _ in rows.values()],
        "is": [Text(now) for _, now in rows.values()],
    }
    return filled_table(columns, right=("was", "is"))


def _change(tool: ToolComparison, told: Callable[[ToolStatistics], str]) -> Text:
    was, now = (told(side) if side is not None else "-" for side in (tool.baseline, tool.session))
    return Text(was, style="dim") if was == now else Text(f"{was} → {now}")


def _outcome(step: StepSummary | None) -> Text:
    return Text(step.status, style=OUTCOME_STYLES.get(step.status, "yellow")) if step else Text("-", style="dim")


def _took(step: StepSummary | None) -> Text:
    duration: timedelta | None = step.duration if step else None
    return Text(spent(duration) if duration is not None else "")


def _value(value: object, *, there: bool) -> Text:
    return Text(one_line(compact(value), _WIDTH)) if there else Text("-", style="dim")
