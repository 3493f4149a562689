"""The kinds of change: what writers ask for and what events consist of.

Values (state, arguments, results, metadata, payloads) are JSON bytes, checked once by `values.check_json` and
passed through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from .session import SessionStatus, StepStatus


class ChangeKind(IntEnum):
    """Names the kinds of change. The numbers are those of the protos."""

    STATE_SET = 1
    STATE_DELETED = 2
    STATE_INCREMENTED = 3
    MESSAGE_APPENDED = 4
    INVOCATION_STARTED = 5
    INVOCATION_FINISHED = 6
    STEP_FINISHED = 7
    RESULT_SET = 8
    ARTIFACT_ATTACHED = 9
    LOG_APPENDED = 10
    INFO_UPDATED = 11
    CUSTOM = 12
    SESSION_CREATED = 20
    STATUS_CHANGED = 21
    REQUEST_QUEUED = 22
    REQUEST_ADMITTED = 23
    REQUEST_PROGRESSED = 24
    REQUEST_FINISHED = 25
    REQUEST_LOST = 26
    FORKED = 27
    RESTORED = 28
    REQUEST_CANCEL_REQUESTED = 29


FIRST_SERVER_KIND = ChangeKind.SESSION_CREATED
"""Kinds from here on are written by the server alone."""


class MessageRole(IntEnum):
    """Who a message is from."""

    USER = 1
    ASSISTANT = 2
    SYSTEM = 3
    TOOL = 4


class InvocationStatus(IntEnum):
    """How an invocation ended."""

    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3
    INTERRUPTED = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """Token usage and cost; cost in millionths of the currency unit so that sums are exact."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class StateSet:
    kind: ClassVar = ChangeKind.STATE_SET
    values: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class StateDeleted:
    kind: ClassVar = ChangeKind.STATE_DELETED
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateIncremented:
    kind: ClassVar = ChangeKind.STATE_INCREMENTED
    key: str
    delta: int


@dataclass(frozen=True, slots=True)
class MessageAppended:
    kind: ClassVar = ChangeKind.MESSAGE_APPENDED
    role: MessageRole
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class InvocationStarted:
    kind: ClassVar = ChangeKind.INVOCATION_STARTED
    invocation_id: str
    tool: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class InvocationFinished:
    kind: ClassVar = ChangeKind.INVOCATION_FINISHED
    invocation_id: str
    status: InvocationStatus
    usage: Usage | None = None
    tool: str = ""
    """Kept only by what the server itself writes, as is `error`: a caller's are in the body of the event."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepFinished:
    kind: ClassVar = ChangeKind.STEP_FINISHED
    name: str
    run: int
    status: StepStatus
    duration_us: int | None = None


@dataclass(frozen=True, slots=True)
class ResultSet:
    kind: ClassVar = ChangeKind.RESULT_SET
    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class ArtifactAttached:
    kind: ClassVar = ChangeKind.ARTIFACT_ATTACHED
    name: str
    version: int = 0
    """From 1; 0 when the writer keeps no versions."""


@dataclass(frozen=True, slots=True)
class LogAppended:
    kind: ClassVar = ChangeKind.LOG_APPENDED


@dataclass(frozen=True, slots=True)
class InfoUpdated:
    kind: ClassVar = ChangeKind.INFO_UPDATED
    purpose: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_metadata: dict[str, bytes] = field(default_factory=dict)
    remove_metadata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Custom:
    kind: ClassVar = ChangeKind.CUSTOM
    type: str


@dataclass(frozen=True, slots=True)
class SessionCreated:
    kind: ClassVar = ChangeKind.SESSION_CREATED
    uid: str
    session_kind: str = "session"
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    parent: str = ""
    idle_timeout_ms: int = 0
    max_lifetime_ms: int = 0
    max_concurrent_requests: int = 0


@dataclass(frozen=True, slots=True)
class StatusChanged:
    kind: ClassVar = ChangeKind.STATUS_CHANGED
    status: SessionStatus
    error: str = ""


@dataclass(frozen=True, slots=True)
class Forked:
    kind: ClassVar = ChangeKind.FORKED
    uid: str
    """The fork's."""
    parent_id: str
    parent_revision: int


@dataclass(frozen=True, slots=True)
class Restored:
    kind: ClassVar = ChangeKind.RESTORED
    restored_revision: int


@dataclass(frozen=True, slots=True)
class RequestQueued:
    kind: ClassVar = ChangeKind.REQUEST_QUEUED
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestAdmitted:
    kind: ClassVar = ChangeKind.REQUEST_ADMITTED
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestProgressed:
    kind: ClassVar = ChangeKind.REQUEST_PROGRESSED
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestCancelRequested:
    kind: ClassVar = ChangeKind.REQUEST_CANCEL_REQUESTED
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestFinished:
    kind: ClassVar = ChangeKind.REQUEST_FINISHED
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestLost:
    kind: ClassVar = ChangeKind.REQUEST_LOST
    request_id: str
    fencing_token: int = 0
    cause: str = ""


CallerChange = (
    StateSet
    | StateDeleted
    | StateIncremented
    | MessageAppended
    | InvocationStarted
    | InvocationFinished
    | StepFinished
    | ResultSet
    | ArtifactAttached
    | LogAppended
    | InfoUpdated
    | Custom
)
RequestChange = (
    RequestQueued | RequestAdmitted | RequestProgressed | RequestCancelRequested | RequestFinished | RequestLost
)
"""What the scripts of requests write."""
Change = CallerChange | SessionCreated | StatusChanged | Forked | Restored | RequestChange


def kind_mask(kinds: Iterable[ChangeKind]) -> int:
    """One bit a kind, so that a filter is one AND. Fits 32 bits: Lua's bit library has no more."""
    mask = 0
    for kind in kinds:
        mask |= 1 << kind
    return mask
