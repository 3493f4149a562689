"""The port of the outbox: sessions whose catalog rows are behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..domain.session import SessionKey


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

    async def of_tenant(self, tenant: str) -> list[SessionKey]:
        """All sessions of a tenant that are behind at the moment, whoever projects them."""
        ...

    async def projected(self, key: SessionKey, uid: str, revision: int) -> bool:
        """The catalog has the session up to `revision`; whether it is up to date by that. Events that the catalog has
        may leave the log from now on."""
        ...

    async def forgotten(self, key: SessionKey) -> bool:
        """The catalog has forgotten a deleted session; whether that is still right (it may have been made anew)."""
        ...

    async def backlog(self) -> Backlog:
        """How far the catalog is behind in all shards."""
        ...
