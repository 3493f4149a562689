"""What the tools of `sojourn mcp` return: small, and named for a model that reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ... import models
from ...statistics import SessionStatistics, Statistics


class SessionSummary(BaseModel):
    """A session without its state."""

    session_id: str
    status: str = Field(description="active, completed, failed, abandoned, cancelled or expired")
    purpose: str = ""
    user_id: str = ""
    project: str = ""
    kind: str = ""
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    revision: int = Field(description="Number of the last change; grows by one with each")
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    error: str = Field("", description="Why it ended as it did")
    parent: str = ""
    total_messages: int = 0
    total_invocations: int = 0
    failed_invocations: int = 0
    tools_used: list[str] = []
    total_tokens: int = 0
    cost: float = 0.0

    @classmethod
    def of(cls, session: models.Session) -> SessionSummary:
        return cls(**_facts(session))


class SessionDetails(SessionSummary):
    """A session with its state and results."""

    state: dict[str, Any] = {}
    results: dict[str, Any] = {}
    steps: dict[str, str] = Field({}, description="Last outcome of each step: passed, failed, skipped or error")

    @classmethod
    def of(cls, session: models.Session) -> SessionDetails:
        steps = {name: str(step.status) for name, step in session.steps.items()}
        return cls(**_facts(session), state=session.state, results=session.results, steps=steps)


def _facts(session: models.Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "status": str(session.status),
        "purpose": session.purpose,
        "user_id": session.user_id,
        "project": session.project,
        "kind": session.kind,
        "tags": list(session.tags),
        "metadata": session.metadata,
        "revision": session.revision,
        "created_at": session.create_time,
        "updated_at": session.update_time,
        "ended_at": session.end_time,
        "error": session.error,
        "parent": session.parent,
        "total_messages": session.counters.messages,
        "total_invocations": session.counters.invocations,
        "failed_invocations": session.counters.failed_invocations,
        "tools_used": sorted(session.tools),
        "total_tokens": session.usage.total_tokens,
        "cost": session.usage.cost,
    }


class SessionList(BaseModel):
    """Sessions, newest first."""

    sessions: list[SessionSummary]
    more: bool = Field(description="Whether there are more than the limit let through")


class FoundSession(BaseModel):
    """A session that matched a search, and the texts that did."""

    session: SessionSummary
    matches: list[str]


class FoundSessions(BaseModel):
    """What a search found, best match first."""

    found: list[FoundSession]


class ConversationMessage(BaseModel):
    """A message of the conversation."""

    role: str
    content: str | None
    tool_name: str = ""
    invocation_id: str = ""
    revision: int
    time: datetime

    @classmethod
    def of(cls, message: models.Message) -> ConversationMessage:
        return cls(**message.model_dump(include=set(cls.model_fields)))


class Conversation(BaseModel):
    """The newest messages, oldest first."""

    messages: list[ConversationMessage]
    total: int = Field(description="Messages of the whole conversation")


class ToolInvocation(BaseModel):
    """One use of a tool."""

    session_id: str
    invocation_id: str
    tool: str
    status: str = Field(description="running, succeeded, failed, cancelled or interrupted")
    arguments: Any = None
    result: Any = None
    error: str = ""
    duration_ms: float | None = None
    cost: float = 0.0
    started_at: datetime | None = None

    @classmethod
    def of(cls, call: models.Invocation) -> ToolInvocation:
        return cls(
            session_id=call.session_id,
            invocation_id=call.id,
            tool=call.tool,
            status=str(call.status),
            arguments=call.arguments,
            result=call.result,
            error=call.error,
            duration_ms=None if call.duration is None else call.duration.total_seconds() * 1000,
            cost=call.cost,
            started_at=call.started_time,
        )


class Invocations(BaseModel):
    """Uses of tools, newest first."""

    invocations: list[ToolInvocation]
    more: bool


class ResumedSession(BaseModel):
    """A session to go on with."""

    resumed: bool = Field(description="Whether it had ended and is active again")
    session: SessionDetails
    conversation: Conversation


class Written(BaseModel):
    """A change that was made."""

    session_id: str
    revision: int


class RecordedInvocation(Written):
    """An invocation that was recorded."""

    invocation_id: str


class State(BaseModel):
    """State of a session."""

    session_id: str
    revision: int
    values: dict[str, Any]
    missing: list[str] = Field([], description="Keys that were asked for and are not set")


class ToolFigures(BaseModel):
    """The invocations of a tool, summed up."""

    tool: str
    invocations: int
    failed: int
    total_duration_ms: float
    cost: float


class Figures(BaseModel):
    """What a session did, summed up."""

    total_messages: int
    total_invocations: int
    failed_invocations: int
    total_duration_ms: float = Field(description="Of all tools together")
    tools_used: list[str]
    tools: list[ToolFigures]
    total_tokens: int
    cost: float
    session_seconds: float = Field(description="From creation to end, or to the last change")

    @classmethod
    def of(cls, found: Statistics) -> Figures:
        return cls(
            total_messages=found.counters.messages,
            total_invocations=found.counters.invocations,
            failed_invocations=found.counters.failed_invocations,
            total_duration_ms=found.tool_duration.total_seconds() * 1000,
            tools_used=sorted(tool.tool for tool in found.tools),
            tools=[
                ToolFigures(
                    tool=tool.tool,
                    invocations=tool.invocations,
                    failed=tool.failed,
                    total_duration_ms=tool.total_duration.total_seconds() * 1000,
                    cost=tool.cost,
                )
                for tool in found.tools
            ],
            total_tokens=found.usage.total_tokens,
            cost=found.usage.cost,
            session_seconds=found.session_duration.total_seconds(),
        )


class SessionFigures(BaseModel):
    """Statistics of a session, and of it with all sessions below it."""

    session_id: str
    statistics: Figures
    with_children: Figures | None = None

    @classmethod
    def of(cls, session_id: str, found: SessionStatistics) -> SessionFigures:
        rolled = found.roll_up
        return cls(
            session_id=session_id,
            statistics=Figures.of(found),
            with_children=None if rolled is None else Figures.of(rolled),
        )


class Deleted(BaseModel):
    """A session that is gone."""

    session_id: str
    deleted: bool = True
