"""The archiver: moves sessions down the tiers as they grow old. Any number of processes may run one.

Nothing is remembered from one look to the next but what failed: the catalog says what is to be done, and every step
checks again. So two workers may take the same session at the same moment, which costs a file written for nothing; they
take what they find in an order of their own, so that it is rare.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import structlog

from ..domain.errors import (
    BlobsUnavailableError,
    CatalogUnavailableError,
    NotFoundError,
    OutcomeUnknownError,
    SojournError,
    StoreUnavailableError,
)
from ..domain.paths import revision_of
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports.blobs import BlobStore
from ..ports.tiers import TierCatalog
from .moving import Moving
from .snapshots import Snapshots
from .sweeping import Sweep

log = structlog.get_logger()

PAGE = 200
AT_ONCE = 4
"""Sessions moved at a time."""
REST, MOST_REST = 0.5, 0.5
"""Calls come first: after each step whoever took it rests so many times as long as it took, and at most so many
seconds."""
MOST_PAUSE = 60.0
ASIDE, MOST_ASIDE = 5.0, 600.0
"""Seconds after which a session that failed is tried again, doubled each time."""
MOST_SWEEP_PERIOD = 3_600.0

AWAY = (CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError, OutcomeUnknownError)

Step = Callable[[SessionKey, Session], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Ages:
    """When things happen, in seconds."""

    recent_after: float
    """After its end a session leaves the active store."""
    archive_after: float
    """After its end it becomes an archive object."""
    retention: float
    """After its end it is deleted; 0 for never."""
    snapshot_every: float
    """A live session that was written to is saved so often; 0 for never."""
    sweep_grace: float


class Archiver:
    """Looks for what is to be done, and does it.

    Args:
        period: seconds between two looks.
        now_us: the store's clock.
    """

    def __init__(
        self, moving: Moving, snapshots: Snapshots, sweep: Sweep, tiers: TierCatalog, blobs: BlobStore, ages: Ages, *,
        period: float, now_us: Callable[[], Awaitable[int]],
    ) -> None:  # fmt: skip
        self._moving = moving
        self._snapshots = snapshots
        self._sweep = sweep
        self._tiers = tiers
        self._blobs = blobs
        self._ages = ages
        self._period = period
        self._now_us = now_us
        self._task: asyncio.Task[None] | None = None
        self._failed: dict[str, tuple[float, float]] = {}
        """By uid: when to try again, and how long it was set aside for."""
        self._walk = _Walk(ages.snapshot_every)
        self._sweep_period = min(max(ages.sweep_grace / 2, period), MOST_SWEEP_PERIOD)
        self._swept = monotonic() - self._sweep_period * random.random()

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="archiver")

    async def close(self) -> None:
        """Stops at once; what is half done is found again."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Looks once at everything. Raises what says that the catalog, the blob store or the store is away."""
        ages = self._ages
        await self._each_ended(Tier.HOT, ages.recent_after, self._moving.retire)
        if ages.retention:
            for tier in (Tier.RECENT, Tier.ARCHIVE):
                await self._each_ended(tier, ages.retention, self._moving.remove)
        await self._each_ended(Tier.RECENT, ages.archive_after, self._moving.archive)
        if ages.snapshot_every:
            await self._save_live()
        if monotonic() - self._swept >= self._sweep_period:
            self._swept = monotonic()
            await self._sweep.run(await self._now_us())

    async def _each_ended(self, tier: Tier, age: float, step: Step) -> None:
        """Takes a step with every session of a tier that ended so many seconds ago."""
        before = await self._now_us() - int(age * 1_000_000) + 1
        place = (0, 0)
        while True:
            found = await self._tiers.ended(tier, before_us=before, after=place, count=PAGE)
            await self._all(step, [(one.key, one.session) for one in found])
            if len(found) < PAGE:
                return
            place = (found[-1].ended_us, found[-1].number)

    async def _save_live(self) -> None:
        """Goes on with the walk over the live sessions, a page a look."""
        if not self._walk.due():
            return
        found = await self._tiers.live(after=self._walk.after, count=PAGE)
        self._walk.advance(found[-1][0] if len(found) == PAGE else None)
        changed = [
            (key, row)
            for _, key, row in found
            if row.status is SessionStatus.ACTIVE and revision_of(row.snapshot_path) != row.revision
        ]
        await self._all(self._save, changed)

    async def _save(self, key: SessionKey, row: Session) -> bool:
        """Saves a live session, unless that happened a short while ago, by another worker perhaps."""
        last_us = row.created_us
        if row.snapshot_path and (blob := await self._blobs.head(row.snapshot_path)):
            last_us = blob.modified_us
        if await self._now_us() - last_us < self._ages.snapshot_every * 1_000_000:
            return True
        with suppress(NotFoundError):  # it is gone, or lost: not ours
            await self._snapshots.take(key)
        return True

    async def _all(self, step: Step, sessions: list[tuple[SessionKey, Session]]) -> None:
        limit = asyncio.Semaphore(AT_ONCE)
        random.shuffle(sessions)

        async def one(key: SessionKey, row: Session) -> None:
            async with limit:
                began = monotonic()
                await self._one(step, key, row)
                await asyncio.sleep(min((monotonic() - began) * REST, MOST_REST))

        now = monotonic()
        due = [(key, row) for key, row in sessions if self._failed.get(row.uid, (0.0, 0.0))[0] <= now]
        results = await asyncio.gather(*(one(key, row) for key, row in due), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _one(self, step: Step, key: SessionKey, row: Session) -> None:
        """One session's defect must not keep the others."""
        try:
            await step(key, row)
        except AWAY:
            raise
        except Exception as error:
            aside = min(self._failed.get(row.uid, (0.0, ASIDE / 2))[1] * 2, MOST_ASIDE)
            self._failed[row.uid] = monotonic() + aside, aside
            log.exception(
                "a session cannot be moved", tenant=key.tenant, session=key.session_id, tier=row.tier.name,
                retry_in=aside, error=str(error),
            )  # fmt: skip
        else:
            self._failed.pop(row.uid, None)

    async def _run(self) -> None:
        pause = self._period
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))
            try:
                await self.look()
                pause = self._period
            except SojournError as error:
                pause = min(pause * 2, max(MOST_PAUSE, self._period))
                log.warning("the archiver waits", reason=error.reason, error=error.message, retry_in=pause)
            except Exception:
                pause = min(max(pause, 1.0) * 2, MOST_PAUSE)
                log.exception("the archiver failed")


class _Walk:
    """A walk over all live sessions, begun anew every so many seconds."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._begun = monotonic() - every * random.random()
        self._walking = False
        self.after = 0
        """Where it goes on, by the catalog's number."""

    def due(self) -> bool:
        """Whether there is a page to look at."""
        if not self._walking and monotonic() - self._begun >= self._every:
            self._walking, self._begun, self.after = True, monotonic(), 0
        return self._walking

    def advance(self, after: int | None) -> None:
        """Goes on there; None: the walk is over."""
        self.after = after or 0
        self._walking = after is not None
