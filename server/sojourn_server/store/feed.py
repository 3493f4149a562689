"""The live flow of one shard: every commit in order, each once, whatever notifications are lost."""

from __future__ import annotations

import asyncio

import structlog

from ..domain.cursor import ShardPosition, shard_position
from ..domain.errors import PositionError, SojournError
from ..domain.events import StoredEvent
from ..domain.session import SessionKey
from ..ports import ArchivedSession, DeletedSession
from .commits import CommitLog, CommitPage
from .keys import ShardKeys
from .taps import Item, SessionTap, TenantTap

log = structlog.get_logger()


class ShardFeed:
    """Follows a shard's commits by sequence number and hands them to taps.

    A notification that continues the sequence is handed on at once. A gap, a new subscription, an event too large
    for its notification, and the safety poll make the feed read the commit log, which is the truth.
    """

    def __init__(self, shard: ShardKeys, commits: CommitLog) -> None:
        self.shard = shard
        self.live = asyncio.Event()
        """Set once the feed is subscribed and knows where the shard is."""
        self.position = ShardPosition(0, 0)
        """Everything up to here was handed to the taps."""
        self.incarnation = ""
        self.sessions: dict[str, set[SessionTap]] = {}
        self.tenants: set[TenantTap] = set()
        self._commits = commits
        self._told = 0
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"feed {shard.number}")

    @property
    def told(self) -> int:
        """Sequence number of the last notification."""
        return self._told

    @property
    def idle(self) -> bool:
        """Whether nobody watches."""
        return not self.sessions and not self.tenants

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def read_log(self) -> None:
        """Makes the feed compare itself with the commit log now."""
        self._news.set()

    def notified(self, payload: bytes) -> None:
        """Takes a notification: member, uid, incarnation, revision, commit time, sequence, kind mask, body."""
        member, uid, incarnation, revision, commit_us, sequence, mask, body = payload.split(b"\n", 7)
        number = int(sequence)
        self._told = number
        if not self.live.is_set() or number <= self.position.sequence:
            return
        if number != self.position.sequence + 1 or self._news.is_set():
            self._news.set()
            return
        position = shard_position(number, int(commit_us))
        name = member.decode()
        tenant, _, session_id = name.partition("/")
        if mask == b"D":
            deleted = DeletedSession(session_id, uid.decode(), int(revision))
            self._hand(position, SessionKey(tenant, session_id), deleted)
        elif mask == b"A":
            archived = ArchivedSession(session_id, uid.decode(), int(revision))
            self._hand(position, SessionKey(tenant, session_id), archived)
        elif body:
            if name in self.sessions or self.tenants:
                event = StoredEvent(
                    session_id,
                    uid.decode(),
                    incarnation.decode(),
                    int(revision),
                    int(commit_us),
                    number,
                    int(mask),
                    body,
                )
                self._hand(position, SessionKey(tenant, session_id), event)
        elif name in self.sessions or self.tenants:
            self._news.set()
            return
        self.position = position

    def fail(self, error: SojournError) -> None:
        """Ends every tap."""
        for tap in self._taps():
            tap.fail(error)

    def drain(self) -> None:
        for tap in self._taps():
            tap.drain()

    def _taps(self) -> list[SessionTap | TenantTap]:
        return [*(tap for taps in self.sessions.values() for tap in taps), *self.tenants]

    def _hand(self, position: ShardPosition, key: SessionKey, item: Item) -> None:
        for tap in self.sessions.get(key.member, ()):
            tap.push(item)
        for tenant_tap in self.tenants:
            tenant_tap.push(self.shard.number, position, key, item)

    async def _run(self) -> None:
        delay = 0.05
        while True:
            await self._news.wait()
            try:
                if self.live.is_set():
                    await self._level()
                else:
                    self.incarnation, self.position = await self._commits.position(self.shard)
                    self._news.clear()
                    self.live.set()
                delay = 0.05
            except SojournError as error:
                log.debug("feed waits for the store", shard=self.shard.number, error=error.message)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    async def _level(self) -> None:
        """Reads commits until there are none left. The flag is cleared only after a read that began with it set and
        found the end."""
        while True:
            wanted = None if self.tenants else frozenset(self.sessions)
            page = await self._commits.after(self.shard, self.position, wanted)
            if page.state != "ok" or page.incarnation != self.incarnation:
                self._lost(page)
                return
            for position, key, item in page.items:
                self._hand(position, key, item)
            self.position = page.position
            if not page.more and self._told <= self.position.sequence:
                break
        self._news.clear()
        for tenant_tap in self.tenants:
            tenant_tap.check(self.shard.number, self.position.sequence)

    def _lost(self, page: CommitPage) -> None:
        """The commit log does not continue where we are, or events are elsewhere: every session's own log tells its
        watchers what became of them, and watchers of many read the commits themselves."""
        if page.state == "rolled_back" or page.incarnation != self.incarnation:
            log.error("the store lost history", shard=self.shard.number, was=self.position, now=page.position)
            error = PositionError("the watch cannot continue: commits were lost", reason="HISTORY_ROLLED_BACK")
            for tenant_tap in self.tenants:
                tenant_tap.fail(error)
        for tenant_tap in self.tenants:
            tenant_tap.check(self.shard.number, page.position.sequence)
        self.position, self.incarnation = page.position, page.incarnation
        self._told = min(self._told, page.position.sequence)
        self._news.clear()
        for taps in self.sessions.values():
            for tap in taps:
                tap.check()
