"""What an event holds: one frozen model for each kind of change.

Tell them apart with `isinstance`, with `match`, or by `.kind`. `Change` is the union of all, discriminated by `kind`,
so `Event.model_validate(event.model_dump(mode="json")) == event`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .enums import ChangeKind, InvocationStatus, LogLevel, MessageRole, RequestOutcome, SessionStatus, StepStatus


class Model(BaseModel):
    """Base of every model: frozen, and tolerant of fields a newer version added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Usage(Model):
    """Token usage and cost of a model call or a tool call, or their sum over a session."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    """In a write, 0 means `input_tokens + output_tokens`."""
    cost: float = 0.0
    """In the deployment's currency unit; kept exactly to the millionth."""


class PoolSlot(Model):
    """A slot of a pool, held by a request. No two requests hold the same at a time."""

    pool: str
    slot: int
    """From 0 to the pool's size less one."""
    fencing_token: int
    """Greater than every earlier token of the pool: whoever guards the resource can refuse a late holder by it."""


class StateSet(Model):
    """State keys were set; other keys stayed as they were."""

    kind: Literal[ChangeKind.STATE_SET] = ChangeKind.STATE_SET
    values: dict[str, Any]


class StateDeleted(Model):
    """State keys were deleted."""

    kind: Literal[ChangeKind.STATE_DELETED] = ChangeKind.STATE_DELETED
    keys: tuple[str, ...]


class StateIncremented(Model):
    """An integer of the state was changed by `delta`; a missing key counted as 0."""

    kind: Literal[ChangeKind.STATE_INCREMENTED] = ChangeKind.STATE_INCREMENTED
    key: str
    delta: int


class MessageAppended(Model):
    """A message joined the conversation. `content` is None when the writer said nothing at all (only called tools)."""

    kind: Literal[ChangeKind.MESSAGE_APPENDED] = ChangeKind.MESSAGE_APPENDED
    role: MessageRole
    content: str | None = None
    parts: tuple[Any, ...] = ()
    tool_name: str = ""
    invocation_id: str = ""
    usage: Usage | None = None


class InvocationStarted(Model):
    """A tool invocation began. `arguments` is None when there were none."""

    kind: Literal[ChangeKind.INVOCATION_STARTED] = ChangeKind.INVOCATION_STARTED
    invocation_id: str
    tool: str
    arguments: Any = None
    request_id: str = ""


class InvocationFinished(Model):
    """A tool invocation ended. `duration` is None when the writer left it to the commit times."""

    kind: Literal[ChangeKind.INVOCATION_FINISHED] = ChangeKind.INVOCATION_FINISHED
    invocation_id: str
    tool: str = ""
    status: InvocationStatus
    result: Any = None
    error: str = ""
    duration: timedelta | None = None
    usage: Usage | None = None


class StepFinished(Model):
    """A step (a workflow node, a test) ended."""

    kind: Literal[ChangeKind.STEP_FINISHED] = ChangeKind.STEP_FINISHED
    name: str
    run: int = 1
    status: StepStatus
    duration: timedelta | None = None
    output: Any = None
    error: str = ""


class ResultSet(Model):
    """A named result was set."""

    kind: Literal[ChangeKind.RESULT_SET] = ChangeKind.RESULT_SET
    name: str
    value: Any = None


class ArtifactAttached(Model):
    """Named, versioned bytes were attached to the session. Version 0: the writer keeps no versions."""

    kind: Literal[ChangeKind.ARTIFACT_ATTACHED] = ChangeKind.ARTIFACT_ATTACHED
    name: str
    version: int = 0
    content_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    phase: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    uri: str = ""


class LogAppended(Model):
    """A line was added to the session's log."""

    kind: Literal[ChangeKind.LOG_APPENDED] = ChangeKind.LOG_APPENDED
    level: LogLevel = LogLevel.INFO
    text: str = ""


class InfoUpdated(Model):
    """Purpose, tags or metadata changed. `purpose` is None when it stayed as it was."""

    kind: Literal[ChangeKind.INFO_UPDATED] = ChangeKind.INFO_UPDATED
    purpose: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_metadata: dict[str, Any] = Field(default_factory=dict)
    remove_metadata: tuple[str, ...] = ()


class Custom(Model):
    """Whatever the application put in order among the rest."""

    kind: Literal[ChangeKind.CUSTOM] = ChangeKind.CUSTOM
    type: str
    payload: Any = None


class SessionCreated(Model):
    """The session came to be: the first change of every log, with everything the session began with."""

    kind: Literal[ChangeKind.SESSION_CREATED] = ChangeKind.SESSION_CREATED
    uid: str
    session_kind: str = ""
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    state: dict[str, Any] = Field(default_factory=dict)
    parent: str = ""
    idle_timeout: timedelta | None = None
    max_lifetime: timedelta | None = None
    max_concurrent_requests: int = 0


class StatusChanged(Model):
    """The session's status changed."""

    kind: Literal[ChangeKind.STATUS_CHANGED] = ChangeKind.STATUS_CHANGED
    status: SessionStatus
    error: str = ""


class RequestQueued(Model):
    """A request waits for admission. Priority 0 is last, 9 is first."""

    kind: Literal[ChangeKind.REQUEST_QUEUED] = ChangeKind.REQUEST_QUEUED
    request_id: str
    name: str = ""
    priority: int = 0
    exclusive: bool = False
    """Whether no other request of the session may be admitted beside it."""
    pool: str = ""
    """Pool it takes a slot from; empty for none."""
    interrupts: bool = False
    """Whether it goes before all that did not ask to interrupt."""


class RequestAdmitted(Model):
    """A request may work; `fencing_token` is greater than every earlier token of the session."""

    kind: Literal[ChangeKind.REQUEST_ADMITTED] = ChangeKind.REQUEST_ADMITTED
    request_id: str
    name: str = ""
    fencing_token: int
    exclusive: bool = False
    pool_slot: PoolSlot | None = None
    """The slot it holds; None when it takes none."""
    priority: int = 0


class RequestProgressed(Model):
    """A request told how far it is: `fraction` from 0.0 to 1.0."""

    kind: Literal[ChangeKind.REQUEST_PROGRESSED] = ChangeKind.REQUEST_PROGRESSED
    request_id: str
    fraction: float = 0.0
    text: str = ""


class RequestFinished(Model):
    """A request ended; `error` says what went wrong, or why it was cancelled."""

    kind: Literal[ChangeKind.REQUEST_FINISHED] = ChangeKind.REQUEST_FINISHED
    request_id: str
    outcome: RequestOutcome
    error: str = ""


class RequestLost(Model):
    """A request ended without saying so; its fencing token (0: it was queued) is refused from now on."""

    kind: Literal[ChangeKind.REQUEST_LOST] = ChangeKind.REQUEST_LOST
    request_id: str
    fencing_token: int = 0
    cause: str = ""
    """Its lease ran out, its stream ended, or it was taken away."""


class RequestCancelRequested(Model):
    """Somebody asked an admitted request to stop."""

    kind: Literal[ChangeKind.REQUEST_CANCEL_REQUESTED] = ChangeKind.REQUEST_CANCEL_REQUESTED
    request_id: str
    reason: str = ""


class Forked(Model):
    """The session began as a copy of another, up to and including `parent_revision`."""

    kind: Literal[ChangeKind.FORKED] = ChangeKind.FORKED
    parent_id: str
    parent_revision: int


class Restored(Model):
    """The session was rebuilt after the active store lost it, up to and including `restored_revision`."""

    kind: Literal[ChangeKind.RESTORED] = ChangeKind.RESTORED
    restored_revision: int


class UnknownChange(Model):
    """A kind of change this SDK is too old to know."""

    kind: Literal[ChangeKind.UNKNOWN] = ChangeKind.UNKNOWN


Change = Annotated[
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
    | SessionCreated
    | StatusChanged
    | RequestQueued
    | RequestAdmitted
    | RequestProgressed
    | RequestFinished
    | RequestLost
    | Forked
    | Restored
    | RequestCancelRequested
    | UnknownChange,
    Field(discriminator="kind"),
]
"""Any change."""
