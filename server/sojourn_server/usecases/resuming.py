"""ResumeSession: a session that has ended goes on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from ..domain import changes as ch
from ..domain.effects import effects_of
from ..domain.errors import FieldChangedError, NotFoundError, OutcomeUnknownError, SojournError
from ..domain.events import Write
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import ActiveStore, EventCodec
from ..ports.tiers import FirstEvent
from .lifecycle import Places
from .returning import PAUSE, ROUNDS, Returning, too_fast
from .tiered import TieredStore


class Resumed(NamedTuple):
    """A session that is ACTIVE again, and whether this call (or the one it retries) made it so."""

    session: Session
    resumed: bool
    tier: Tier
    """Where it came from."""


@dataclass
class Resuming:
    """Resumes sessions, from whichever tier they are in."""

    store: ActiveStore
    """The real one."""
    sessions: TieredStore
    returning: Returning
    codec: EventCodec
    places: Places

    async def resume(self, key: SessionKey, *, writer: str, idempotency_key: str) -> Resumed:
        """Makes a session ACTIVE: same id, history intact, the revision goes on.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            LimitExceededError: `sessions_per_user`.
            CatalogUnavailableError, BlobsUnavailableError.
        """
        changes = [ch.StatusChanged(SessionStatus.ACTIVE)]
        event = FirstEvent(effects_of(changes), self.codec.encode(changes, writer), idempotency_key)
        for attempt in range(ROUNDS):
            await asyncio.sleep(PAUSE * attempt)
            found = await self.sessions.get(key, full=False)
            ended = found.status is not SessionStatus.ACTIVE
            if not ended and not idempotency_key:
                return await self._as_it_is(key, resumed=False, tier=found.tier)
            if ended:
                await self.places.take(key, found.user_id)
            try:
                resumed = await self._try(key, found, event)
            except OutcomeUnknownError:
                raise  # it may be ACTIVE, and holds its place
            except SojournError:
                if ended:
                    await self.places.keep(key, found.user_id)
                raise
            if resumed is not None:
                return await self._as_it_is(key, resumed=resumed, tier=found.tier)
        raise too_fast(key)

    async def _try(self, key: SessionKey, found: Session, event: FirstEvent) -> bool | None:
        """Whether the session was resumed by it; None when it changed meanwhile."""
        if found.tier is not Tier.HOT:
            returned = await self.returning.bring_with(key, event)
            return True if returned.committed else None
        ended = found.status is not SessionStatus.ACTIVE
        # With a key that is known the script answers what the first call did; else an ACTIVE session refuses.
        status = found.status if ended else SessionStatus.COMPLETED
        write = Write(
            key, event.effects, event.body, idempotency_key=event.idempotency_key, on_ended=True,
            expects={"status": str(int(status))},
        )  # fmt: skip
        try:
            await self.store.write(write)
        except FieldChangedError:
            return None if ended else False
        except NotFoundError as error:
            if error.reason != NotFoundError.reason:
                raise
            return None
        return True

    async def _as_it_is(self, key: SessionKey, *, resumed: bool, tier: Tier) -> Resumed:
        return Resumed(await self.sessions.get(key, full=True), resumed, tier)
