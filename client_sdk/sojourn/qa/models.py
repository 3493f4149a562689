"""What comes out: results of runs, and sessions as they were known before."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from pydantic import BaseModel, Field

from ..models import Session
from .record import FAILED, TEST_NAME, SessionRecord, passed_in, success_rate


class ContextSummary(TypedDict):
    """A session after a run."""

    session_id: str
    test_name: str
    run_id: str
    run_number: int
    user_id: str
    project: str
    status: str
    """`completed` when every node passed or was skipped by itself, `failed` when one failed."""
    success_rate: float
    """Percent of the nodes that ran which passed."""
    executed_nodes: list[str]
    """Those that passed, in the order they did, in this and earlier runs."""
    failed_nodes: list[str]
    skipped_nodes: list[str]
    browser_session: str | None
    results_dir: str
    screenshots: dict[str, int]
    """How many there are, by phase."""


class QAResult(TypedDict):
    """What `QAClient.run_qa_test` returns."""

    success: bool
    """Whether no node failed."""
    context_summary: ContextSummary
    uuid: str
    """The session's id."""
    session_id: str
    test_name: str
    status: str
    success_rate: float
    executed_nodes: list[str]
    failed_nodes: list[str]
    skipped_nodes: list[str]
    errors: dict[str, str]
    """Why, for each failed and each skipped node."""
    test_results: dict[str, Any]
    outputs: dict[str, Any]
    screenshots: dict[str, list[dict[str, Any]]]
    """By phase; each has the fields of `Screenshot`."""
    browser_session: str | None
    results_dir: str
    duration: float
    """Seconds this run took."""


class SessionCount(TypedDict):
    """How many sessions there are."""

    active_sessions: int
    """Those that have not ended."""
    total_sessions: int
    """All that are kept."""


class QASessionSummary(BaseModel):
    """A session in a list."""

    session_id: str
    test_name: str
    status: str
    success_rate: float
    """Percent of the nodes that ran which passed."""
    executed_nodes: int
    failed_nodes: int
    skipped_nodes: int
    screenshots: int
    """How many artifacts there are."""
    user_id: str
    project: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, info: Session) -> QASessionSummary:
        """From a session, which may be a listed one."""
        statuses = [step.status for step in info.steps.values()]
        passed, failed = len(passed_in(info)), sum(status in FAILED for status in statuses)
        return cls(
            session_id=info.id,
            test_name=_test_name(info),
            status=str(info.status),
            success_rate=success_rate(passed, failed),
            executed_nodes=passed,
            failed_nodes=failed,
            skipped_nodes=len(statuses) - passed - failed,
            screenshots=info.counters.artifacts,
            user_id=info.user_id,
            project=info.project,
            created_at=info.create_time,
            updated_at=info.update_time,
            ended_at=info.end_time,
        )


class QASessionObject(BaseModel):
    """A session with all that its test left."""

    uuid: str
    """The session's id."""
    test_name: str
    test_results: dict[str, Any] = Field(default_factory=dict)
    screenshots: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    """By phase; each has the fields of `Screenshot`."""
    outputs: dict[str, Any] = Field(default_factory=dict)
    executed_nodes: list[str] = Field(default_factory=list)
    failed_nodes: list[str] = Field(default_factory=list)
    skipped_nodes: list[str] = Field(default_factory=list)
    errors: dict[str, str] = Field(default_factory=dict)
    browser_session: str | None = None
    results_dir: str = ""
    """Of the newest run, on the machine it ran on."""
    status: str = "active"
    run_id: str = ""
    run_number: int = 0
    user_id: str = ""
    project: str = ""
    success_rate: float = 0.0
    inputs: dict[str, Any] = Field(default_factory=dict)
    workflow: dict[str, list[str]] = Field(default_factory=dict)
    """The nodes of the newest run, and what each comes after."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.uuid

    @classmethod
    def of(cls, info: Session, record: SessionRecord) -> QASessionObject:
        """From what was read."""
        return cls(
            uuid=info.id,
            test_name=_test_name(info),
            test_results=record.results,
            screenshots=dumped(record),
            outputs=record.all_outputs(),
            executed_nodes=record.executed_nodes,
            failed_nodes=record.failed_nodes,
            skipped_nodes=record.skipped_nodes,
            errors=errors(record),
            browser_session=record.browser_session,
            results_dir=record.results_dir,
            status=str(info.status),
            run_id=record.run_id,
            run_number=record.run,
            user_id=info.user_id,
            project=info.project,
            success_rate=success_rate(len(record.executed_nodes), len(record.failed_nodes)),
            inputs=record.inputs,
            workflow=record.workflow,
            metadata=info.metadata,
            created_at=info.create_time,
            updated_at=info.update_time,
        )


def result_of(info: Session, record: SessionRecord, *, duration: float) -> QAResult:
    """A session after a run."""
    whole = QASessionObject.of(info, record)
    return QAResult(
        success=not whole.failed_nodes,
        context_summary=ContextSummary(
            session_id=whole.uuid,
            test_name=whole.test_name,
            run_id=whole.run_id,
            run_number=whole.run_number,
            user_id=whole.user_id,
            project=whole.project,
            status=whole.status,
            success_rate=whole.success_rate,
            executed_nodes=whole.executed_nodes,
            failed_nodes=whole.failed_nodes,
            skipped_nodes=whole.skipped_nodes,
            browser_session=whole.browser_session,
            results_dir=whole.results_dir,
            screenshots={phase: len(taken) for phase, taken in whole.screenshots.items()},
        ),
        uuid=whole.uuid,
        session_id=whole.uuid,
        test_name=whole.test_name,
        status=whole.status,
        success_rate=whole.success_rate,
        executed_nodes=list(whole.executed_nodes),
        failed_nodes=list(whole.failed_nodes),
        skipped_nodes=list(whole.skipped_nodes),
        errors=whole.errors,
        test_results=whole.test_results,
        outputs=whole.outputs,
        screenshots=whole.screenshots,
        browser_session=whole.browser_session,
        results_dir=whole.results_dir,
        duration=duration,
    )


def dumped(record: SessionRecord) -> dict[str, list[dict[str, Any]]]:
    """The screenshots by phase, as JSON."""
    return {
        phase: [each.model_dump(mode="json") for each in taken]
        for phase, taken in record.screenshots_by_phase().items()
    }


def errors(record: SessionRecord) -> dict[str, str]:
    """Why nodes failed or were skipped."""
    return {name: node.error for name, node in record.nodes.items() if node.error}


def _test_name(info: Session) -> str:
    name = info.metadata.get(TEST_NAME)
    return name if isinstance(name, str) else ""
