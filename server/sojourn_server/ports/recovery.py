"""The port of the recovery: which shards of the active store may have lost data."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from ..domain.session import SessionKey


class ShardState(NamedTuple):
    """What is known of a shard's data."""

    number: int
    incarnation: str
    """Empty: everything in it was lost, and nobody opened it since."""
    taken_over: int | None = None
    """Another process of the engine took it over at this sequence, and nobody has compared that with the catalog."""
    lost: bool = False
    """Sessions are missing or behind, and nobody has brought all of them back."""


class Shards(Protocol):
    """The shards. What is known of them is kept in the store, so that any worker may go on. Every method may raise
    StoreUnavailableError."""

    def number_of(self, key: SessionKey) -> int:
        """The shard of a session."""
        ...

    @property
    def undecided(self) -> Collection[int]:
        """Shards that were taken over when this worker connected, and that `look` has not found decided since."""
        ...

    @property
    def lost(self) -> Collection[int]:
        """Shards that lost history and whose sessions were not all looked at, as far as this worker knows."""
        ...

    @property
    def doubts(self) -> int:
        """How often this worker found a shard in doubt when it connected."""
        ...

    async def wait(self, timeout: float) -> None:
        """Waits until something may have happened to a shard, at most `timeout` seconds."""
        ...

    async def look(self, numbers: Collection[int] | None = None) -> list[ShardState]:
        """What is known of these shards (None: of all). Those whose data is gone are opened anew first."""
        ...

    async def settle(self, state: ShardState) -> None:
        """Nothing is wrong (any more) with the shard; unless something happened to it since."""
        ...

    async def begin_anew(self, number: int, was: str) -> None:
        """The shard, at incarnation `was`, lost history: gives it another incarnation, unless somebody did before. It
        counts as lost, and until `Residence.know_all` everything in it may be elsewhere. Sessions that are in it keep
        theirs."""
        ...
