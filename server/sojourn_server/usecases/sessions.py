"""Creating, reading, writing, ending, deleting and listing sessions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..domain import changes as ch
from ..domain.effects import effects_of
from ..domain.errors import SojournError
from ..domain.events import NO_PRECONDITION, Committed, Precondition, Write
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, ClockPort, EventCodec


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is to begin with; checked at the edge. An empty `session_id` asks for a minted one."""

    session_id: str = ""
    kind: str = "session"
    user_id: str = ""
    project: str = ""
    purpose: str = ""
    parent: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, bytes] = field(default_factory=dict)
    state: dict[str, bytes] = field(default_factory=dict)
    idle_timeout_ms: int = 0
    max_lifetime_ms: int = 0
    max_concurrent_requests: int = 0
    writer: str = ""
    idempotency_key: str = ""
    or_get: bool = False


class Sessions:
    """The life of sessions."""

    def __init__(self, store: ActiveStore, codec: EventCodec, clock: ClockPort) -> None:
        self._store = store
        self._codec = codec
        self._clock = clock

    async def create(self, tenant: str, new: NewSession) -> tuple[Session, bool]:
        """Creates a session at revision 1; returns it as it is now, and whether it was created (by this call or the
        one it retries)."""
        session_id = new.session_id or await self._mint(tenant, new)
        key = SessionKey(tenant, session_id)
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
            idle_timeout_ms=new.idle_timeout_ms,
            max_lifetime_ms=new.max_lifetime_ms,
            max_concurrent_requests=new.max_concurrent_requests,
        )
        write = Write(
            key, effects_of([created]), self._codec.encode([created], new.writer), idempotency_key=new.idempotency_key
        )
        _, was_created = await self._store.create(write, or_get=new.or_get)
        return await self._store.get(key, full=True), was_created

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
        """Ends the session; a session that has ended is not ended again."""
        changed = ch.StatusChanged(status, error)
        body = self._codec.encode([changed], writer)
        return await self._store.write(Write(key, effects_of([changed]), body, precondition, idempotency_key))

    async def delete(self, key: SessionKey, *, expected_revision: int | None, idempotency_key: str) -> int:
        """Removes the session for ever; returns its last revision."""
        return await self._store.delete(key, expected_revision=expected_revision, idempotency_key=idempotency_key)

    async def list(
        self, tenant: str, wanted: SessionFilter, *, after: tuple[int, str] | None, count: int
    ) -> tuple[list[Session], tuple[int, str] | None]:
        """A page of matching sessions, newest creation first, and the place to go on after; None at the end.

        Reads heads of candidates in that order until the page is full: a scan, until a catalog can do better.
        """
        found: list[Session] = []
        piece = max(count, 100)
        while True:
            candidates = await self._store.newest(tenant, after=after, count=piece)
            keys = [SessionKey(tenant, session_id) for _, session_id in candidates]
            for place, session in zip(candidates, await self._store.get_many(keys, full=False), strict=True):
                after = place
                if isinstance(session, SojournError):
                    if session.reason in ("SESSION_NOT_FOUND", "SESSION_DELETED"):
                        continue  # deleted since
                    raise session
                if wanted.matches(session):
                    found.append(session)
                    if len(found) == count:
                        return found, place
            if len(candidates) < piece:
                return found, None

    async def _mint(self, tenant: str, new: NewSession) -> str:
        proposed = f"{new.kind}-{self._clock.seconds()}-{secrets.token_hex(6)}"
        if not new.idempotency_key:
            return proposed
        return await self._store.mint(tenant, new.idempotency_key, proposed)
