"""Recovery: sessions that the active store lost, or has in an older copy than the catalog, are rebuilt from the
catalog.

A lost session is brought back when somebody touches it. So that those that nobody touches come back too (their time may
run out), whoever finds that a shard lost history goes through the sessions that should be in it. That it is to be done
is kept in the store until it is done: any worker may go on where another was stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from ..domain import changes as ch
from ..domain.effects import effects_of
from ..domain.errors import (
    AlreadyExistsError,
    BlobMissingError,
    BlobsUnavailableError,
    CatalogUnavailableError,
    FileInvalidError,
    NotFoundError,
    OutcomeUnknownError,
    SojournError,
    StoreFullError,
    StoreUnavailableError,
)
from ..domain.fold import Folded
from ..domain.session import Session, SessionKey, Tier
from ..ports import ActiveStore, EventCodec
from ..ports.outbox import Outbox, Standing
from ..ports.recovery import Shards, ShardState
from ..ports.tiers import FirstEvent, Residence, TierCatalog
from .background import Background
from .cold import Cold, is_retired
from .losses import Losses

log = structlog.get_logger()

WHY = "the active store lost the session"
LOOK_SECONDS = 5.0
"""A store that was wiped under us shows after so long at the latest, should nobody touch it before."""
MOST_PAUSE = 30.0
FOR_EVER = 1 << 62
"""Microseconds."""
PAGE, TAUGHT = 500, 5_000
"""Sessions compared, and told of, at a time."""
AT_ONCE = 8
"""Sessions rebuilt at a time."""
PATIENCE = 2.0
"""Seconds that calls wait until their session is known to be whole; and then none does for a while."""
AWAY = (CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError, OutcomeUnknownError, StoreFullError)
"""What may be different later."""


@dataclass
class Recovery:
    """Rebuilds lost sessions. Every worker has one."""

    store: ActiveStore
    """The real one."""
    shards: Shards
    outbox: Outbox
    residence: Residence
    tiers: TierCatalog
    cold: Cold
    codec: EventCodec
    background: Background
    losses: Losses
    _under_way: dict[SessionKey, asyncio.Task[bool]] = field(default_factory=dict)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _looked: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _whole: set[SessionKey] = field(default_factory=set)
    _doubts: int = 0
    _not_before: float = 0.0

    async def start(self, patience: float) -> None:
        """Begins to look for what the store lost. Returns when all of it is back, when what it takes is away, or after
        `patience` seconds: then that goes on, and sessions that somebody touches come back at once."""
        self._task = asyncio.create_task(self._run(), name="recovery")
        try:
            async with asyncio.timeout(patience):
                await self._looked.wait()
        except TimeoutError:
            log.warning("not everything that the store lost is back yet", seconds=patience)

    async def close(self) -> None:
        """Stops; what was not finished is done by other workers, or at the next start."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def certain(self) -> None:
        """Waits until it is known which shards lost history since they were taken over by another process of the
        engine; before that nothing of theirs may be brought into the catalog, because it is compared with what the
        catalog has.

        Raises:
            CatalogUnavailableError, StoreUnavailableError: nobody knows; try again.
        """
        if self.shards.undecided:
            await self._decide()

    @property
    def doubtful(self) -> bool:
        """Whether the store may have lost history that is not back yet."""
        return bool(self.shards.undecided or self.shards.lost)

    async def make_whole(self, keys: Iterable[SessionKey]) -> None:
        """Rebuilds those of these sessions that the store has in an older copy, before somebody reads it or builds on
        it. Does without it when what it takes is away: live work goes on."""
        if self._doubts != self.shards.doubts:
            self._doubts, self._whole = self.shards.doubts, set()
        now, numbers = asyncio.get_running_loop().time(), {*self.shards.undecided, *self.shards.lost}
        doubtful = {key for key in keys if self.shards.number_of(key) in numbers} - self._whole
        if not doubtful or now < self._not_before:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self.certain()  # most often nothing was lost
                lost = [key for key in doubtful if self.shards.number_of(key) in self.shards.lost]
                await asyncio.gather(*map(self._make_whole, lost))
        except (TimeoutError, *AWAY):
            self._not_before = now + LOOK_SECONDS

    async def _make_whole(self, key: SessionKey) -> None:
        try:
            await self.restore(key)
        except AWAY:
            raise
        except Exception:
            log.exception("a lost session cannot be rebuilt", tenant=key.tenant, session=key.session_id)
        self._whole.add(key)

    async def recover(self) -> bool:
        """Brings back what the store lost; whether it had lost something.

        Raises:
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError: some is still to be done.
        """
        lost = [state for state in await self._decide() if state.lost]
        if not lost:
            return False
        began = asyncio.get_running_loop().time()
        numbers, after, restored = {state.number for state in lost}, 0, 0
        while page := await self.tiers.live(after=after, count=PAGE):
            if not after:  # else it is new, and not one that lost something
                log.error("the store lost history; looking for sessions to rebuild", shards=len(lost))
            after = page[-1][0]
            rows = [(key, row) for _, key, row in page if self.shards.number_of(key) in numbers]
            restored += await self._bring_back(rows)
        self._looked.set()
        place = (0, 0)
        while ended := await self.tiers.ended(Tier.RECENT, before_us=FOR_EVER, after=place, count=PAGE):
            place = ended[-1].ended_us, ended[-1].number
            gone = [(one.key, one.session) for one in ended if self.shards.number_of(one.key) in numbers]
            restored += await self._end_again(gone)
        await asyncio.gather(*map(self.shards.settle, lost))
        if after:
            seconds = asyncio.get_running_loop().time() - began
            log.info("what the store lost is back", sessions=restored, seconds=round(seconds, 3))
        return True

    async def teach(self) -> None:
        """Tells the store which sessions the catalog knows, unless it knows."""
        if await self.residence.knows_all():
            return
        before, after = await self.shards.look(), 0
        while page := await self.tiers.keys(after=after, count=TAUGHT):
            after = page[-1][0]
            await self.residence.learn([key for _, key in page])
        now = await self.shards.look()
        # What was lost meanwhile is to be learned once more.
        if [state.incarnation for state in now] == [state.incarnation for state in before]:
            await self.residence.know_all()

    async def restore(self, key: SessionKey) -> bool:
        """Rebuilds a session that the active store lost (or has an older copy of) from what the catalog has of it. Many
        who ask for one session at the same time wait for one rebuilding.

        Returns True when the session was lost and is in the active store again, whoever brought it back; False when it
        was not lost: the catalog does not know it, it is in another tier, was deleted, or the active store has it.

        Raises:
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError: it is still lost; try again.
        """
        return await self._once(key, partial(self._restore, key))

    async def diverged(self, key: SessionKey, head: Session) -> bool:
        """The active store has an older copy of the session than the catalog, or one that went another way from there:
        it is replaced. `head` is the copy. Returns and raises like `restore`."""
        return await self._once(key, partial(self._replace, key, head))

    async def _run(self) -> None:
        taught, pause = False, LOOK_SECONDS
        while True:
            try:
                taught = not await self.recover() and taught
                self._looked.set()
                if not taught:
                    await self.teach()
                    taught = True
                pause = LOOK_SECONDS
            except SojournError as error:
                pause = min(pause * 2, MOST_PAUSE)
                self._looked.set()
                log.warning("recovery waits", reason=error.reason, error=error.message, retry_in=pause)
            except Exception:
                pause = MOST_PAUSE
                log.exception("recovery failed")
            await self.shards.wait(pause)

    async def _decide(self) -> list[ShardState]:
        """Finds out which shards lost history; what is known of all of them now."""
        async with self._deciding:
            states = await self.shards.look()
            doubtful = [state for state in states if state.taken_over is not None]
            if not doubtful:
                return states
            marks = await self.tiers.marks()
            await asyncio.gather(*(self._decide_one(state, marks.get(state.number)) for state in doubtful))
            return await self.shards.look()

    async def _decide_one(self, state: ShardState, mark: tuple[str, int] | None) -> None:
        """`mark` is the last commit of the shard that the catalog has."""
        incarnation, sequence = mark or (state.incarnation, 0)
        if incarnation == state.incarnation and sequence <= (state.taken_over or 0):
            await self.shards.settle(state)
            return
        log.error(
            "a shard of the store fell back to an older copy",
            shard=state.number, sequence=state.taken_over, catalog=sequence,
        )  # fmt: skip
        await self.shards.begin_anew(state.number, state.incarnation)

    async def _bring_back(self, rows: Sequence[tuple[SessionKey, Session]]) -> int:
        """Restores those of these sessions that the store does not have as far as the catalog; how many."""
        heads = await self.store.get_many([key for key, _ in rows], full=False)
        missing: list[SessionKey] = []
        for (key, row), head in zip(rows, heads, strict=True):
            if isinstance(head, SojournError):
                if not isinstance(head, NotFoundError):
                    raise head
                missing.append(key)
            elif head.uid == row.uid and head.revision < row.revision:
                missing.append(key)

        async def one(key: SessionKey) -> bool:
            try:
                return await self.restore(key)
            except AWAY:
                raise
            except Exception:  # the others must not wait for it
                log.exception("a lost session cannot be rebuilt", tenant=key.tenant, session=key.session_id)
                return False

        return sum(await asyncio.gather(*map(one, missing)))

    async def _end_again(self, rows: Sequence[tuple[SessionKey, Session]]) -> int:
        """An older copy may have sessions that had left since, as they were before; how many were replaced."""
        heads = await self.store.get_many([key for key, _ in rows], full=False)
        older = [
            (key, head)
            for (key, row), head in zip(rows, heads, strict=True)
            if isinstance(head, Session) and head.uid == row.uid and head.revision < row.revision
        ]
        return sum([await self.diverged(key, head) for key, head in older])

    async def _once(self, key: SessionKey, work: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        task = self._under_way.get(key)
        if task is None:
            task = self.background.start(work(), f"restore {key.session_id}")
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _restore(self, key: SessionKey) -> bool:
        await self.certain()
        # The store first, then the catalog, then the store again: a session that leaves is noted before it goes.
        (state,) = await self.shards.look([self.shards.number_of(key)])
        before = await self._standing(key)
        # Settled: who read the store before it lost this, and stores it now, either is waited for or finds it gone.
        row = await self.cold.catalog.get(key, settled=True)
        if row is None or row.tier is not Tier.HOT:
            return False
        now = await self._standing(key)
        if now.uid == row.uid:
            head = await self._head(key)
            return head is not None and head.revision < row.revision and await self._rebuild(key, row)
        if before.uid or now.uid or row.uid in (before.deleted, now.deleted):
            return False
        if is_retired(row) and await self._is_readable(row.snapshot_path):
            return False
        if row.incarnation == state.incarnation:  # nobody had noticed
            await self.shards.begin_anew(state.number, state.incarnation)
        return await self._rebuild(key, row)

    async def _replace(self, key: SessionKey, head: Session) -> bool:
        (state,) = await self.shards.look([self.shards.number_of(key)])
        row = await self.cold.catalog.get(key, settled=True)
        if row is None or row.uid != head.uid or row.tier is Tier.ARCHIVE:
            return False
        if head.incarnation == state.incarnation:
            await self.shards.begin_anew(state.number, state.incarnation)
        return await self._rebuild(key, row)

    async def _standing(self, key: SessionKey) -> Standing:
        (standing,) = await self.outbox.standings([key])
        return standing

    async def _head(self, key: SessionKey) -> Session | None:
        try:
            return await self.store.get(key, full=False)
        except NotFoundError:
            return None

    async def _is_readable(self, path: str) -> bool:
        try:
            await self.cold.archives.verify(self.cold.blobs, path)
        except (BlobMissingError, FileInvalidError):
            return False
        return True

    async def _rebuild(self, key: SessionKey, row: Session) -> bool:
        async with self._places:
            return await self._put_back(key, row)

    async def _put_back(self, key: SessionKey, row: Session) -> bool:
        if row.tier is Tier.HOT:
            folded = await self.cold.fold(key, row, row.revision)
        else:
            folded = await self.cold.folded(key, row)
        session = folded.session
        session.id = key.session_id
        event = self._event(folded)
        session.admitted_requests = session.queued_requests = 0
        try:
            await self.residence.adopt(key, folded, event, lost=True)
        except AlreadyExistsError:
            return True
        except NotFoundError:
            return False
        self.losses.restored(key, session.uid, session.revision)
        return True

    def _event(self, folded: Folded) -> FirstEvent:
        """What was under way is over: nobody renewed its leases."""
        changes: list[ch.Change] = [ch.RequestLost(request, cause=WHY) for request in folded.requests]
        for invocation, what in folded.open_invocations.items():
            tool = what.partition("/")[2]
            changes.append(ch.InvocationFinished(invocation, ch.InvocationStatus.INTERRUPTED, tool=tool, error=WHY))
        changes.append(ch.Restored(folded.session.revision))
        return FirstEvent(effects_of(changes), self.codec.encode(changes, ""))
