"""The ports of diagnosis: what the things we depend on say of themselves. Every method may raise what their other ports
do when they do not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """A node of the active store. None and empty text: it does not say."""

    node: str
    """Where it is; empty when it is the only one."""
    product: str
    """`valkey` or `redis`."""
    version: str
    run_id: str
    uptime_seconds: int
    appendonly: bool
    appendfsync: str
    disk_error: str
    """What its last write to disk failed with; empty when it did not."""
    maxmemory: int
    """Bytes; 0 for no limit."""
    used_memory: int
    memory_policy: str
    evicted_keys: int
    replicas: int
    ahead_seconds: float
    """How far its clock is ahead of ours, as far as can be told."""
    within_seconds: float
    """How exactly that can be told."""


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """The catalog's database."""

    database: str
    """`SQLite 3.40.1`, `PostgreSQL 16.2`."""
    schema_problem: str
    """What is wrong with its schema; empty when nothing is."""
    answered_seconds: float
    """How long a question took."""
    ahead_seconds: float | None
    """How far its clock is ahead of ours; None when it is ours."""


class EngineProbe(Protocol):
    """Asks the active store's engine."""

    async def facts(self) -> list[EngineFacts]:
        """Of every node that serves sessions. Raises StoreUnavailableError."""
        ...


class CatalogProbe(Protocol):
    """Asks the catalog's database."""

    async def facts(self) -> CatalogFacts:
        """Raises CatalogUnavailableError."""
        ...
