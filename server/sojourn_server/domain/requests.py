"""Requests: pieces of work in flight inside a session, and the wider scopes whose slots they take.

A request is queued, then holds the session's slot while it reserves slots of wider scopes, then is admitted; it ends by
finishing, or is lost. Every step is one atomic script of the store and an event of the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

from .cursor import SessionCursor
from .session import SessionKey, SessionStatus


class RequestPolicy(IntEnum):
    """What happens when a request cannot be admitted at once. The numbers are those of the protos."""

    QUEUE = 1
    REJECT = 2
    INTERRUPT = 3
    REPLACE_QUEUED = 4


class RequestState(IntEnum):
    """Where a live request is. The numbers are the store's."""

    QUEUED = 1
    """Waits for the session's slot."""
    RESERVING = 2
    """Holds the session's slot and waits for the slots of wider scopes; callers see it as queued."""
    ADMITTED = 3


class RequestOutcome(IntEnum):
    """How a request ended. The first three are those of the protos."""

    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3
    LOST = 4
    TIMED_OUT = 5
    """It was not admitted in time; the log says CANCELLED."""


class ScopeKind(IntEnum):
    """What counts requests beyond a session, in the order in which their slots are taken: what is scarcest first, so
    that waiting for it holds nothing else of many sessions."""

    POOL = 1
    USER = 2
    PROJECT = 3
    TENANT = 4
    SERVER = 5

    @property
    def limit_name(self) -> str:
        """What callers are told they wait for."""
        return "pool" if self is ScopeKind.POOL else f"requests_per_{self.name.lower()}"


SESSION_LIMIT = "requests_per_session"
"""What callers are told they wait for while they wait in their session."""


def digest(label: str) -> str:
    """A caller's label, which may hold anything, as part of a key."""
    return blake2b(label.encode(), digest_size=8).hexdigest()


MOST_SLOTS = 10_000
"""Slots of the largest pool."""
SCOPE_MARGIN_MS = 10_000
"""By how much a lease in a scope outlives the request's own: the slot comes back after the request is gone."""


class Scope(NamedTuple):
    """Slots that requests of many sessions share."""

    kind: ScopeKind
    tenant: str
    """Empty for the whole deployment."""
    name: str = ""
    """The pool, user or project; empty where there is only one."""

    @property
    def path(self) -> str:
        """The scope's name in the store. Labels of callers are digested: they may hold anything."""
        name = self.name if self.kind is ScopeKind.POOL else digest(self.name)
        return f"{self.tenant}/{int(self.kind)}:{name}"


class RequestKey(NamedTuple):
    """What names a live request inside the deployment."""

    session: SessionKey
    request_id: str

    @property
    def holder(self) -> str:
        """The request's name in scopes and leases; no part can hold a slash."""
        return f"{self.session.member}/{self.request_id}"


def parse_holder(holder: str) -> RequestKey:
    """The inverse of `RequestKey.holder`."""
    tenant, session_id, request_id = holder.split("/")
    return RequestKey(SessionKey(tenant, session_id), request_id)


class PoolSlot(NamedTuple):
    """A slot of a pool and the token that fences it."""

    slot: int
    token: int


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What a request is to begin with; checked at the edge. Times in milliseconds, 0 for none."""

    key: RequestKey
    name: str = ""
    priority: int = 0
    policy: RequestPolicy = RequestPolicy.QUEUE
    exclusive: bool = False
    lease_ms: int = 15_000
    queue_ms: int = 0
    pool: str = ""
    wide: tuple[ScopeKind, ...] = ()
    """The kinds of scopes it needs slots of, in the order of taking."""
    slot: PoolSlot | None = None
    reserved: bool = False
    """The slots of the wider scopes were taken before: admit at once or refuse."""
    expected_revision: int | None = None
    required_status: SessionStatus | None = None
    known: SessionCursor | None = None
    resume: bool = False
    """Only take up a live request; never begin one."""
    writer: str = ""


@dataclass(slots=True)
class Request:
    """A live request as the store holds it. Times are microseconds by the store's clock."""

    key: RequestKey
    name: str
    state: RequestState
    priority: int
    policy: RequestPolicy
    exclusive: bool
    user_id: str
    project: str
    lease_ms: int
    begin_us: int
    scopes: tuple[Scope, ...] = ()
    """The wider scopes it takes slots of, in order."""
    attachment: int = 1
    """Grows each time the request is taken up: what an older stream does afterwards does not count."""
    admit_us: int = 0
    token: int = 0
    slot: PoolSlot | None = None
    queue_deadline_us: int = 0
    lease_deadline_us: int = 0
    position: int = 0
    """Place in the session's queue, 1 is the next; in a scope's queue where a use case put it."""
    waiting_for: str = SESSION_LIMIT
    cancel_reason: str | None = None
    """Why it was asked to stop; None when it was not."""
    fraction: float = 0.0
    progress_text: str = ""

    @property
    def pool(self) -> str:
        """The pool it takes a slot from; empty for none."""
        return next((scope.name for scope in self.scopes if scope.kind is ScopeKind.POOL), "")


class Ended(NamedTuple):
    """How a request ended, as remembered for 24 hours."""

    outcome: RequestOutcome
    error: str
    revision: int


class Left(NamedTuple):
    """What it did to the session that a request left it."""

    key: RequestKey
    ended: Ended
    scopes: tuple[Scope, ...]
    """Whose slots the request held or waited for; they are to be released."""
    reserving: tuple[str, ...]
    """Requests of the session that got its slot and now need those of their scopes."""


class Begun(NamedTuple):
    """A request that began, or was resumed."""

    request: Request
    resumed: bool
    replaced: tuple[Left, ...] = ()
    """Requests that this one replaced (or interrupted before they were admitted); their scopes are to be released."""


class Grant(NamedTuple):
    """What a scope answered: a slot, or a place in its queue."""

    slot: PoolSlot | None
    position: int = 0


class Pool(NamedTuple):
    """A pool as it is now."""

    name: str
    size: int
    used: int
    queued: int


@dataclass(frozen=True, slots=True)
class Quotas:
    """The server's limits on requests and sessions. 0 means none, but for `requests_per_session`."""

    requests_per_session: int = 100
    requests_per_user: int = 0
    requests_per_project: int = 0
    requests_per_tenant: int = 0
    requests_per_server: int = 0
    queued_per_session: int = 1_000
    queued_per_scope: int = 10_000
    session_rate: float = 0.0
    """Requests a second that may begin in a session, in the long run."""
    session_burst: int = 10
    user_rate: float = 0.0
    """Requests a second that may begin in all sessions of a user, in the long run."""
    user_burst: int = 20
    sessions_per_user: int = 0
    expire_oldest_idle: bool = False
    """When a user has too many sessions: expire the one that was idle longest instead of refusing the new one."""

    def limit(self, kind: ScopeKind) -> int:
        """How many requests a scope of this kind admits; 0 for no limit, and for pools: the store keeps their size."""
        return {
            ScopeKind.POOL: 0,
            ScopeKind.USER: self.requests_per_user,
            ScopeKind.PROJECT: self.requests_per_project,
            ScopeKind.TENANT: self.requests_per_tenant,
            ScopeKind.SERVER: self.requests_per_server,
        }[kind]

    def wide(self, pool: str) -> tuple[ScopeKind, ...]:
        """The kinds of scopes that requests need slots of, in the order of taking."""
        return tuple(kind for kind in ScopeKind if (pool if kind is ScopeKind.POOL else self.limit(kind)))


def scopes_of(tenant: str, kinds: tuple[ScopeKind, ...], *, pool: str, user_id: str, project: str) -> tuple[Scope, ...]:
    """The scopes of these kinds that a request of a session belongs to; a session without a user or project has none of
    that kind."""
    names = {ScopeKind.POOL: pool, ScopeKind.USER: user_id, ScopeKind.PROJECT: project}
    found = []
    for kind in kinds:
        name = names.get(kind, "")
        if name or kind not in names:
            found.append(Scope(kind, "" if kind is ScopeKind.SERVER else tenant, name))
    return tuple(found)
