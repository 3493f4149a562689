"""A session as the store holds it: the fold of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class SessionStatus(IntEnum):
    """Where a session is in its life. The numbers are those of the protos and of the store."""

    ACTIVE = 1
    COMPLETED = 2
    FAILED = 3
    ABANDONED = 4
    CANCELLED = 5
    EXPIRED = 6


class Tier(IntEnum):
    """Where a session's data lives. The numbers are those of the protos and of the catalog."""

    HOT = 1
    RECENT = 2
    ARCHIVE = 3


class StepStatus(IntEnum):
    """Outcome of a step."""

    PASSED = 1
    FAILED = 2
    SKIPPED = 3
    ERROR = 4


class SessionKey(NamedTuple):
    """What names a session inside the deployment."""

    tenant: str
    session_id: str

    @property
    def member(self) -> str:
        """The session's name in shard-wide keys; neither part can hold a slash."""
        return f"{self.tenant}/{self.session_id}"


class StepSummary(NamedTuple):
    """Last outcome of a step; `duration_us` is None when the writer did not say."""

    run: int
    status: StepStatus
    duration_us: int | None


@dataclass(slots=True)
class Session:
    """A session at `revision`. Times are microseconds since the epoch by the store's clock; values are JSON bytes."""

    id: str
    uid: str
    incarnation: str
    kind: str = "session"
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    parent: str = ""
    status: SessionStatus = SessionStatus.ACTIVE
    error: str = ""
    revision: int = 0
    created_us: int = 0
    updated_us: int = 0
    ended_us: int | None = None
    idle_timeout_ms: int = 0
    max_lifetime_ms: int = 0
    max_concurrent_requests: int = 0
    admitted_requests: int = 0
    queued_requests: int = 0
    connection_count: int = 0
    """Watches and tracked streams that are open, over all workers; filled by reads of sessions alone."""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    tools: dict[str, int] = field(default_factory=dict)
    steps: dict[str, StepSummary] = field(default_factory=dict)
    artifacts: dict[str, int] = field(default_factory=dict)
    """Last version of each artifact that has versions, by name."""
    tier: Tier = Tier.HOT
    snapshot_path: str = ""
    archive_path: str = ""

    @property
    def expires_us(self) -> int | None:
        """When the session will expire unless a write comes first; None when never, and while a request is live."""
        if self.status is not SessionStatus.ACTIVE or self.admitted_requests or self.queued_requests:
            return None
        ends = []
        if self.idle_timeout_ms:
            ends.append(self.updated_us + self.idle_timeout_ms * 1000)
        if self.max_lifetime_ms:
            ends.append(self.created_us + self.max_lifetime_ms * 1000)
        return min(ends, default=None)
