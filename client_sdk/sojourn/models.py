"""What the service returns: frozen pydantic models.

Times are aware UTC datetimes, durations timedeltas, statuses and roles lower-case strings (see `sojourn.enums`),
cursors opaque text. `model_dump(mode="json")` gives plain JSON; what it gives can be validated back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from .changes import Change, Model, PoolSlot, Usage
from .enums import (
    Durability,
    InvocationStatus,
    MessageRole,
    RequestPolicy,
    RequestState,
    SessionStatus,
    StepStatus,
    TextSource,
    Tier,
)

__all__ = [
    "Artifact",
    "Counters",
    "Event",
    "ExportResult",
    "FoundInvocation",
    "FoundSession",
    "Fragment",
    "ImportResult",
    "Invocation",
    "Message",
    "Pool",
    "PoolSlot",
    "Request",
    "Session",
    "SessionArchived",
    "SessionDeleted",
    "StepSummary",
    "Storage",
    "Usage",
    "WriteResult",
]


class Counters(Model):
    """What a session's event log holds."""

    messages: int = 0
    invocations: int = 0
    open_invocations: int = 0
    failed_invocations: int = 0
    steps: int = 0
    logs: int = 0
    artifacts: int = 0


class StepSummary(Model):
    """Last outcome of a step. `duration` is None when the writer did not say."""

    run: int
    status: StepStatus
    duration: timedelta | None = None


class Storage(Model):
    """Where a session's data is; the paths are those of the blob store, empty when there is no such object."""

    tier: Tier = Tier.UNKNOWN
    snapshot_path: str = ""
    archive_path: str = ""


class Session(Model):
    """A session as of `revision`: id, info, state, counters and status.

    Labels are empty text when not given. Listed sessions carry neither `state` nor `results`.
    """

    id: str
    uid: str
    kind: str = "session"
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    status: SessionStatus = SessionStatus.ACTIVE
    error: str = ""
    """Why the session ended as it did; empty while it is active or when nobody said."""
    revision: int
    create_time: datetime
    update_time: datetime
    end_time: datetime | None = None
    """None while the session is active."""
    state: dict[str, Any] = Field(default_factory=dict)
    results: dict[str, Any] = Field(default_factory=dict)
    counters: Counters = Counters()
    usage: Usage = Usage()
    tools: dict[str, int] = Field(default_factory=dict)
    """How often each tool was invoked, by tool name."""
    steps: dict[str, StepSummary] = Field(default_factory=dict)
    parent: str = ""
    idle_timeout: timedelta | None = None
    max_lifetime: timedelta | None = None
    max_concurrent_requests: int = 0
    """0: the server's default."""
    expire_time: datetime | None = None
    """When the session will expire unless a write comes first; None when it never will, and while a request is live."""
    storage: Storage = Storage()
    cursor: str = ""
    """Position of `revision`: watching or listing after it continues exactly here."""
    admitted_requests: int = 0
    """Requests admitted now."""
    queued_requests: int = 0
    """Requests that wait for admission now."""
    connection_count: int = 0
    """Watches and tracked requests that are open now, over all workers; a few seconds behind."""

    @property
    def is_active(self) -> bool:
        """Whether the session still takes every kind of change."""
        return self.status is SessionStatus.ACTIVE


class Event(Model):
    """One committed write: all its changes, in the order they were applied."""

    session_id: str
    revision: int
    commit_time: datetime
    cursor: str
    """Resuming with it delivers what comes after this event."""
    writer: str = ""
    """Label the writer gave itself; empty when it gave none or the server wrote."""
    changes: tuple[Change, ...]


class SessionDeleted(Model):
    """In `Client.watch_sessions`: a matching session was deleted at `revision`. It has no changes."""

    session_id: str
    uid: str
    revision: int
    changes: tuple[Change, ...] = ()


class SessionArchived(Model):
    """In `Client.watch_sessions`: a matching session that has ended left the active store, at its last revision. Reads
    of it go on as before. It has no changes."""

    session_id: str
    revision: int
    changes: tuple[Change, ...] = ()


class WriteResult(Model):
    """What a write became. `replayed`: the idempotency key was known, this is the first call's result."""

    revision: int
    commit_time: datetime
    cursor: str
    durability: Durability
    replayed: bool = False


class Message(Model):
    """A message of the conversation. `content` is None when the writer said nothing at all (only called tools)."""

    role: MessageRole
    content: str | None = None
    parts: tuple[Any, ...] = ()
    tool_name: str = ""
    invocation_id: str = ""
    usage: Usage | None = None
    revision: int
    time: datetime


class Invocation(Model):
    """One use of a tool, from its start to its finish; `RUNNING` while there is no finish.

    `Client.invocations` leaves `usage` and the revisions out. `SessionHandle.invocations` leaves `started_*` out of one
    whose start is older than the log that is kept.
    """

    session_id: str
    id: str
    tool: str = ""
    arguments: Any = None
    result: Any = None
    status: InvocationStatus = InvocationStatus.RUNNING
    error: str = ""
    duration: timedelta | None = None
    """As the writer measured it, else the time between the two commits; None while running."""
    cost: float = 0.0
    """In the deployment's currency unit."""
    usage: Usage | None = None
    request_id: str = ""
    """The tracked request it ran under; empty when there was none."""
    started_revision: int | None = None
    started_time: datetime | None = None
    finished_revision: int | None = None
    finished_time: datetime | None = None


class FoundInvocation(Invocation):
    """An invocation with its session, which has neither `state` nor `results` here."""

    session: Session


class Fragment(Model):
    """A piece of a session's texts that a search found."""

    source: TextSource
    """What the text is."""
    revision: int
    """The event that the text is of."""
    text: str
    highlights: tuple[tuple[int, int], ...] = ()
    """Where it matched: `text[begin:end]`."""


class FoundSession(Model):
    """A session that a search found, without `state` and `results`, and at most 3 fragments of it, the best first."""

    session: Session
    fragments: tuple[Fragment, ...] = ()


class Artifact(Model):
    """Named, versioned bytes of a session. What the writer did not say is empty."""

    session_id: str
    name: str
    version: int = 0
    """From 1; 0 when the writer keeps no versions."""
    content_type: str = ""
    """Media type."""
    size_bytes: int = 0
    sha256: str = ""
    """In lower-case hexadecimal."""
    phase: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    uri: str = ""
    """Where the bytes are when they are not in Sojourn's blob store."""
    revision: int = 0
    """Of the event that attached it."""
    create_time: datetime
    """When it was attached."""

    def reference(self) -> dict[str, Any]:
        """The artifact as a JSON value, for values that are too large themselves: in `parts` of a message, a result,
        the state, arguments. Readers find the bytes with `get_artifact(name, version=version)` of the session.

        `{"$artifact": {"name": ..., "version": ..., "sha256": ..., "content_type": ..., "size_bytes": ...}}`
        """
        names = ("name", "version", "sha256", "content_type", "size_bytes")
        return {"$artifact": {name: getattr(self, name) for name in names}}


class ExportResult(Model):
    """A session that was written to a file."""

    session_id: str
    revision: int
    """The session is exported as it was at this revision."""
    size_bytes: int


class ImportResult(Model):
    """A session that came out of a file (with `dry_run`: as it would be)."""

    session: Session
    source_session_id: str
    """Its id where it was exported."""
    events: int
    """In the file."""
    artifacts: int
    """Whose bytes were in the file."""


class Request(Model):
    """A piece of work in flight inside a session, as it was when it was read. Labels are empty text when not given."""

    session_id: str
    id: str
    name: str = ""
    """What the request does, for people."""
    state: RequestState
    priority: int = 0
    """0 (last) to 9 (first)."""
    policy: RequestPolicy = RequestPolicy.QUEUE
    exclusive: bool = False
    """Whether no other request of the session is admitted beside it."""
    user_id: str = ""
    project: str = ""
    pool: str = ""
    """Pool it takes a slot from."""
    fencing_token: int = 0
    """0 while it is queued."""
    pool_slot: PoolSlot | None = None
    """The slot it holds; None while it has none."""
    position: int = 0
    """Place in the queue it waits in, 1 is the next; 0 when it does not wait, and for queues of pools in lists."""
    waiting_for: str = ""
    """The limit it waits for, for example `requests_per_session` or `pool`."""
    lease_ttl: timedelta = timedelta(0)
    """How long its lease lasts after each renewal."""
    lease_expire_time: datetime | None = None
    """When its lease runs out unless it is renewed."""
    begin_time: datetime
    admit_time: datetime | None = None
    """None while it is queued."""
    progress: float = 0.0
    """How far it is, 0.0 to 1.0, as it said last."""
    progress_text: str = ""
    cancel_requested: bool = False
    """Whether somebody asked it to stop."""
    cancel_reason: str = ""


class Pool(Model):
    """A named number of slots that requests of many sessions share."""

    name: str
    size: int
    """Number of slots."""
    used: int = 0
    """Slots held now."""
    queued: int = 0
    """Requests that wait for a slot."""
