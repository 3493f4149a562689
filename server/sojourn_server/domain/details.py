"""What the catalog keeps of an event's changes besides the event itself: what people look for.

The changes of `domain.changes` hold what moves a session's head; these hold the rest. JSON values are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .changes import InvocationStatus, MessageRole
from .session import StepStatus


@dataclass(frozen=True, slots=True)
class MessageDetail:
    """A message of the conversation; `content` is empty where there is no text."""

    role: MessageRole
    content: str
    tool_name: str = ""
    invocation_id: str = ""


@dataclass(frozen=True, slots=True)
class StartDetail:
    """An invocation began."""

    invocation_id: str
    tool: str
    arguments: str | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class FinishDetail:
    """An invocation ended; `duration_us` is None when the writer did not say."""

    invocation_id: str
    tool: str
    status: InvocationStatus
    result: str | None = None
    error: str = ""
    duration_us: int | None = None
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class StepDetail:
    """A step ended."""

    name: str
    run: int
    status: StepStatus
    duration_us: int | None = None
    output: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactDetail:
    """An artifact was attached."""

    name: str
    version: int = 0
    content_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    phase: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    uri: str = ""


@dataclass(frozen=True, slots=True)
class LogDetail:
    """A line of the session's log."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class PurposeDetail:
    """The session's purpose was given."""

    purpose: str


Detail = MessageDetail | StartDetail | FinishDetail | StepDetail | ArtifactDetail | LogDetail | PurposeDetail
