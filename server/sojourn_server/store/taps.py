"""A watcher's place in the live flow. A tap that is behind reads the log; one that is level takes what its feed
pushes."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..domain.cursor import SessionCursor, ShardCursor, ShardPosition
from ..domain.errors import DrainingError, NotFoundError, PositionError, RetiredError, SojournError
from ..domain.events import StoredEvent
from ..domain.session import SessionKey, Tier
from ..ports import ArchivedSession, DeletedSession, EventLogs, EventQuery
from .reading import too_old
from .writing import replaced, rolled_back

if TYPE_CHECKING:
    from .commits import CommitLog

Item = StoredEvent | DeletedSession | ArchivedSession
TIMER_SLACK = 0.02
"""Seconds a wait may be late: deadlines this close share a timer."""
_ALWAYS = 1 << 63
"""A revision above all: the log must be read once more."""


@dataclass(frozen=True, slots=True)
class TapLimits:
    """How far a watcher may fall behind before it is ended."""

    events: int = 2000
    bytes: int = 8 << 20


class BaseTap:
    """Queue, waiting and failing, common to both kinds of tap."""

    def __init__(self, limits: TapLimits) -> None:
        self._limits = limits
        self._queue: deque[Item] = deque()
        self._queued_bytes = 0
        self._error: SojournError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def fail(self, error: SojournError) -> None:
        """Ends the tap: its watcher gets the error before anything else that waits."""
        if self._error is None:
            self._error = error
        self._wake()

    def drain(self) -> None:
        self.fail(DrainingError())

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _put(self, item: Item) -> None:
        self._queue.append(item)
        self._queued_bytes += len(item.body) if isinstance(item, StoredEvent) else 64
        if len(self._queue) > self._limits.events or self._queued_bytes > self._limits.bytes:
            self._queue.clear()
            self.fail(PositionError("the watcher reads too slowly", reason="SLOW_CONSUMER"))
        self._wake()

    def _take(self) -> list[Item]:
        items = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        return items

    async def _wait(self, deadline: float) -> None:
        """Waits for a wake-up until `deadline` (loop time). The timer outlives wake-ups: most waits share a
        deadline."""
        loop = asyncio.get_running_loop()
        if self._timer is None or abs(self._timer_at - deadline) > TIMER_SLACK:
            self.close()
            self._timer, self._timer_at = loop.call_at(deadline, self._timed_out), deadline
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _timed_out(self) -> None:
        self._timer = None
        self._wake()

    def close(self) -> None:
        """Lets go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class SessionTap(BaseTap):
    """The flow of one session, from a cursor on."""

    def __init__(self, key: SessionKey, logs: EventLogs, limits: TapLimits, at: SessionCursor) -> None:
        super().__init__(limits)
        self._key = key
        self._logs = logs
        self._at = at
        self._behind = True
        self._seen = 0
        self._deleted = False
        self._archived: ArchivedSession | None = None

    def push(self, item: Item) -> None:
        """Takes an item of the feed; a gap means that the log must be read."""
        if isinstance(item, DeletedSession):
            self._deleted = self._behind = True
            self._seen = _ALWAYS
        elif isinstance(item, ArchivedSession):
            self._archived, self._behind = item, True
            self._seen = _ALWAYS
        elif self._behind:
            self._seen = max(self._seen, item.revision)
        elif item.revision == self._at.revision + 1 and item.uid == self._at.uid:
            self._at = item.cursor
            self._put(item)
            return
        elif item.revision > self._at.revision or item.uid != self._at.uid:
            self._behind, self._seen = True, item.revision
        self._wake()

    def check(self) -> None:
        """Something may have been missed, or lost: compare with the log."""
        self._behind = True
        self._wake()

    async def next(self, timeout: float) -> list[Item]:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            if self._error:
                raise self._error
            if self._queue:
                return self._take()
            if self._behind:
                items = await self._catch_up()
                if items:
                    return items
                continue
            if asyncio.get_running_loop().time() >= deadline - TIMER_SLACK:
                return []
            await self._wait(deadline)

    async def _catch_up(self) -> list[Item]:
        """Reads one page of the log. What the feed pushed while we read is noticed by `_seen` and read next."""
        self._seen = 0
        try:
            page = await self._logs.events(self._key, EventQuery(after=self._at, count=500))
        except RetiredError as error:
            return [self._left(error.uid, error.revision)]
        except NotFoundError as error:
            return [self._gone(error)]
        except PositionError as error:
            if self._deleted and error.reason == "SESSION_REPLACED":
                return [DeletedSession(self._key.session_id, self._at.uid, self._at.revision)]
            raise
        before = page.events[0].revision - 1 if page.events else page.scanned
        if before > self._at.revision:  # nobody has what is between
            raise too_old(self._key.session_id, page.head._replace(revision=before, commit_us=0))
        if page.events:
            self._at = page.events[-1].cursor
        self._behind = page.more or self._seen > self._at.revision
        if page.tier is not Tier.HOT and not page.more:
            return [*page.events, self._left(page.head.uid, page.head.revision)]
        return list(page.events)

    def _left(self, uid: str, revision: int) -> ArchivedSession:
        """The session is in another tier; nothing more will come."""
        if uid != self._at.uid:
            raise replaced(self._key.session_id)
        self._behind = False
        return ArchivedSession(self._key.session_id, uid, revision)

    def _gone(self, error: NotFoundError) -> DeletedSession | ArchivedSession:
        if error.reason == "SESSION_NOT_FOUND" and not self._deleted:
            if self._archived and self._archived.uid == self._at.uid:
                return self._archived
            raise rolled_back(self._key.session_id, "0")
        self._behind = False
        revision = int(error.metadata.get("revision", self._at.revision))
        return DeletedSession(self._key.session_id, self._at.uid, revision)


class TenantTap(BaseTap):
    """The flow of all sessions of a tenant, from a position in every shard on.

    One that begins where the feeds are is level from the start; a resumed one must read and compare every shard's log.
    """

    def __init__(
        self,
        tenant: str,
        commits: CommitLog,
        limits: TapLimits,
        checksum: int,
        positions: list[ShardPosition],
        *,
        resumed: bool,
    ) -> None:
        super().__init__(limits)
        self._tenant = tenant
        self._commits = commits
        self._checksum = checksum
        self._handed = positions
        self._pushed = list(positions)
        self._behind: dict[int, int] = dict.fromkeys(range(len(positions)) if resumed else (), 0)
        self._queue_shards: deque[tuple[int, ShardPosition]] = deque()

    @property
    def cursor(self) -> ShardCursor:
        return ShardCursor(self._checksum, tuple(self._handed))

    def push(self, shard: int, position: ShardPosition, key: SessionKey, item: Item) -> None:
        """Takes an item of a shard's feed."""
        if shard in self._behind:
            self._behind[shard] = max(self._behind[shard], position.sequence)
        elif position.sequence > self._pushed[shard].sequence:
            self._pushed[shard] = position
            if key.tenant == self._tenant:
                self._queue_shards.append((shard, position))
                self._put(item)
            elif not self._queue:
                self._handed[shard] = position

    def check(self, shard: int, sequence: int) -> None:
        """The shard is at `sequence`; what was not pushed must be read."""
        if sequence > self._pushed[shard].sequence or shard in self._behind:
            self._behind[shard] = max(self._behind.get(shard, 0), sequence)
            self._wake()

    async def next(self, timeout: float) -> list[Item]:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            if self._error:
                raise self._error
            if self._queue:
                for shard, position in self._queue_shards:
                    self._handed[shard] = position
                self._queue_shards.clear()
                return self._take()
            if self._behind:
                items = await self._catch_up(next(iter(self._behind)))
                if items:
                    return items
                continue
            if asyncio.get_running_loop().time() >= deadline - TIMER_SLACK:
                return []
            await self._wait(deadline)

    async def _catch_up(self, shard: int) -> list[Item]:
        keys = self._commits.shards[shard]
        page = await self._commits.after(keys, self._pushed[shard], None, past=True)
        if page.state == "too_old":
            raise PositionError("commits after the cursor are no longer kept", reason="CURSOR_TOO_OLD")
        if page.state == "rolled_back":
            raise PositionError("the store lost history that was read before", reason="HISTORY_ROLLED_BACK")
        self._pushed[shard] = self._handed[shard] = page.position
        if not page.more and self._behind[shard] <= page.position.sequence:
            del self._behind[shard]
        return [item for _, key, item in page.items if key.tenant == self._tenant]
