"""Events as the store keeps them and writes as callers ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from .cursor import SessionCursor
from .effects import Effects
from .session import SessionKey, SessionStatus


class Durability(IntEnum):
    """What an acknowledged write is sure to survive; a higher number is never weaker. The numbers are those of the
    protos."""

    RELAXED = 1
    LOCAL_FSYNC = 2
    REPLICATED = 3


@dataclass(slots=True)
class StoredEvent:
    """One committed write as it rests in the log: `body` is the encoded changes, which the store does not look into."""

    session_id: str
    uid: str
    incarnation: str
    revision: int
    commit_us: int
    sequence: int
    """Position among all commits of the session's shard."""
    mask: int
    """`changes.kind_mask` of its changes, so that filters need not decode the body."""
    body: bytes
    wire: bytes | None = None
    """The event as the edge encoded it, kept here so that a thousand watchers share one encoding."""

    @property
    def cursor(self) -> SessionCursor:
        return SessionCursor(self.uid, self.incarnation, self.revision, self.commit_us)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold for a write to be committed; None means anything."""

    expected_revision: int | None = None
    required_status: SessionStatus | None = None
    fencing_token: int | None = None
    known: SessionCursor | None = None
    """A position that the session's history must still hold."""


NO_PRECONDITION = Precondition()


@dataclass(slots=True)
class Write:
    """One write, ready for the store: its effects on the head and its encoded event body."""

    key: SessionKey
    effects: Effects
    body: bytes
    precondition: Precondition = NO_PRECONDITION
    idempotency_key: str = ""
    on_ended: bool = False
    """Whether a session that has ended takes this write too."""
    expects: dict[str, str] = field(default_factory=dict)
    """Fields of the head that must have these values (empty: absent), else FieldChangedError: for the server's own
    read-modify-writes."""
    identity: bytes = b""
    """What makes it the same write as an earlier one with its idempotency key; empty: `body` does."""


class Committed(NamedTuple):
    """What a write became."""

    revision: int
    commit_us: int
    uid: str
    incarnation: str
    replayed: bool = False

    @property
    def cursor(self) -> SessionCursor:
        return SessionCursor(self.uid, self.incarnation, self.revision, self.commit_us)
