"""Statistics as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from sojourn.statistics import SessionStatistics, Statistics, StatisticsReport

from ._tables import filled_table
from ._text import clean, one_line, spent, stamp

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sojourn.statistics import StatisticsBucket


def print_statistics(out: Console, found: SessionStatistics | StatisticsReport) -> None:
    """All of it."""
    if isinstance(found, StatisticsReport):
        if len(found.buckets) > 1 or any(bucket.group or bucket.begin for bucket in found.buckets):
            out.print(_buckets_table(found.buckets))
        _print_one(out, found.total)
        return
    _print_one(out, found)
    if found.roll_up is not None:
        out.print(Text("\nwith all sessions below it", style="bold"))
        _print_one(out, found.roll_up)


def _print_one(out: Console, found: Statistics) -> None:
    for name, fact in _facts(found):
        out.print(Text.assemble((f"{name:<12}", "dim"), fact))
    if found.tools:
        out.print(_tools_table(found))


def _facts(found: Statistics) -> Iterator[tuple[str, str]]:
    statuses = ", ".join(f"{count:,} {status}" for status, count in found.sessions_by_status.items())
    yield "sessions", f"{found.sessions:,}" + (f"  ({statuses})" if statuses else "")
    counters, usage = found.counters, found.usage
    yield "messages", f"{counters.messages:,}"
    if counters.invocations:
        rate = found.invocation_success_rate
        good = f", {rate:.1%} succeeded" if rate is not None else ""
        yield "invocations", f"{counters.invocations:,} in {spent(found.tool_duration)}{good}"
    if found.steps_passed or found.steps_failed or found.steps_skipped:
        yield "steps", f"{found.steps_passed:,} passed, {found.steps_failed:,} failed, {found.steps_skipped:,} skipped"
    if usage.total_tokens:
        yield "tokens", f"{usage.total_tokens:,} ({usage.input_tokens:,} in, {usage.output_tokens:,} out)"
    if usage.cost:
        yield "cost", f"{usage.cost:g}"
    if counters.artifacts:
        yield "artifacts", f"{counters.artifacts:,}"
    yield "duration", spent(found.session_duration)


def _tools_table(found: Statistics) -> Table:
    tools = found.tools
    columns = {
        "tool": [Text(one_line(tool.tool, 40), style="bold") for tool in tools],
        "calls": [Text(f"{tool.invocations:,}") for tool in tools],
        "failed": [Text(f"{tool.failed:,}" if tool.failed else "", style="red") for tool in tools],
        "running": [Text(f"{tool.running:,}" if tool.running else "") for tool in tools],
        "time": [Text(spent(tool.total_duration)) for tool in tools],
        "mean": [Text("" if tool.mean_duration is None else spent(tool.mean_duration)) for tool in tools],
        "max": [Text(spent(tool.max_duration)) for tool in tools],
        "cost": [Text(f"{tool.cost:g}" if tool.cost else "") for tool in tools],
    }
    return filled_table(columns, right=("calls", "failed", "running", "time", "mean", "max", "cost"))


def _buckets_table(buckets: Sequence[StatisticsBucket]) -> Table:
    sums = [bucket.statistics for bucket in buckets]
    columns = {
        "from": [Text(stamp(bucket.begin)) for bucket in buckets],
        "of": [Text(clean(bucket.group), style="bold") for bucket in buckets],
        "sessions": [Text(f"{each.sessions:,}") for each in sums],
        "messages": [Text(f"{each.counters.messages:,}") for each in sums],
        "calls": [Text(f"{each.counters.invocations:,}") for each in sums],
        "passed": [Text(f"{each.steps_passed:,}" if each.steps_passed else "") for each in sums],
        "failed": [Text(f"{each.steps_failed:,}" if each.steps_failed else "", style="red") for each in sums],
        "tokens": [Text(f"{each.usage.total_tokens:,}") for each in sums],
        "cost": [Text(f"{each.usage.cost:g}" if each.usage.cost else "") for each in sums],
    }
    right = ("sessions", "messages", "calls", "passed", "failed", "tokens", "cost")
    return filled_table(columns, whole=("from",), right=right)
