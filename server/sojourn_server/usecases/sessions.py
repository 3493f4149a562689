"""Creating, reading, writing, ending, deleting and listing sessions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..domain import changes as ch
from ..domain.effects import effects_of
from ..domain.errors import LimitExceededError, NotFoundError, OutcomeUnknownError, SojournError
from ..domain.events import NO_PRECONDITION, Committed, Precondition, Write
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, ClockPort, EventCodec, Lifecycle
from .lifecycle import Expiry, Places


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is to begin with; checked at the edge. An empty `session_id` asks for a minted one, None for the
    server's default."""

    session_id: str = ""
    kind: str = "session"
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    parent: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    idle_timeout_ms: int | None = None
    max_lifetime_ms: int | None = None
    max_concurrent_requests: int = 0
    writer: str = ""
    idempotency_key: str = ""
    or_get: bool = False


class Sessions:
    """The life of sessions."""

    def __init__(
        self,
        store: ActiveStore,
        lifecycle: Lifecycle,
        codec: EventCodec,
        clock: ClockPort,
        places: Places,
        expiry: Expiry,
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._codec = codec
        self._clock = clock
        self._places = places
        self._expiry = expiry

    async def create(self, tenant: str, new: NewSession) -> tuple[Session, bool]:
        """Creates a session at revision 1; returns it as it is now, and whether it was created (by this call or the
        one it retries).

        Raises LimitExceededError (`sessions_per_user`), and like `ActiveStore.create`.
        """
        key = SessionKey(tenant, new.session_id or await self._mint(tenant, new))
        try:
            await self._places.take(key, new.user_id)
        except LimitExceededError as error:
            if not new.or_get:
                raise
            return await self._get_or_raise(key, error), False
        try:
            creation = self._creation(key, new)
            # A minted id is nobody else's: no other tier need be asked for it.
            _, was_created = await self._store.create(creation, or_get=new.or_get, checked=not new.session_id)
        except OutcomeUnknownError:
            raise  # it may be there, and holds its place
        except SojournError:
            await self._places.keep(key, new.user_id)
            raise
        session = await self._store.get(key, full=True)
        if not was_created:
            await self._places.keep(key, new.user_id, session)
        return session, was_created

    def _creation(self, key: SessionKey, new: NewSession) -> Write:
        created = ch.SessionCreated(
            uid=secrets.token_hex(8),
            session_kind=new.kind,
            user_id=new.user_id,
            project=new.project,
            purpose=new.purpose,
            tags=new.tags,
            metadata=new.metadata,
            state=new.state,
            parent=new.parent,
            idle_timeout_ms=self._expiry.idle_ms if new.idle_timeout_ms is None else new.idle_timeout_ms,
            max_lifetime_ms=self._expiry.life_ms if new.max_lifetime_ms is None else new.max_lifetime_ms,
            max_concurrent_requests=new.max_concurrent_requests,
        )
        body = self._codec.encode([created], new.writer)
        return Write(key, effects_of([created]), body, idempotency_key=new.idempotency_key)

    async def get(self, key: SessionKey, *, full: bool) -> Session:
        """The session at its latest revision."""
        return await self._store.get(key, full=full)

    async def get_many(self, keys: Sequence[SessionKey], *, full: bool) -> list[Session | SojournError]:
        """Each session at its own latest revision, or why it could not be read."""
        return await self._store.get_many(keys, full=full)

    async def write_many(self, writes: Sequence[Write | SojournError]) -> list[Committed | SojournError]:
        """Commits independent writes; items that are errors already stay what they are."""
        good = [write for write in writes if isinstance(write, Write)]
        results = iter(await self._store.write_many(good))
        return [next(results) if isinstance(write, Write) else write for write in writes]

    async def complete(
        self,
        key: SessionKey,
        status: SessionStatus,
        error: str,
        *,
        writer: str,
        precondition: Precondition = NO_PRECONDITION,
        idempotency_key: str = "",
    ) -> Committed:
        """Ends the session; a session that has ended is not ended again. Its queued requests end with it."""
        committed = await self._lifecycle.end(
            key, status, error, writer=writer, precondition=precondition, idempotency_key=idempotency_key
        )
        await self._places.leave(key, await self._places.user_of(key))
        return committed

    async def delete(self, key: SessionKey, *, expected_revision: int | None, idempotency_key: str) -> int:
        """Removes the session for ever; returns its last revision."""
        user_id = await self._places.user_of(key)
        last = await self._store.delete(key, expected_revision=expected_revision, idempotency_key=idempotency_key)
        await self._places.leave(key, user_id)
        return last

    async def _get_or_raise(self, key: SessionKey, error: SojournError) -> Session:
        try:
            return await self._store.get(key, full=True)
        except NotFoundError:
            raise error from None

    async def _mint(self, tenant: str, new: NewSession) -> str:
        proposed = f"{new.kind}-{self._clock.seconds()}-{secrets.token_hex(6)}"
        if not new.idempotency_key:
            return proposed
        return await self._store.mint(tenant, new.idempotency_key, proposed)
