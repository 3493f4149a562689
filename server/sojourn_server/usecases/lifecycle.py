"""When sessions end by themselves, and how many a user may have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..domain.errors import LimitExceededError, NotFoundError, SojournError
from ..domain.requests import Quotas
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, Lifecycle, Occupancy

GRACE_MS = 30_000
"""How long the creation of a session may take: a younger place is kept though its session is not there."""
ROUNDS = 5
"""How often a creation makes room: others may take what it made."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """What the server's settings say of the end of sessions. Times in milliseconds, 0 for never."""

    idle_ms: int = 0
    """Idle timeout of sessions that were created without one."""
    life_ms: int = 0
    """Maximal lifetime of sessions that were created without one."""
    expire_as: SessionStatus = SessionStatus.EXPIRED
    """The status of sessions whose time is over."""


class Places:
    """The places of users' sessions: `Quotas.sessions_per_user`. Does nothing where there is no such limit.

    A place is taken before its session is created, so the limit is never exceeded; places of sessions that have ended
    or never came to be are found when somebody needs room.
    """

    def __init__(
        self, occupancy: Occupancy, sessions: ActiveStore, lifecycle: Lifecycle, quotas: Quotas, expiry: Expiry
    ) -> None:
        self._occupancy = occupancy
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._limit = quotas.sessions_per_user
        self._expire_oldest_idle = quotas.expire_oldest_idle
        self._expiry = expiry

    async def take(self, key: SessionKey, user_id: str) -> None:
        """A place for a session that is about to be created. Raises LimitExceededError (`sessions_per_user`)."""
        if not self._limit or not user_id:
            return
        for _ in range(ROUNDS):
            holders = await self._occupancy.enroll(key, user_id, limit=self._limit, grace_ms=0)
            if not holders:
                return
            freed = await self._find_room(key, user_id, holders)
            if not freed:
                break
            await self._occupancy.withdraw(user_id, freed)
        raise LimitExceededError("sessions_per_user", self._limit)

    async def keep(self, key: SessionKey, user_id: str, session: Session | None = None) -> None:
        """After a creation that found or made `session` (None: it failed, read what is there): gives the place back
        unless a session of this user holds it rightly."""
        if not self._limit or not user_id:
            return
        with suppress(SojournError):  # whoever needs room finds out
            if session is None:
                with suppress(NotFoundError):
                    session = await self._sessions.get(key, full=False)
            if session is None or not _holds(session, user_id):
                await self._occupancy.withdraw(user_id, [key])

    async def user_of(self, key: SessionKey) -> str:
        """Whose place a session holds that is about to end; empty where it does not matter."""
        if self._limit:
            with suppress(SojournError):
                return (await self._sessions.get(key, full=False)).user_id
        return ""

    async def leave(self, key: SessionKey, user_id: str) -> None:
        """The session has ended."""
        if user_id:
            with suppress(SojournError):
                await self._occupancy.withdraw(user_id, [key])

    async def _find_room(self, key: SessionKey, user_id: str, holders: Sequence[SessionKey]) -> list[SessionKey]:
        """Places that may be freed: of sessions that have ended, else of those that never came to be, else of one that
        is idle, where the settings say so."""
        ended, missing, idle = [], [], []
        for holder, session in zip(holders, await self._sessions.get_many(holders, full=False), strict=True):
            if isinstance(session, NotFoundError):
                missing.append(holder)
            elif isinstance(session, SojournError):
                raise session
            elif not _holds(session, user_id):
                ended.append(holder)
            elif not session.admitted_requests + session.queued_requests:
                idle.append((session.updated_us, holder))
        if not ended and missing:
            ended = await self._never_came(key, user_id, missing)
        if not ended and self._expire_oldest_idle:
            for _, holder in sorted(idle):
                if await self._lifecycle.expire(holder, self._expiry.expire_as, idle=True):
                    return [holder]
        return ended

    async def _never_came(self, key: SessionKey, user_id: str, missing: Sequence[SessionKey]) -> list[SessionKey]:
        """Those that are too old to be in the making."""
        with suppress(LimitExceededError):
            old = await self._occupancy.enroll(key, user_id, limit=self._limit, grace_ms=GRACE_MS)
            return [holder for holder in missing if holder in old] if old else [key]  # there is room: once more
        return []


def _holds(session: Session, user_id: str) -> bool:
    return session.status is SessionStatus.ACTIVE and session.user_id == user_id
