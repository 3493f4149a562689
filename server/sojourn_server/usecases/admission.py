"""Requests from their begin to their end: the steps of the store, and the slots of wider scopes that go with them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

from ..domain.errors import (
    ConflictError,
    LeaseLostError,
    LimitExceededError,
    NotFoundError,
    OutcomeUnknownError,
    QueueTimeoutError,
    SojournError,
    StoreUnavailableError,
)
from ..domain.requests import (
    Begun,
    Ended,
    Left,
    NewRequest,
    Pool,
    PoolSlot,
    Quotas,
    Request,
    RequestKey,
    RequestOutcome,
    RequestPolicy,
    RequestState,
    Scope,
    ScopeKind,
    scopes_of,
)
from ..ports import ActiveStore, RequestStore, ScopeStore
from .background import Background
from .rates import Rates
from .slots import Slots

AWAY = (StoreUnavailableError, OutcomeUnknownError)
"""The store did not answer: nothing is known about the request."""
GONE = (NotFoundError, ConflictError, LeaseLostError, QueueTimeoutError)
"""There is no such live request; the error says why."""
LAPSED = "its lease ran out"


class Admission:
    """Begins, drives on and ends requests.

    A step that frees slots is done to its end even if its caller goes away, and whoever got a slot by it is driven
    on by this worker. A worker that dies between two steps leaves slots to the leases they are held under.
    """

    def __init__(
        self,
        requests: RequestStore,
        scopes: ScopeStore,
        sessions: ActiveStore,
        quotas: Quotas,
        background: Background,
        *,
        progress_ms: int = 500,
    ) -> None:
        self._requests = requests
        self._slots = Slots(scopes, quotas)
        self._rates = Rates(scopes, sessions, quotas)
        self._sessions = sessions
        self._quotas = quotas
        self._background = background
        self._progress_ms = progress_ms

    async def begin(self, new: NewRequest) -> Begun:
        """Begins a request or takes up the live one; it is admitted if that needs no waiting.

        Raises:
            NotFoundError, ConflictError, LeaseLostError, LimitExceededError: those of `RequestStore.begin`;
                POOL_NOT_FOUND; the limits `request_rate_per_session`, `request_rate_per_user`, `queued_requests` and,
                with REJECT, those of the scopes.
        """
        new = replace(new, wide=self._quotas.wide(new.pool))
        if not new.resume:
            await self._rates.spend(new.key.session)
            if new.pool:
                await self._slots.check_pool(new.key.session.tenant, new.pool)
        if new.policy is RequestPolicy.REJECT and new.wide and not new.resume:
            begun = await self._begin_reserved(new)
        else:
            begun = await self._requests.begin(new, self._quotas)
        for left in begun.replaced:
            self._background.spawn(self._settle(left), "settle")
        if begun.request.state is not RequestState.RESERVING:
            return begun
        try:
            driven = await self.drive(begun.request)
            return begun._replace(request=driven or await self._requests.get(begun.request.key))
        except AWAY:
            return begun  # it lives, and is driven on later

    async def drive(self, request: Request) -> Request | None:
        """Takes the slots that a RESERVING request lacks, in their order, and admits it when it has all. Idempotent.

        Returns the request as it is then, with its place in the queue of the scope it waits for; None when it is gone.

        Raises:
            NotFoundError: POOL_NOT_FOUND; the request has ended with it.
            LimitExceededError: `queued_requests`; the request has ended with it.
        """
        slot: PoolSlot | None = None
        for scope in request.scopes:
            try:
                grant = await self._slots.take(scope, request)
            except (NotFoundError, LimitExceededError) as error:
                await self._drop(request, error)
                raise
            if grant.slot is None:
                return replace(request, position=grant.position, waiting_for=scope.kind.limit_name)
            if scope.kind is ScopeKind.POOL:
                slot = grant.slot
        admitted = await self._requests.admit(request.key, slot)
        if admitted is None:
            await self._release(request.key, request.scopes)
        return admitted

    async def renew(self, key: RequestKey, progress: tuple[float, str] | None = None) -> Request:
        """Renews the lease of a request for a caller without a stream, and drives it on.

        Raises:
            NotFoundError, ConflictError, LeaseLostError, QueueTimeoutError: it is gone.
        """
        request = await self._requests.get(key)
        if request.state is not RequestState.ADMITTED and request.queue_deadline_us and await self.time_out(key):
            raise QueueTimeoutError(key.session.session_id, key.request_id)
        if request.state is RequestState.RESERVING:
            driven = await self._background.run(self.drive(request), "drive")
            request = driven or await self._requests.get(key)
        (deadline,) = await self._requests.renew([request])
        if deadline is None:
            raise await self.lost(request)
        request.lease_deadline_us = deadline
        if progress and request.state is RequestState.ADMITTED:
            await self._requests.progress(key, *progress, interval_ms=self._progress_ms)
            request.fraction, request.progress_text = progress
        return request

    async def finish(self, key: RequestKey, outcome: RequestOutcome, error: str, *, writer: str = "") -> Ended:
        """Ends a request for its holder. Raises like `RequestStore.finish`.

        Its slots are back when this returns: the next request with the same id must find none of them.
        """

        async def work() -> Ended:
            left = await self._requests.finish(key, outcome, error, writer=writer)
            await self._settle(left)
            return left.ended

        return await self._background.run(work(), "finish")

    async def cancel(self, key: RequestKey, reason: str, *, force: bool, writer: str) -> tuple[bool, int]:
        """Asks a request to stop; returns whether it has ended, and the revision. Raises like `RequestStore.cancel`."""

        async def work() -> tuple[bool, int]:
            left, revision = await self._requests.cancel(key, reason, force=force, writer=writer)
            if left:
                await self._settle(left)
            return left is not None, revision

        return await self._background.run(work(), "cancel")

    async def detach(self, key: RequestKey, attachment: int, cause: str) -> bool:
        """Ends a request whose holder has left, unless it was taken up anew; whether it did."""
        return await self._end(self._requests.detach(key, attachment, cause))

    async def lose(self, key: RequestKey) -> bool:
        """Ends a request whose lease has run out; whether it did."""
        return await self._end(self._requests.lose(key))

    async def time_out(self, key: RequestKey) -> bool:
        """Ends a request whose queue timeout is over; whether it did."""
        return await self._end(self._requests.time_out(key))

    async def lost(self, request: Request) -> SojournError:
        """Ends a request whose lease could not be renewed; returns what its holder is to be told."""
        key = request.key
        if await self.detach(key, request.attachment, LAPSED):
            return LeaseLostError(key.session.session_id, key.request_id, LAPSED)
        try:
            await self._requests.get(key)
        except GONE as error:
            return error
        return superseded(key)

    async def reclaim(self, path: str, key: RequestKey) -> bool:
        """Gives back a slot whose lease in its scope has run out, or does nothing; True."""
        granted = await self._slots.reclaim(path, key)
        self._advance_all((None, one) for one in granted)
        return True

    async def forget(self, request: Request) -> None:
        """Gives back what a late `drive` may have taken for a request that has ended meanwhile."""
        if not request.scopes:
            return
        try:
            await self._requests.get(request.key)
        except GONE:
            await self._release(request.key, request.scopes)

    async def set_pool(self, tenant: str, name: str, size: int) -> Pool:
        """Creates or resizes a pool; size 0 removes it."""
        pool, granted = await self._slots.set_pool(tenant, name, size)
        self._advance_all(granted)
        return pool

    async def pools(self, tenant: str) -> list[Pool]:
        """The tenant's pools by name."""
        return await self._slots.pools(tenant)

    async def _begin_reserved(self, new: NewRequest) -> Begun:
        """With REJECT nothing may wait, not even for a moment: the wider slots are taken first."""
        try:
            return await self._requests.begin(replace(new, resume=True), self._quotas)
        except GONE as error:
            if error.reason in ("SESSION_NOT_FOUND", "SESSION_DELETED"):
                raise
        session = await self._sessions.get(new.key.session, full=False)
        scopes = scopes_of(
            new.key.session.tenant, new.wide, pool=new.pool, user_id=session.user_id, project=session.project
        )
        return await self._background.run(self._reserve(new, scopes, session.user_id), "reserve")

    async def _reserve(self, new: NewRequest, scopes: tuple[Scope, ...], user_id: str) -> Begun:
        slot: PoolSlot | None = None
        taken: list[Scope] = []
        try:
            for scope in scopes:
                grant = await self._slots.take_at_once(scope, new, user_id)
                taken.append(scope)
                if scope.kind is ScopeKind.POOL:
                    slot = grant.slot
            return await self._requests.begin(replace(new, reserved=True, slot=slot), self._quotas)
        except OutcomeUnknownError:
            raise  # it may have begun: the slots are its own, or their leases run out
        except SojournError:
            await self._release(new.key, taken)
            raise

    async def _advance(self, key: RequestKey, granted: Scope | None) -> None:
        """Drives on a request that somebody else's end gave a slot: of its session, or of the scope `granted`."""
        try:
            request = await self._requests.get(key)
            if request.state is RequestState.RESERVING:
                await self.drive(request)
            elif request.state is RequestState.QUEUED and granted:
                await self._release(key, [granted])  # left behind by an earlier request with its id
        except (*GONE, LimitExceededError):
            if granted:
                await self._release(key, [granted])

    def _advance_all(self, got: Iterable[tuple[Scope | None, RequestKey]]) -> None:
        for scope, key in got:
            self._background.spawn(self._advance(key, scope), "advance")

    async def _drop(self, request: Request, error: SojournError) -> None:
        self._slots.forget_pool(request.key.session.tenant, request.pool)
        left = await self._requests.drop(request.key, RequestOutcome.CANCELLED, error.message)
        if left:
            await self._settle(left)
        else:
            await self.forget(request)

    async def _end(self, step: Coroutine[Any, Any, Left | None]) -> bool:
        async def work() -> bool:
            left = await step
            if left:
                await self._settle(left)
            return left is not None

        return await self._background.run(work(), "end")

    async def _settle(self, left: Left) -> None:
        """Gives back what a request that has left held, and drives on those who got it."""
        self._advance_all((None, RequestKey(left.key.session, request_id)) for request_id in left.reserving)
        await self._release(left.key, left.scopes)

    async def _release(self, key: RequestKey, scopes: Iterable[Scope]) -> None:
        self._advance_all(await self._slots.release(key, scopes))


def superseded(key: RequestKey) -> ConflictError:
    """What the older of two streams of a request is told."""
    return ConflictError(
        f"another stream took up request {key.request_id!r}",
        reason="REQUEST_SUPERSEDED", session_id=key.session.session_id, request_id=key.request_id,
    )  # fmt: skip
