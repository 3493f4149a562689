"""The closed vocabularies of the service, as lower-case strings.

Each member equals its text (`SessionStatus.ACTIVE == "active"`), so plain strings work wherever a member does. Every
vocabulary the server may extend has an `UNKNOWN` member: what a newer server says and this SDK is too old to know. It
is only ever read, never accepted in a call.
"""

from __future__ import annotations

from enum import StrEnum


class SessionStatus(StrEnum):
    """Where a session is in its life. Everything but `ACTIVE` is an end."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Tier(StrEnum):
    """Where a session's data lives."""

    HOT = "hot"
    RECENT = "recent"
    ARCHIVE = "archive"
    UNKNOWN = "unknown"


class Durability(StrEnum):
    """What an acknowledged write is sure to survive."""

    RELAXED = "relaxed"
    """A crash of the store may lose the last moments."""
    LOCAL_FSYNC = "local_fsync"
    """The write is in a file that was fsynced."""
    REPLICATED = "replicated"
    """The write reached the configured number of replicas."""
    UNKNOWN = "unknown"


class MessageRole(StrEnum):
    """Who a message is from."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"
    UNKNOWN = "unknown"


class InvocationStatus(StrEnum):
    """How a tool invocation stands. The server writes `INTERRUPTED`; `RUNNING` is an invocation not finished yet."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


class StepStatus(StrEnum):
    """The outcome of a step (a workflow node, a test)."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"
    UNKNOWN = "unknown"


class LogLevel(StrEnum):
    """The severity of a log line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


class Consistency(StrEnum):
    """What a call that finds sessions or invocations may miss."""

    STRONG = "strong"
    """Nothing that was acknowledged before the call."""
    EVENTUAL = "eventual"
    """What was committed in the last moments; the call waits for nothing."""


class TextSource(StrEnum):
    """What a text that can be searched is."""

    PURPOSE = "purpose"
    """A session's purpose."""
    MESSAGE = "message"
    ARGUMENTS = "arguments"
    """What an invocation was called with."""
    RESULT = "result"
    """What an invocation returned, or its error."""
    LOG = "log"
    UNKNOWN = "unknown"


class Difference(StrEnum):
    """How a session differs from its baseline in one respect."""

    SAME = "same"
    ADDED = "added"
    """Only the session has it."""
    REMOVED = "removed"
    """Only the baseline has it."""
    CHANGED = "changed"
    UNKNOWN = "unknown"


class CleanupAction(StrEnum):
    """What becomes of the sessions that a cleanup selects."""

    DELETE = "delete"
    """They are deleted with everything of theirs, whatever tier they are in."""
    ABANDON = "abandon"
    """Those that are active end as abandoned; the others are left alone."""
    ARCHIVE = "archive"
    """Those that have ended leave the active store now; the others are left alone."""


class CheckStatus(StrEnum):
    """The outcome of a check of what a server runs on."""

    OK = "ok"
    WARNING = "warning"
    """It works, but something should be seen to."""
    FAILED = "failed"
    """It does not work, or data is in danger."""
    UNKNOWN = "unknown"


class RequestPolicy(StrEnum):
    """What happens when a tracked request cannot be admitted at once."""

    QUEUE = "queue"
    """It waits: higher priority first, then earlier arrival."""
    REJECT = "reject"
    """It fails with LimitExceededError; nothing is recorded."""
    INTERRUPT = "interrupt"
    """Holders of the session are asked to stop, and it waits before everybody else of the session."""
    REPLACE_QUEUED = "replace_queued"
    """It takes the place of every request that is queued in the session: those end as cancelled."""
    UNKNOWN = "unknown"


class RequestState(StrEnum):
    """Where a tracked request is while it lives."""

    QUEUED = "queued"
    ADMITTED = "admitted"
    UNKNOWN = "unknown"


class RequestOutcome(StrEnum):
    """How a tracked request ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class ChangeKind(StrEnum):
    """The kinds of change an event can hold; what watches and event lists filter by."""

    STATE_SET = "state_set"
    STATE_DELETED = "state_deleted"
    STATE_INCREMENTED = "state_incremented"
    MESSAGE_APPENDED = "message_appended"
    INVOCATION_STARTED = "invocation_started"
    INVOCATION_FINISHED = "invocation_finished"
    STEP_FINISHED = "step_finished"
    RESULT_SET = "result_set"
    ARTIFACT_ATTACHED = "artifact_attached"
    LOG_APPENDED = "log_appended"
    INFO_UPDATED = "info_updated"
    CUSTOM = "custom"
    SESSION_CREATED = "session_created"
    STATUS_CHANGED = "status_changed"
    REQUEST_QUEUED = "request_queued"
    REQUEST_ADMITTED = "request_admitted"
    REQUEST_PROGRESSED = "request_progressed"
    REQUEST_FINISHED = "request_finished"
    REQUEST_LOST = "request_lost"
    FORKED = "forked"
    RESTORED = "restored"
    REQUEST_CANCEL_REQUESTED = "request_cancel_requested"
    UNKNOWN = "unknown"
