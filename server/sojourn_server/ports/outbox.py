"""The port of the outbox: sessions whose catalog rows are behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..domain.session import SessionKey


class Standing(NamedTuple):
    """What the active store has under a session's id at a moment."""

    uid: str
    """Of the session; empty when there is none."""
    deleted: str
    """Uid of the session that was deleted last, while the store remembers (24 hours); empty when none was."""
    shard: int | None = None
    """The session's shard; None: not told."""
    incarnation: str = ""
    """The shard's, now."""
    history: tuple[int, str] | None = None
    """Revision and incarnation of the session; None: there is none, or not told."""


Standings = Callable[[Sequence[SessionKey]], Awaitable[Sequence[Standing]]]
"""Looks at sessions in the active store; an answer for each key, in the same order."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far the catalog is behind."""

    sessions: int = 0
    seconds: float = 0.0
    """For how long the longest has waited; the store counts whole seconds."""


class Outbox(Protocol):
    """What the catalog is to learn. A session stays in it until the catalog has its last revision."""

    async def take(self, worker: str, *, lease_ms: int, count: int) -> tuple[list[SessionKey], Backlog]:
        """Sessions of the shards that this worker projects (it takes or keeps them for `lease_ms`), longest waiting
        first and at most `count` a shard; and how far these shards are behind."""
        ...

    async def leave(self, worker: str) -> None:
        """Gives this worker's shards to others."""
        ...

    async def of_tenant(self, tenant: str) -> list[SessionKey]:
        """All sessions of a tenant that are behind at the moment, whoever projects them."""
        ...

    async def standings(self, keys: Sequence[SessionKey]) -> Sequence[Standing]:
        """What the store has under these ids now."""
        ...

    async def projected(self, key: SessionKey, uid: str, revision: int) -> bool:
        """The catalog has the session up to `revision`; it leaves the outbox unless it has moved on. Events that the
        catalog has may leave the log from now on. False when the store does not have this session, or not so far: it
        is to be looked at again."""
        ...

    async def forgotten(self, key: SessionKey, deleted: str) -> bool:
        """The catalog has forgotten what was under this id when `deleted` was the session deleted last; it leaves the
        outbox. False when something happened under the id since: it is to be looked at again."""
        ...

    async def postpone(self, key: SessionKey) -> None:
        """Puts a session that cannot be projected at present behind all others of its shard."""
        ...

    async def backlog(self) -> Backlog:
        """How far the catalog is behind in all shards."""
        ...
