"""CleanupSessions: deleting, ending or archiving many sessions."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import structlog

from ..domain.errors import ConflictError, NotFoundError, PositionError
from ..domain.events import Precondition
from ..domain.filters import SessionFilter
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import Lifecycle
from ..ports.catalog import Catalog
from .cold import is_retired
from .moving import Moving
from .projecting import Projector
from .sessions import Sessions
from .tiered import TieredStore

log = structlog.get_logger()

PAGE = 200
AT_ONCE = 8


class CleanupAction(IntEnum):
    """What becomes of the sessions. The numbers are those of the protos."""

    DELETE = 1
    ABANDON = 2
    ARCHIVE = 3


@dataclass(frozen=True, slots=True)
class CleanupQuery:
    """Which sessions, and what to do. `older_us` and `keep_newest` None: no such condition."""

    wanted: SessionFilter
    action: CleanupAction
    older_us: int | None = None
    keep_newest: int | None = None
    dry_run: bool = False


@dataclass(slots=True)
class CleanupProgress:
    """How far it is: sums from the beginning, and what was cleaned since the last."""

    selected: int = 0
    cleaned: int = 0
    skipped: int = 0
    sessions: list[Session] = field(default_factory=list)
    """As they were before."""
    done: bool = False


@dataclass
class Cleanup:
    """Cleans up."""

    sessions: Sessions
    store: TieredStore
    lifecycle: Lifecycle
    catalog: Catalog
    projector: Projector
    moving: Moving
    now_us: Callable[[], Awaitable[int]]

    async def run(self, tenant: str, query: CleanupQuery) -> AsyncGenerator[CleanupProgress]:
        """Does it, a page of sessions at a time; yields after each page, and once at the end.

        Raises:
            CatalogUnavailableError: what was told to be done is done.
        """
        await self.projector.drain(tenant)
        wanted = query.wanted
        if query.older_us is not None:
            before = await self.now_us() - query.older_us + 1
            wanted = replace(wanted, updated_before_us=min(before, wanted.updated_before_us or before))
        kept = await self._newest(tenant, wanted, query.keep_newest) if query.keep_newest else set()
        progress = CleanupProgress()
        async for page in self._pages(tenant, wanted):
            selected = [row for row in page if row.uid not in kept]
            cleaned = await self._clean(tenant, selected, query)
            progress.selected += len(selected)
            progress.cleaned += len(cleaned)
            progress.skipped += len(selected) - len(cleaned)
            progress.sessions = cleaned
            if cleaned:
                yield progress
        progress.sessions, progress.done = [], True
        log.info(
            "cleaned up", tenant=tenant, action=query.action.name, dry_run=query.dry_run, cleaned=progress.cleaned,
            skipped=progress.skipped,
        )  # fmt: skip
        yield progress

    async def _newest(self, tenant: str, wanted: SessionFilter, count: int) -> set[str]:
        """Uids of those that were written to last."""
        newest: list[tuple[int, str]] = []
        async for page in self._pages(tenant, wanted):
            newest = heapq.nlargest(count, [*newest, *((row.updated_us, row.uid) for row in page)])
        return {uid for _, uid in newest}

    async def _pages(self, tenant: str, wanted: SessionFilter) -> AsyncIterator[Sequence[Session]]:
        """All that match, in the order of lists: it does not change when sessions do."""
        after: tuple[int, str] | None = None
        while page := await self.catalog.list(tenant, wanted, after=after, count=PAGE):
            yield page
            after = page[-1].created_us, page[-1].id

    async def _clean(self, tenant: str, rows: Sequence[Session], query: CleanupQuery) -> list[Session]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(row: Session) -> bool:
            async with limit:
                return await self._one(SessionKey(tenant, row.id), row, query)

        done = await asyncio.gather(*map(one, rows))
        return [row for row, was_done in zip(rows, done, strict=True) if was_done]

    async def _one(self, key: SessionKey, row: Session, query: CleanupQuery) -> bool:
        """Whether the action was done (with `dry_run`: would be)."""
        if not _is_for(query.action, row):
            return False
        try:
            if row.tier is Tier.HOT and not is_retired(row):
                session = await self.store.get(key, full=False)
                if session.revision != row.revision or session.admitted_requests or session.queued_requests:
                    return False
            return query.dry_run or await self._do(key, row, query.action)
        except (NotFoundError, ConflictError, PositionError):
            return False  # it went away, or was written to, meanwhile

    async def _do(self, key: SessionKey, row: Session, action: CleanupAction) -> bool:
        match action:
            case CleanupAction.DELETE:
                # At this very revision: whoever wrote, or began a request, since then keeps it.
                await self.sessions.delete(key, expected_revision=row.revision, idempotency_key="")
            case CleanupAction.ABANDON:
                await self.lifecycle.end(
                    key, SessionStatus.ABANDONED, "cleaned up", writer="",
                    precondition=Precondition(expected_revision=row.revision), idempotency_key="",
                )  # fmt: skip
            case CleanupAction.ARCHIVE:
                return await self.moving.retire(key, row)
        return True


def _is_for(action: CleanupAction, row: Session) -> bool:
    """Whether the action is for sessions of this status, in this tier."""
    ended = row.status is not SessionStatus.ACTIVE
    match action:
        case CleanupAction.ABANDON:
            return not ended
        case CleanupAction.ARCHIVE:
            return ended and row.tier is Tier.HOT
    return True
