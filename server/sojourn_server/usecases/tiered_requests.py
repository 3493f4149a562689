"""The RequestStore and Lifecycle ports over all tiers. A session that is not in the active store has no live
request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..domain.errors import NotFoundError
from ..domain.events import Committed, Precondition
from ..domain.requests import Begun, Left, NewRequest, PoolSlot, Quotas, Request, RequestKey, RequestOutcome
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import Lifecycle, Overdue, RequestStore
from .tiered import TieredStore, refuse


@dataclass
class TieredRequests:
    """The contract of each method is `ports.RequestStore`'s; what else may be raised is `TieredStore`'s."""

    requests: RequestStore
    """The real one."""
    sessions: TieredStore

    async def begin(self, new: NewRequest, quotas: Quotas) -> Begun:
        return await self.sessions.change(
            new.key.session, partial(self.requests.begin, new, quotas), partial(_refuse_begin, new)
        )

    async def admit(self, key: RequestKey, slot: PoolSlot | None) -> Request | None:
        return await self.requests.admit(key, slot)

    async def get(self, key: RequestKey) -> Request:
        try:
            return await self.requests.get(key)
        except NotFoundError as error:
            raise await self._better(key, error) from None

    async def of_session(self, key: SessionKey) -> list[Request]:
        try:
            return await self.requests.of_session(key)
        except NotFoundError:
            await self.sessions.get(key, full=False)
            return []

    async def of_tenant(self, tenant: str) -> list[Request]:
        return await self.requests.of_tenant(tenant)

    async def finish(self, key: RequestKey, outcome: RequestOutcome, error: str, *, writer: str = "") -> Left:
        try:
            return await self.requests.finish(key, outcome, error, writer=writer)
        except NotFoundError as missing:
            raise await self._better(key, missing) from None

    async def detach(self, key: RequestKey, attachment: int, cause: str) -> Left | None:
        return await self.requests.detach(key, attachment, cause)

    async def lose(self, key: RequestKey) -> Left | None:
        return await self.requests.lose(key)

    async def time_out(self, key: RequestKey) -> Left | None:
        return await self.requests.time_out(key)

    async def cancel(self, key: RequestKey, reason: str, *, force: bool, writer: str) -> tuple[Left | None, int]:
        try:
            return await self.requests.cancel(key, reason, force=force, writer=writer)
        except NotFoundError as error:
            raise await self._better(key, error) from None

    async def drop(self, key: RequestKey, outcome: RequestOutcome, error: str) -> Left | None:
        return await self.requests.drop(key, outcome, error)

    async def progress(self, key: RequestKey, fraction: float, text: str, *, interval_ms: int) -> int:
        try:
            return await self.requests.progress(key, fraction, text, interval_ms=interval_ms)
        except NotFoundError as error:
            raise await self._better(key, error) from None

    async def renew(self, requests: Sequence[Request]) -> list[int | None]:
        return await self.requests.renew(requests)

    async def _better(self, key: RequestKey, error: NotFoundError) -> NotFoundError:
        """The session may exist, in another tier."""
        if error.reason != NotFoundError.reason:
            return error
        try:
            await self.sessions.get(key.session, full=False)
        except NotFoundError as missing:
            return missing
        return NotFoundError.request(key.session.session_id, key.request_id)


def _refuse_begin(new: NewRequest, row: Session) -> None:
    if new.resume:
        raise NotFoundError.request(row.id, new.key.request_id)
    required = Precondition(new.expected_revision, new.required_status, known=new.known)
    refuse(required, row, on_ended=False)


@dataclass
class TieredLifecycle:
    """The contract of each method is `ports.Lifecycle`'s; what else may be raised is `TieredStore`'s."""

    lifecycle: Lifecycle
    """The real one."""
    sessions: TieredStore

    async def end(
        self, key: SessionKey, status: SessionStatus, error: str, *, writer: str, precondition: Precondition,
        idempotency_key: str,
    ) -> Committed:  # fmt: skip
        do = partial(
            self.lifecycle.end, key, status, error, writer=writer, precondition=precondition,
            idempotency_key=idempotency_key,
        )  # fmt: skip
        return await self.sessions.change(key, do, partial(refuse, precondition, on_ended=False))

    async def expire(self, key: SessionKey, status: SessionStatus, *, idle: bool = False) -> bool:
        return await self.lifecycle.expire(key, status, idle=idle)

    async def overdue(self, worker: str, *, lease_ms: int) -> list[Overdue]:
        return await self.lifecycle.overdue(worker, lease_ms=lease_ms)
