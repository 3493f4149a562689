"""The port of the catalog: every session that ever was, searchable.

Every method may raise CatalogUnavailableError: nothing happened, or, for those that store, it may be repeated.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from ..domain.changes import InvocationStatus
from ..domain.details import Detail
from ..domain.events import StoredEvent
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey, Tier
from .outbox import Standings


@dataclass(frozen=True, slots=True)
class Projection:
    """What the catalog is to learn of a session: its head, and the events up to the head's revision it lacks, in
    order."""

    tenant: str
    session: Session
    """State and results are not needed."""
    events: Sequence[StoredEvent]
    details: Sequence[Sequence[Detail]]
    """Of each event, in the same order."""


class Stored(NamedTuple):
    """How far the catalog has a session."""

    uid: str
    revision: int
    commit_us: int
    """When the event of this revision was committed; 0 when the catalog lacks it."""
    tier: Tier = Tier.HOT
    """Where it says that the session is: one that came back to the active store is to be projected once more."""


class TextSource(IntEnum):
    """What a text that was found is. The numbers are the catalog's."""

    PURPOSE = 1
    MESSAGE = 2
    ARGUMENTS = 3
    RESULT = 4
    LOG = 5


class Fragment(NamedTuple):
    """A piece of a text that matched a search."""

    source: TextSource
    revision: int
    """The event the text is of."""
    text: str
    spans: tuple[tuple[int, int], ...]
    """Where it matched: (begin, end) in characters of `text`."""


class Invocation(NamedTuple):
    """A tool invocation, whichever session it is of. `status` is None while it runs."""

    session: SessionKey
    invocation_id: str
    tool: str
    status: InvocationStatus | None
    request_id: str
    started_us: int
    finished_us: int | None
    duration_us: int | None
    cost_micros: int
    arguments: bytes | None
    result: bytes | None
    error: str


@dataclass(frozen=True, slots=True)
class InvocationFilter:
    """Conditions combined with AND; an empty condition selects everything. Times in microseconds."""

    session_id: str = ""
    user_id: str = ""
    project: str = ""
    tool: str = ""
    statuses: frozenset[InvocationStatus] = frozenset()
    running: bool = False
    """Those that have not finished, too (only those, without `statuses`)."""
    started_from_us: int = 0
    started_before_us: int = 0
    min_duration_us: int = 0
    max_duration_us: int = 0


class Catalog(Protocol):
    """Rows of all sessions, their events, and what people look for in them."""

    async def revisions(self, keys: Sequence[SessionKey]) -> dict[SessionKey, Stored]:
        """How far the catalog has each of these sessions; those it does not know are left out."""
        ...

    async def project(self, projections: Sequence[Projection], standings: Standings) -> Collection[SessionKey]:
        """Stores all of it in one transaction: what it has already stays, so it may be done twice and by two at once.

        `standings` is asked while nobody else may write to these sessions' rows. A projection of a session that the
        active store does not have any more is left out; a row whose id was given to another session is replaced. So a
        session that was deleted meanwhile cannot come back, whoever is stopped wherever. Left out, too, and returned,
        are sessions whose history in the store is not the one that was read: the store lost it meanwhile.
        """
        ...

    async def forget(self, keys: Sequence[SessionKey], standings: Standings) -> None:
        """Removes deleted sessions with everything of theirs. Idempotent. `standings` as for `project`: a session that
        the active store has, or that it does not have without its having been deleted, stays."""
        ...

    async def get(self, key: SessionKey, *, settled: bool = False) -> Session | None:
        """The session's row, without state and results.

        settled: wait for whoever is storing something of the session.
        """
        ...

    async def events(
        self, uid: str, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> builtins.list[StoredEvent]:
        """Events of a session between two revisions (exclusive), in order or newest first."""
        ...

    async def list(
        self, tenant: str, wanted: SessionFilter, *, after: tuple[int, str] | None, count: int
    ) -> builtins.list[Session]:
        """Sessions that match, newest creation first, strictly after a place in that order."""
        ...

    async def search(
        self, tenant: str, query: str, wanted: SessionFilter, *, sources: frozenset[TextSource], offset: int, count: int
    ) -> builtins.list[tuple[Session, builtins.list[Fragment]]]:
        """Sessions with texts that match, best first, with their best fragments.

        Raises:
            InvalidFieldError: the query holds no word.
        """
        ...

    async def invocations(
        self, tenant: str, wanted: InvocationFilter, *, after: tuple[int, str, str] | None, count: int
    ) -> builtins.list[Invocation]:
        """Invocations that match, newest start first, strictly after a place (start, session id, invocation id)."""
        ...

    async def invocation(self, uid: str, invocation_id: str) -> Invocation | None:
        """One invocation of a session."""
        ...

    async def count(self, tenant: str, wanted: SessionFilter) -> int:
        """How many sessions match."""
        ...
