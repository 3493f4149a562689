"""ForkSession: a new session whose state and history are those of another up to a revision."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from ..domain import changes as ch
from ..domain.effects import effects_of
from ..domain.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidFieldError,
    NotFoundError,
    OutcomeUnknownError,
    SojournError,
)
from ..domain.fold import Folded
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import ClockPort, EventCodec
from ..ports.catalog import Catalog
from ..ports.tiers import FirstEvent
from .cold import Cold, MovedError
from .lifecycle import Places
from .planting import Planting
from .projecting import Projector
from .returning import PAUSE, ROUNDS, Returning, too_fast
from .tiered import TieredStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewFork:
    """What to copy, and as what. An empty `session_id` asks for a minted one; `at_revision` 0 means the last."""

    parent: SessionKey
    at_revision: int = 0
    session_id: str = ""
    writer: str = ""
    idempotency_key: str = ""


@dataclass
class Forking:
    """Makes forks. The parent stays as it is, in whichever tier it is; no artifact is copied."""

    sessions: TieredStore
    catalog: Catalog
    cold: Cold
    projector: Projector
    planting: Planting
    returning: Returning
    codec: EventCodec
    clock: ClockPort
    places: Places

    async def fork(self, new: NewFork) -> Session:
        """Makes a fork; returns it as it is now.

        Raises:
            InvalidFieldError: the parent does not have this revision.
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            AlreadyExistsError: the id is taken.
            ConflictError: IDEMPOTENCY_KEY_REUSED.
            LimitExceededError: `sessions_per_user`.
            CatalogUnavailableError, BlobsUnavailableError.
        """
        parent = await self.sessions.get(new.parent, full=False)
        if not 0 <= new.at_revision <= parent.revision:
            raise InvalidFieldError("at_revision", f"0 to {parent.revision}, the session's last")
        key = SessionKey(new.parent.tenant, await self._id(new, parent.kind))
        if not await self._is_done(new, key):
            await self.places.take(key, parent.user_id)
            try:
                await self._plant(new, key)
            except OutcomeUnknownError:
                raise  # it may be there, and holds its place
            except SojournError as error:
                await self.places.keep(key, parent.user_id)
                if not isinstance(error, AlreadyExistsError) or not await self._is_done(new, key):
                    raise  # unless a call with the same key was faster
        with suppress(SojournError):  # so that lists have it at once
            await self.projector.project([key])
        return await self.sessions.get(key, full=True)

    async def _id(self, new: NewFork, kind: str) -> str:
        proposed = new.session_id or f"{kind}-{self.clock.seconds()}-{secrets.token_hex(6)}"
        if not new.idempotency_key:
            return proposed
        minted = await self.sessions.mint(new.parent.tenant, f"fork:{new.idempotency_key}", proposed)
        if new.session_id not in ("", minted):
            raise ConflictError(
                "the idempotency key was used for another fork", reason="IDEMPOTENCY_KEY_REUSED",
                session_id=minted, idempotency_key=new.idempotency_key, revision="",
            )  # fmt: skip
        return minted

    async def _is_done(self, new: NewFork, key: SessionKey) -> bool:
        """Whether an earlier call with the same key made the fork. Raises AlreadyExistsError for any other session."""
        try:
            found = await self.sessions.get(key, full=False)
        except NotFoundError as error:
            if error.reason == "SESSION_DELETED" and new.idempotency_key and not new.session_id:
                raise
            return False
        if not new.idempotency_key or found.parent != new.parent.session_id:
            raise AlreadyExistsError(key.session_id, found.revision)
        if found.tier is not Tier.HOT and found.status is SessionStatus.ACTIVE:
            # That call was stopped before its last step.
            folded = await self.cold.folded(key, found)
            await self.returning.bring_with(key, self._forked(new, folded))
        return True

    async def _plant(self, new: NewFork, key: SessionKey) -> None:
        for attempt in range(ROUNDS):
            await asyncio.sleep(PAUSE * attempt)
            with suppress(MovedError):
                row = await self._parent(new.parent)
                if row is None:
                    continue
                revision = new.at_revision or row.revision
                folded = await self._folded(new.parent, row, revision)
                # The parent is named from the beginning: a retry knows by it what it finds.
                copy = replace(
                    folded.session, id=key.session_id, uid=secrets.token_hex(8), parent=new.parent.session_id,
                    admitted_requests=0, queued_requests=0,
                )  # fmt: skip
                folded = Folded(copy, folded.open_invocations)
                pages = self.cold.pages(new.parent, row, revision)
                await self.planting.plant(key, folded, pages, self._forked(new, folded))
                log.info("forked", tenant=key.tenant, session=new.parent.session_id, fork=key.session_id)
                return
        raise too_fast(new.parent)

    async def _parent(self, key: SessionKey) -> Session | None:
        """The parent's row; the catalog has all that was acknowledged before. None when it is to be read anew."""
        found = await self.sessions.get(key, full=False)
        if found.tier is not Tier.HOT:
            return found
        await self.projector.project([key])
        row = await self.catalog.get(key)
        return row if row and row.uid == found.uid and row.tier is Tier.HOT else None

    async def _folded(self, key: SessionKey, row: Session, revision: int) -> Folded:
        if row.tier is not Tier.HOT and revision == row.revision:
            return await self.cold.folded(key, row)
        return await self.cold.fold(key, row, revision)

    def _forked(self, new: NewFork, folded: Folded) -> FirstEvent:
        """What makes the copy a fork. Whoever ran what was open works for the parent."""
        session = folded.session
        changes: list[ch.Change] = [*_interrupted(folded.open_invocations)]
        changes.append(ch.Forked(session.uid, new.parent.session_id, session.revision))
        return FirstEvent(effects_of(changes), self.codec.encode(changes, new.writer))


def _interrupted(open_invocations: Mapping[str, str]) -> list[ch.InvocationFinished]:
    return [
        ch.InvocationFinished(
            name, ch.InvocationStatus.INTERRUPTED, tool=what.partition("/")[2], error="the session was forked"
        )
        for name, what in sorted(open_invocations.items())
    ]
