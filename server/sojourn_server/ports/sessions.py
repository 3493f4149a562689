"""What the use cases need from the outside: small Protocols whose docstrings are contracts.

Every method may raise StoreUnavailableError (nothing happened); those that write may also raise StoreFullError
(nothing happened) and OutcomeUnknownError. Time is the store's clock alone, in microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ..domain.changes import Change
from ..domain.cursor import SessionCursor, ShardCursor
from ..domain.errors import SojournError
from ..domain.events import Committed, Durability, StoredEvent, Write
from ..domain.session import Session, SessionKey, Tier


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events of a log to read. Revisions are exclusive bounds; 0 and None are open ends."""

    after: int | SessionCursor = 0
    before: int | SessionCursor | None = None
    mask: int = 0
    """Only events that share a bit with it; 0 means all."""
    count: int = 100
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of a log."""

    events: list[StoredEvent]
    head: SessionCursor
    """Where the log ended when the page was read."""
    scanned: int
    """Last revision that was looked at, kept by the filter or not: the next page goes on there."""
    more: bool
    oldest: int = 1
    """First revision that the active store keeps; the catalog has those before."""
    tier: Tier = Tier.HOT
    """Where the session is: of one that is not hot nothing more will come."""


class ActiveStore(Protocol):
    """Live sessions: heads, event logs, and the atomic operations on them."""

    @property
    def durability(self) -> Durability:
        """What an acknowledged write survives; never weaker than what was configured."""
        ...

    async def create(self, write: Write, *, or_get: bool, checked: bool = False) -> tuple[Committed, bool]:
        """Commits the first event of a session; `write.effects` hold everything the session begins with. With `checked`
        the caller knows that no other tier has a session under this id.

        Returns the creation and True; with `or_get`, where the session exists, its present head and False.
        The same idempotency key gives the first result within 24 hours.

        Raises:
            AlreadyExistsError: the id is taken and `or_get` is off.
            MaybeElsewhereError: another tier may have it; look it up, then create it with `checked`.
            NotFoundError: SESSION_DELETED, when the key's session was created and deleted since.
            ConflictError: IDEMPOTENCY_KEY_REUSED, STATE_LIMIT_EXCEEDED.
        """
        ...

    async def mint(self, tenant: str, idempotency_key: str, proposed: str) -> str:
        """Returns `proposed`, or the id an earlier call with the same key proposed within 24 hours."""
        ...

    async def write(self, write: Write) -> Committed:
        """Commits one write: all effects and its event, or nothing. Revisions grow by one, without gaps.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            ConflictError: REVISION_CONFLICT, STATUS_CONFLICT, SESSION_ENDED, FENCING_TOKEN_REJECTED,
                IDEMPOTENCY_KEY_REUSED,
                NOT_AN_INTEGER, INTEGER_OVERFLOW, STATE_LIMIT_EXCEEDED; the present revision is in the metadata.
            PositionError: HISTORY_ROLLED_BACK, SESSION_REPLACED: not the history of `precondition.known`; the present
                revision is in the metadata, 0 when the store has nothing under this id and had, as far as it can say.
            FieldChangedError: not what `Write.expects`.
        """
        ...

    async def write_many(self, writes: Sequence[Write]) -> list[Committed | SojournError]:
        """Commits independent writes in one round trip per node; writes of one session in their order. Never raises
        for an item."""
        ...

    async def get(self, key: SessionKey, *, full: bool) -> Session:
        """Reads a session at its latest revision; without `full`, state and results stay behind. Raises
        NotFoundError."""
        ...

    async def get_many(self, keys: Sequence[SessionKey], *, full: bool) -> list[Session | SojournError]:
        """Reads sessions in one round trip per node. Never raises for an item."""
        ...

    async def delete(self, key: SessionKey, *, expected_revision: int | None, idempotency_key: str) -> int:
        """Removes a session and its log and tells watchers; returns its last revision.

        Raises NotFoundError, ConflictError (REVISION_CONFLICT).
        """
        ...

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        """Reads a page of a session's log.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED; RetiredError (SESSION_NOT_FOUND) while it is remembered
                that the session left for another tier.
            PositionError: CURSOR_IN_FUTURE, CURSOR_TOO_OLD, HISTORY_ROLLED_BACK (with revision 0 when the store has
                nothing under this id and had, as far as it can say), SESSION_REPLACED.
        """
        ...

    async def newest(self, tenant: str, *, after: tuple[int, str] | None, count: int) -> list[tuple[int, str]]:
        """Lists (creation time, session id) of the tenant's hot sessions, newest first, strictly after a place in
        that order."""
        ...

    async def trim(self, key: SessionKey, *, before: int) -> None:
        """Drops events with revisions below `before` from the log; their cursors become CURSOR_TOO_OLD."""
        ...


class EventLogs(Protocol):
    """The event logs of sessions."""

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        """Like `ActiveStore.events`."""
        ...


class Tap(Protocol):
    """A watcher's place in the live flow."""

    async def next(self, timeout: float) -> list[StoredEvent | DeletedSession | ArchivedSession]:
        """Waits for what comes next, everything that waits at once; empty after `timeout` seconds.

        Raises:
            PositionError: SLOW_CONSUMER when the watcher did not keep up, HISTORY_ROLLED_BACK when the store lost
                events.
            DrainingError: this process is shutting down.
        """
        ...


class ShardTap(Tap, Protocol):
    """A watcher's place in the live flow of every session."""

    @property
    def cursor(self) -> ShardCursor:
        """Everything up to here was handed out."""
        ...


@dataclass(frozen=True, slots=True)
class DeletedSession:
    """A session was deleted; the last item of its flow."""

    session_id: str
    uid: str
    revision: int


@dataclass(frozen=True, slots=True)
class ArchivedSession:
    """A session that has ended left the active store for another tier; the last item of its flow, after all its events
    as far as the hub can read them. Those after what was delivered, up to `revision`, are to be read elsewhere."""

    session_id: str
    uid: str
    revision: int


class Hub(Protocol):
    """Hands committed events to this worker's watchers: in order, each once, none missing."""

    def session(
        self, key: SessionKey, after: int | SessionCursor | None
    ) -> AbstractAsyncContextManager[tuple[SessionCursor, Tap]]:
        """Opens the flow of one session strictly after a position; None means its present end.

        Yields the position it begins at and the tap. Raises like `ActiveStore.events`, and LimitExceededError.
        """
        ...

    def tenant(self, tenant: str, after: ShardCursor | None) -> AbstractAsyncContextManager[ShardTap]:
        """Opens the flow of all sessions of a tenant. Raises PositionError, LimitExceededError."""
        ...


class EventCodec(Protocol):
    """Encodes the changes the server itself makes, and reads back what any event became."""

    def encode(self, changes: Sequence[Change], writer: str) -> bytes:
        """The body of an event: its changes and its writer's label."""
        ...

    def decode(self, body: bytes) -> list[Change]:
        """The changes of an event, of every kind, as far as they move a head; nothing is checked. Kinds that this
        version does not know are left out. Raises ValueError when the bytes are no event's."""
        ...


class ClockPort(Protocol):
    """This machine's clock, for names only; nothing is decided by it."""

    def seconds(self) -> int:
        """Seconds since the epoch."""
        ...
