"""What became of a test, told from pytest's reports of its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .texts import bounded, clean, step_name

if TYPE_CHECKING:
    import pytest

ERROR_BYTES = 16_000
"""Most of a traceback that is kept."""
_SECTION_BYTES = 256
"""Least share of the output that a section gets."""
_PROPERTIES = 32
_PROPERTY_BYTES = 1024
_PHASES = ("setup", "call", "teardown")


@dataclass
class TestInProgress:
    """A test some of whose phases have been reported."""

    nodeid: str
    worker: str
    """Of pytest-xdist; empty without it."""
    reports: list[pytest.TestReport] = field(default_factory=list)

    def add(self, report: pytest.TestReport) -> bool:
        """Take a report; whether it was the test's last."""
        if not (_is_part(report) and report.outcome == "passed"):  # of subtests there may be thousands
            self.reports.append(report)
        return report.when not in ("setup", "call")

    @property
    def is_over_without_teardown(self) -> bool:
        """Whether it counts though the run ended before its last report: it has failed already."""
        return bool(_failed(self.reports))

    def step(self, run: int, *, output_limit: int) -> dict[str, Any]:
        """The step it becomes; `output_limit`: most bytes of captured output. `started` is in seconds since 1970."""
        reports, name = self.reports, step_name(self.nodeid)
        output: dict[str, Any] = {"outcome": "passed"}
        status, error, duration = "passed", "", 0.0
        for report in reports:
            if not _is_part(report):
                duration += report.duration
        if any(report.outcome != "passed" or hasattr(report, "wasxfail") for report in reports):
            status, error = self._not_just_passed(output)
        started = getattr(reports[0], "start", 0.0)
        if started:
            output["started"] = started
        if name != self.nodeid:
            output["nodeid"] = bounded(self.nodeid, output_limit)
        if self.worker:
            output["worker"] = self.worker
        if reports[-1].sections and (captured := _captured(reports[-1].sections, output_limit)):
            output["captured"] = captured
        if properties := _properties(reports[-1]):
            output["properties"] = properties
        return {
            "k": "step",
            "name": name,
            "run": run,
            "status": status,
            "duration": max(0.0, duration),
            "output": output,
            "error": error,
        }

    def _not_just_passed(self, output: dict[str, Any]) -> tuple[str, str]:
        """Status and error of the step; the rest goes into its output."""
        status, output["outcome"] = _outcome(self.reports)
        if phases := {str(report.when) for report in _failed(self.reports) if report.when in _PHASES}:
            output["failed_in"] = sorted(phases, key=_PHASES.index)
        if reason := _reason(self.reports):
            output["reason"] = bounded(reason, ERROR_BYTES)
        return status, _error(self.reports)


def collection_step(report: pytest.CollectReport, run: int, *, output_limit: int) -> dict[str, Any]:
    """The step of a file that could not be collected."""
    output: dict[str, Any] = {"outcome": "error", "failed_in": ["collect"]}
    if captured := _captured(report.sections, output_limit):
        output["captured"] = captured
    name = step_name(report.nodeid or ".")
    error = bounded(report.longreprtext, ERROR_BYTES)
    return {
        "k": "step",
        "name": name,
        "run": run,
        "status": "error",
        "duration": None,
        "output": output,
        "error": error,
    }


def collected_step(name: str, run: int) -> dict[str, Any]:
    """The step of a file that could not be collected earlier in the session, and now can."""
    output = {"outcome": "passed"}
    return {"k": "step", "name": name, "run": run, "status": "passed", "duration": None, "output": output, "error": ""}


def _outcome(reports: list[pytest.TestReport]) -> tuple[str, str]:
    """Status of the step, and pytest's own word."""
    failed = _failed(reports)
    if any(report.when == "call" for report in failed):
        return "failed", "failed"
    if failed:  # its fixtures, or the worker that ran it
        return "error", "error"
    for report in reports:
        if _is_part(report):
            continue
        expected = hasattr(report, "wasxfail")
        if report.outcome == "skipped":
            return "skipped", "xfailed" if expected else "skipped"
        if expected and report.when == "call":
            return "passed", "xpassed"
    return "passed", "passed"


def _failed(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    # `rerun` is the word of pytest-rerunfailures for a failure after which it tries again.
    return [report for report in reports if report.outcome in ("failed", "rerun")]


def _is_part(report: pytest.TestReport) -> bool:
    """Whether the report is of a subtest."""
    return hasattr(report, "context")


def _error(reports: list[pytest.TestReport]) -> str:
    failed = _failed(reports)
    if len(failed) == 1:
        return bounded(_text(failed[0]), ERROR_BYTES)
    share = ERROR_BYTES // max(1, len(failed)) - 64
    if share < 200:  # hundreds of subtests: the first ones and the whole's own
        return _error([*failed[:8], failed[-1]])
    return bounded("\n\n".join(f"[{report.when}]\n{bounded(_text(report), share)}" for report in failed), ERROR_BYTES)


def _text(report: pytest.TestReport) -> str:
    try:
        return report.longreprtext
    except Exception as error:  # the representation of somebody's exception
        return f"no traceback: {type(error).__name__} while it was written"


def _reason(reports: list[pytest.TestReport]) -> str:
    for report in reports:
        if _is_part(report):
            continue
        expected = getattr(report, "wasxfail", None)
        if expected is not None:
            return str(expected).removeprefix("reason: ")
        if report.outcome == "skipped":
            told = report.longrepr
            return str(told[2]).removeprefix("Skipped: ") if isinstance(told, tuple) else str(told or "")
    return ""


def _captured(told: Sequence[tuple[str, str]], limit: int) -> dict[str, str]:
    """Captured output by section (`stdout call`), in at most `limit` bytes in all."""
    # Sections accumulate from phase to phase.
    sections = [(title, text) for title, text in told if text][: limit // _SECTION_BYTES]
    captured: dict[str, str] = {}
    for title, text in sections:
        share = limit // len(sections)
        name = clean(str(title)).removeprefix("Captured ")[:64]
        captured[name] = bounded(captured.get(name, "") + bounded(str(text), share), share)
    return captured


def _properties(report: pytest.TestReport) -> dict[str, str]:
    """What tests noted with `record_property`."""
    pairs = getattr(report, "user_properties", ())[:_PROPERTIES]
    return {bounded(str(name), 128): bounded(str(value), _PROPERTY_BYTES) for name, value in pairs}
