"""The ports of the tiers: how a session leaves the active store and comes back, and what the catalog knows of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..domain.details import Detail
from ..domain.effects import Effects
from ..domain.events import Committed, StoredEvent
from ..domain.fold import Folded
from ..domain.session import Session, SessionKey, Tier
from .outbox import Standings


class FirstEvent(NamedTuple):
    """The event that a session is brought into the active store with."""

    effects: Effects
    body: bytes
    idempotency_key: str = ""


class Residence(Protocol):
    """Coming into the active store whole, and leaving it whole. Errors are those of `ports.sessions`."""

    async def adopt(self, key: SessionKey, folded: Folded, event: FirstEvent | None, *, lost: bool) -> Committed:
        """Puts a session into the active store as it is at `folded.session.revision`; the catalog has all its events up
        to there. `event` becomes the next revision in the same step. The session is put into the outbox.

        With `lost`, the active store had the session and lost it, or fell back to an older copy (which is replaced): it
        gets the shard's present incarnation. Otherwise it keeps its own (empty: the shard's present one).

        Raises:
            AlreadyExistsError: the store has a session under this id (with `lost`: this one, at this revision or
                later, in the present incarnation; or another one).
            NotFoundError: SESSION_DELETED: this very session (its uid) was deleted.
        """
        ...

    async def retire(self, key: SessionKey, uid: str, revision: int) -> bool:
        """Removes a session that has ended from the active store, when it is at exactly this revision, the catalog has
        it (it is not in the outbox) and no request is live. Watchers are told that it was archived. From then on
        `may_be_elsewhere` is true of it. Idempotent: true when the session is not there (any more)."""
        ...

    async def may_be_elsewhere(self, keys: Sequence[SessionKey]) -> list[bool]:
        """Whether the catalog may know sessions that the store does not have; False is certain, True is to be looked
        up."""
        ...

    async def learn(self, keys: Sequence[SessionKey]) -> None:
        """From now on `may_be_elsewhere` is true of these."""
        ...

    async def know_all(self) -> None:
        """Says that `learn` was called for every session the catalog knows: from now on `may_be_elsewhere` may be
        False. A store that is new or was wiped says True of everything until then."""
        ...

    async def knows_all(self) -> bool:
        """Whether `know_all` was said, in every shard, since the store was new."""
        ...

    async def incarnation(self, key: SessionKey) -> str:
        """The present incarnation of the session's shard."""
        ...


@dataclass(frozen=True, slots=True)
class WholeSession:
    """A session with everything of it, for the catalog: a page of events at a time, in order from revision 1."""

    tenant: str
    session: Session
    pages: AsyncIterator[tuple[Sequence[StoredEvent], Sequence[Sequence[Detail]]]]
    """Events, and the details of each."""


class Ended(NamedTuple):
    """A session that has ended, by its place in the order of ends."""

    ended_us: int
    number: int
    """Of the catalog's own."""
    key: SessionKey
    session: Session
    """Without state and results."""


class TierCatalog(Protocol):
    """What the catalog knows about where sessions are. May raise CatalogUnavailableError."""

    async def ended(self, tier: Tier, *, before_us: int, after: tuple[int, int], count: int) -> list[Ended]:
        """Sessions of a tier, of all tenants, that ended before a time; oldest end first, strictly after a place
        (ended_us, number)."""
        ...

    async def live(self, *, after: int, count: int) -> list[tuple[int, SessionKey, Session]]:
        """Sessions of the hot tier of all tenants by the catalog's number, strictly after one: to find those that the
        active store lost, and those without a recent snapshot."""
        ...

    async def keys(self, *, after: int, count: int) -> list[tuple[int, SessionKey]]:
        """Sessions of every tier and tenant by the catalog's number, strictly after one."""
        ...

    async def set_snapshot(self, uid: str, revision: int, path: str) -> str | None:
        """Notes the newest snapshot of a session. Returns the path of the one it takes the place of (empty: none);
        None, having noted nothing, when the session is unknown, has no event of this revision, or has a snapshot of a
        later one."""
        ...

    async def move(
        self, uid: str, revision: int, source: Tier, target: Tier, *, archive_path: str = "",
        standings: Standings | None = None,
    ) -> bool:  # fmt: skip
        """Moves a session between tiers, in one transaction; False, having changed nothing, unless it is in `source` at
        exactly this revision. `standings` is asked while nobody else may write to the row: False, too, when the active
        store has the session (again). One that comes back later is in the outbox, and becomes HOT.

        HOT -> RECENT: needs a snapshot of this revision. RECENT -> ARCHIVE: its events leave the catalog,
        `snapshot_path` becomes empty. What people look for (texts, invocations, tags, ...) stays.
        """
        ...

    async def bring_back(self, uid: str, events: AsyncIterator[Sequence[StoredEvent]], *, snapshot_path: str) -> bool:
        """ARCHIVE -> RECENT in one transaction: the events come back; `archive_path` becomes empty. False when it is
        not in the archive tier."""
        ...

    async def insert(self, whole: WholeSession, *, snapshot_path: str) -> None:
        """Stores a session that the catalog does not know in the recent tier, in one transaction, whole.

        Raises:
            AlreadyExistsError: the catalog has a session under this id.
        """
        ...

    async def remove(self, uid: str, *, revision: int | None = None, standings: Standings | None = None) -> bool:
        """Removes a session with everything of it (with `revision`: when it is at it, and not HOT; with `standings`, as
        for `move`: when the active store does not have it). Its blobs are the caller's, or the sweep's."""
        ...

    async def used_paths(self, paths: Sequence[str]) -> set[str]:
        """Which of these paths are snapshots or archives of sessions."""
        ...

    async def tenants(self) -> list[str]:
        """The tenants that have sessions."""
        ...

    async def used_artifacts(self, digests: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (tenant, SHA-256) any session of the tenant refers to."""
        ...

    async def marks(self) -> dict[int, tuple[str, int]]:
        """Of every shard, the incarnation and the sequence of the last commit that the catalog has."""
        ...
