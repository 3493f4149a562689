"""What a session holds of its test: read by who resumes it, and by who looks at it.

Nodes are the session's steps, `test_results` its results. The rest is state: `run`, `run_id`, `browser_session`,
`results_dir`, `workflow` (the nodes and what each comes after), `inputs`, and `outputs.<name>` for outputs that no node
returned. The test's name is in the metadata, as `test_name`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..changes import StepFinished
from ..enums import ChangeKind, StepStatus
from ..errors import CatalogUnavailableError
from ..models import Session
from ..session import SessionHandle
from .screenshots import Screenshot, from_artifact

TEST_NAME = "test_name"
OUTPUT = "outputs."
SCREENSHOT = "screenshot"
"""Label of artifacts that are screenshots."""

FAILED = (StepStatus.FAILED, StepStatus.ERROR)


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """The last outcome of a node. What a failed one left (`traceback`, `screenshot`) is in its output."""

    status: StepStatus
    run: int = 1
    duration: timedelta | None = None
    output: Any = None
    error: str = ""


@dataclass(slots=True)
class SessionRecord:
    """What a session holds."""

    run: int = 0
    """How many runs it has had."""
    run_id: str = ""
    browser_session: str | None = None
    results_dir: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """Those that no node returned."""
    workflow: dict[str, list[str]] = field(default_factory=dict)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    """In the order they ended."""
    screenshots: list[Screenshot] = field(default_factory=list)

    @classmethod
    async def read(cls, session: SessionHandle) -> SessionRecord:
        """Read it. Raises SessionNotFoundError."""
        info = await session.refresh()
        state = info.state
        record = cls(
            run=_int(state.get("run")),
            run_id=str(state.get("run_id") or ""),
            browser_session=state.get("browser_session"),
            results_dir=str(state.get("results_dir") or ""),
            inputs=dict(state.get("inputs") or {}),
            results=dict(info.results),
            outputs={key.removeprefix(OUTPUT): value for key, value in state.items() if key.startswith(OUTPUT)},
            workflow=dict(state.get("workflow") or {}),
        )
        if info.counters.steps:
            async for event in session.events(kinds=ChangeKind.STEP_FINISHED):
                for change in event.changes:
                    if isinstance(change, StepFinished):
                        record.ended(change.name, _node(change))
        if info.counters.artifacts:
            # They are for people: without the catalog, which lists them, the test can go on.
            with suppress(CatalogUnavailableError):
                async for artifact in session.artifacts():
                    if SCREENSHOT in artifact.labels:
                        record.screenshots.append(from_artifact(artifact))
        return record

    def ended(self, name: str, node: NodeRecord) -> None:
        """A node has a new outcome."""
        self.nodes.pop(name, None)
        self.nodes[name] = node

    def named(self, *statuses: StepStatus) -> list[str]:
        """The nodes whose last outcome is one of these."""
        return [name for name, node in self.nodes.items() if node.status in statuses]

    @property
    def executed_nodes(self) -> list[str]:
        """The nodes that passed, in the order they did."""
        return self.named(StepStatus.PASSED)

    @property
    def failed_nodes(self) -> list[str]:
        """The nodes that failed."""
        return self.named(*FAILED)

    @property
    def skipped_nodes(self) -> list[str]:
        """The nodes that were not run."""
        return self.named(StepStatus.SKIPPED)

    def all_outputs(self) -> dict[str, Any]:
        """By name: what nodes that passed returned, and what they set."""
        passed = {name: node.output for name, node in self.nodes.items() if node.status is StepStatus.PASSED}
        return {name: value for name, value in passed.items() if value is not None} | self.outputs

    def screenshots_by_phase(self) -> dict[str, list[Screenshot]]:
        """The screenshots in the order they were attached."""
        phases: dict[str, list[Screenshot]] = {}
        for each in self.screenshots:
            phases.setdefault(each.phase, []).append(each)
        return phases


def passed_in(info: Session) -> set[str]:
    """The nodes that have passed, as a session that was read says."""
    return {name for name, step in info.steps.items() if step.status is StepStatus.PASSED}


def success_rate(passed: int, failed: int) -> float:
    """How many percent of the nodes that were run passed; 0 when none was."""
    return 100.0 * passed / (passed + failed) if passed + failed else 0.0


def _node(change: StepFinished) -> NodeRecord:
    return NodeRecord(change.status, change.run, change.duration, change.output, change.error)


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0
