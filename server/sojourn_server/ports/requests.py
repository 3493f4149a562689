"""The ports of coordination: requests inside a session, the scopes they share, expiry, open connections.

Errors every method may raise are those of `ports.sessions`. Where a method says *idempotent*, a caller that learned
nothing (OutcomeUnknownError) may call it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.events import Committed, Precondition
from ..domain.requests import (
    Begun,
    Grant,
    Left,
    NewRequest,
    Pool,
    PoolSlot,
    Quotas,
    Request,
    RequestKey,
    RequestOutcome,
    Scope,
)
from ..domain.session import SessionKey, SessionStatus


class RequestStore(Protocol):
    """Live requests of sessions; every method is one atomic step and at most one event."""

    async def begin(self, new: NewRequest, quotas: Quotas) -> Begun:
        """Admits the request, queues it, lets it reserve wider slots, or resumes the live one with its id.

        Idempotent by the request's id while it is live. `quotas` must be those the store was opened with.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED; with `resume` REQUEST_NOT_FOUND.
            ConflictError: REVISION_CONFLICT, STATUS_CONFLICT, SESSION_ENDED; with `resume` REQUEST_ENDED.
            LeaseLostError: with `resume`, or when the live request's lease has run out.
            LimitExceededError: `requests_per_session` (REJECT), `queued_requests_per_session`.
        """
        ...

    async def admit(self, key: RequestKey, slot: PoolSlot | None) -> Request | None:
        """Admits a request whose wider slots were taken. Idempotent; None when it is gone (release the slots)."""
        ...

    async def get(self, key: RequestKey) -> Request:
        """The live request. Raises like `finish`."""
        ...

    async def of_session(self, key: SessionKey) -> list[Request]:
        """The session's live requests, by arrival. Raises NotFoundError (SESSION_*)."""
        ...

    async def of_tenant(self, tenant: str) -> list[Request]:
        """The live requests of all sessions of the tenant, in no order."""
        ...

    async def finish(self, key: RequestKey, outcome: RequestOutcome, error: str, *, writer: str = "") -> Left:
        """Ends the request; its open invocations are closed as INTERRUPTED and the next is admitted in the same step.

        Idempotent for 24 hours: the first end is returned again.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED, REQUEST_NOT_FOUND.
            LeaseLostError: it was lost before.
            ConflictError: REQUEST_ENDED, when it ended otherwise than by `finish`.
        """
        ...

    async def detach(self, key: RequestKey, attachment: int, cause: str) -> Left | None:
        """Ends a request as lost whose stream ended, unless it was taken up anew. None when there is nothing to end."""
        ...

    async def lose(self, key: RequestKey) -> Left | None:
        """Ends a request as lost if its lease has run out by the store's clock; None when it has not, or is gone."""
        ...

    async def time_out(self, key: RequestKey) -> Left | None:
        """Ends a request that is not admitted though its queue timeout is over; None when there is nothing to end."""
        ...

    async def cancel(self, key: RequestKey, reason: str, *, force: bool, writer: str) -> tuple[Left | None, int]:
        """Asks the request to stop: queued, it ends as cancelled; admitted, it is told; with `force` it is lost.

        Returns what it left (None while it stays admitted) and the revision (0 when it had been told before).
        Raises like `finish`.
        """
        ...

    async def drop(self, key: RequestKey, outcome: RequestOutcome, error: str) -> Left | None:
        """Ends a request that is not admitted; None when there is none."""
        ...

    async def progress(self, key: RequestKey, fraction: float, text: str, *, interval_ms: int) -> int:
        """Tells how far an admitted request is: an event, or, when the last is less than `interval_ms` old, a note
        that the next event of the request brings along.

        Returns after how many ms the note can become an event (call again), 0 when it became one. Raises like `finish`.
        """
        ...

    async def renew(self, requests: Sequence[Request]) -> list[int | None]:
        """Renews the leases of requests and of their slots in wider scopes, one round trip a shard for any number.

        Returns for each its new deadline (us), or None when a lease of it is not there or has run out: an expired lease
        is never renewed, even if nobody has ended the request yet.
        """
        ...


class ScopeStore(Protocol):
    """Slots that requests of many sessions share: the limits of users, projects, tenants and the deployment, and
    pools. Each has a queue: by priority, then round-robin between users, then by arrival."""

    async def take(
        self, scope: Scope, key: RequestKey, *, limit: int, priority: int, user_id: str, lease_ms: int, wait: bool,
        max_queued: int,
    ) -> Grant:  # fmt: skip
        """Takes a slot, or a place in the queue when `wait`; says what the request has when it has either already.

        The scope keeps slot or place under a lease of its own that outlives the request's by `SCOPE_MARGIN_MS`;
        `RequestStore.renew` renews both.

        Raises:
            NotFoundError: POOL_NOT_FOUND.
            LimitExceededError: no slot and not `wait`; or the queue is full (`queued_requests`).
        """
        ...

    async def release(self, scope: Scope, key: RequestKey, *, limit: int) -> list[RequestKey]:
        """Gives the slot or the place back. Idempotent. Returns who got a slot by it: they are to be driven on."""
        ...

    async def reclaim(self, path: str, key: RequestKey, *, limit: int) -> list[RequestKey]:
        """Like `release`, but only when the lease in the scope has run out by the store's clock."""
        ...

    async def set_pool(self, tenant: str, name: str, size: int) -> tuple[Pool, list[RequestKey]]:
        """Creates, resizes or (size 0) removes a pool. Returns it and who got a slot by it."""
        ...

    async def pools(self, tenant: str) -> list[Pool]:
        """The tenant's pools by name."""
        ...

    async def spend(self, name: str, *, rate: float, burst: int) -> float:
        """Takes one token of the bucket `name`, which fills with `rate` tokens a second up to `burst`.

        Returns 0, or, when there is none, after how many seconds there will be one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Overdue:
    """What the clock made of a shard."""

    requests: list[RequestKey]
    """Their leases have run out: `RequestStore.lose`."""
    waits: list[RequestKey]
    """Their queue timeouts are over: `RequestStore.time_out`."""
    slots: list[tuple[str, RequestKey]]
    """(scope path, request): their leases in a scope have run out: `ScopeStore.reclaim`."""
    sessions: list[SessionKey]
    """Idle for too long or too old: `Lifecycle.expire`."""
    more: bool = False
    """There was more than fits one answer."""


class Lifecycle(Protocol):
    """The end of sessions."""

    async def end(
        self, key: SessionKey, status: SessionStatus, error: str, *, writer: str, precondition: Precondition,
        idempotency_key: str,
    ) -> Committed:  # fmt: skip
        """Ends a session that is ACTIVE; its queued requests end as cancelled in the same step and event. Admitted
        ones stay until they finish. The promises and errors of `ActiveStore.write`."""
        ...

    async def expire(self, key: SessionKey, status: SessionStatus, *, idle: bool = False) -> bool:
        """Ends a session that is over by the store's clock; False when it is not, or has a live request.

        Args:
            idle: end it whatever the clock says, to make room; still never with a live request.
        """
        ...

    async def overdue(self, worker: str, *, lease_ms: int) -> list[Overdue]:
        """What is overdue in the shards that this worker takes (or keeps) for `lease_ms`; shards of other workers are
        left out."""
        ...


class Occupancy(Protocol):
    """Who is connected, and which sessions a user has; over all workers."""

    async def connected(self, worker: str, counts: Iterable[tuple[SessionKey, int]], *, lease_ms: int) -> None:
        """Says how many watches and tracked streams of sessions are open at this worker; good for `lease_ms`."""
        ...

    async def enroll(self, key: SessionKey, user_id: str, *, limit: int, grace_ms: int) -> list[SessionKey]:
        """Reserves a place for a session of a user before it is created.

        Returns nothing when there was room (or the session has a place already); else the sessions that hold the
        places, oldest first. A place younger than `grace_ms` may be of a session that is being created.
        """
        ...

    async def withdraw(self, user_id: str, keys: Sequence[SessionKey]) -> None:
        """Frees the places of sessions of one user; those that hold none are left alone."""
        ...
