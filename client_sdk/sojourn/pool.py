"""Pools: named numbers of slots that requests of many sessions share."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from . import _requests
from .config import Seconds
from .enums import RequestPolicy
from .errors import PoolNotFoundError, SessionEndedError, SessionNotFoundError
from .models import Pool
from .tracking import Reaction, TrackedRequest

if TYPE_CHECKING:
    from .client import Client
    from .session import SessionHandle

_logger = logging.getLogger("sojourn.tracking")

_MOST_SLOTS = 10_000
"""Requests that may be live in a session of slots: as many as a pool can have slots."""
_IDLE_TIMEOUT = 3600.0
"""Seconds after which a session of slots expires whose client has died."""
_CLOSE_GRACE = 2.0
"""Seconds that completing the sessions of slots may hold up the closing of a client."""


class PoolHandle:
    """A pool to take slots from. `Client.pool` makes it; it needs no closing.

    browsers = client.pool("browsers")
    async with browsers.slot("checkout test") as request:
        run_in_browser(request.pool_slot.slot)
    """

    __slots__ = ("_client", "_session", "name")

    def __init__(self, client: Client, name: str, session: SessionHandle | None) -> None:
        self.name = name
        self._client = client
        self._session = session

    def __repr__(self) -> str:
        return f"PoolHandle({self.name!r})"

    def slot(
        self,
        name: str = "",
        *,
        priority: int = 0,
        policy: RequestPolicy | str = RequestPolicy.QUEUE,
        exclusive: bool = False,
        timeout: Seconds | None = None,
        request_id: str | None = None,
        lease_ttl: Seconds | None = None,
        on_cancel: Reaction = "raise",
        on_lost: Reaction = "raise",
        fence: bool = True,
    ) -> TrackedRequest:
        """A slot of the pool for an `async with` block; `request.pool_slot` tells which.

        Waiting requests are served by priority, then in turn between users, then by arrival. Arguments and errors are
        those of `SessionHandle.track`; PoolNotFoundError when there is no such pool.
        """
        core = self._client._live()
        session = self._session
        begin = _requests.begin(
            core,
            session.id if session is not None else "",
            name,
            priority=priority,
            policy=policy,
            exclusive=exclusive,
            timeout=timeout,
            pool=self.name,
            request_id=request_id,
            lease_ttl=lease_ttl,
        )
        return TrackedRequest(
            self._client,
            begin,
            session,
            policy=policy,
            timeout=timeout,
            on_cancel=on_cancel,
            on_lost=on_lost,
            fence=fence,
            find_session=lambda: self._client._slots.session(self.name),
        )

    async def info(self) -> Pool:
        """The pool as it is now. Raises PoolNotFoundError."""
        for pool in await self._client.pools():
            if pool.name == self.name:
                return pool
        raise PoolNotFoundError(f"there is no pool {self.name!r}", reason="POOL_NOT_FOUND", pool=self.name)

    async def resize(self, size: int) -> Pool:
        """Make the pool, or change its number of slots; 0 removes it. The pool as it is now.

        A pool that shrinks takes no slot away: new slots are given once enough have come back. Requests that wait for a
        pool that is removed end with PoolNotFoundError.
        """
        return await _requests.set_pool(self._client._live(), self.name, size)


class SlotSessions:
    """Where the requests of a client live whose work belongs to no session: one session for each pool."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._sessions: dict[str, SessionHandle] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def session(self, pool: str) -> SessionHandle:
        """The session for slots of a pool; made at its first use, and anew when it has ended."""
        async with self._locks.setdefault(pool, asyncio.Lock()):
            session = self._sessions.get(pool)
            if session is None or not await self._is_active(session):
                session = await self._client.create_session(
                    kind="slots",
                    purpose=f"slots of the pool {pool}",
                    max_concurrent_requests=_MOST_SLOTS,
                    idle_timeout=_IDLE_TIMEOUT,
                    max_lifetime=0,
                )
                self._sessions[pool] = session
            return session

    async def complete(self) -> None:
        """End the sessions: their client is about to close."""
        sessions, self._sessions = list(self._sessions.values()), {}
        if not sessions:
            return
        try:
            async with asyncio.timeout(_CLOSE_GRACE):
                ends = await asyncio.gather(*[session.complete() for session in sessions], return_exceptions=True)
        except TimeoutError as error:
            ends = [error]
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, SessionEndedError | SessionNotFoundError):
                # They expire by themselves.
                _logger.warning("a session of slots could not be completed: %s", end)

    @staticmethod
    async def _is_active(session: SessionHandle) -> bool:
        try:
            return (await session.refresh()).is_active
        except SessionNotFoundError:
            return False
