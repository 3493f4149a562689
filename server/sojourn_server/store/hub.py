"""One hub a worker: which shards have watchers, their feeds, and the safety poll. The Hub port."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from ..domain.cursor import SessionCursor, ShardCursor
from ..domain.errors import (
    DrainingError,
    LimitExceededError,
    PositionError,
    SojournError,
    StoreUnavailableError,
)
from ..domain.session import SessionKey
from ..ports import EventLogs, EventQuery
from .commits import CommitLog
from .feed import ShardFeed
from .keys import ShardKeys
from .nodes import Nodes
from .notifications import Notifications
from .taps import SessionTap, TapLimits, TenantTap

log = structlog.get_logger()

POLL_SECONDS = 2.0
LINGER_POLLS = 5
"""Polls a feed outlives its last watcher: a watcher that reconnects finds it live."""


class RedisHub:
    """Hands committed events to this worker's watchers."""

    def __init__(
        self,
        nodes: Nodes,
        store: EventLogs,
        commits: CommitLog,
        *,
        limits: TapLimits,
        max_watches: int,
        live_timeout: float = 5.0,
    ) -> None:
        self._logs: EventLogs = store
        self._commits = commits
        self._limits = limits
        self._max_watches = max_watches
        self._live_timeout = live_timeout
        self._feeds: dict[str, ShardFeed] = {}
        self._idle_polls: dict[str, int] = {}
        self._polled: dict[str, int] = {}
        self._watches = 0
        self._draining = False
        self._notifications = Notifications(nodes, on_message=self._on_message, on_subscribed=self._on_subscribed)
        self._poller: asyncio.Task[None] | None = None

    @property
    def watches(self) -> int:
        """Watches that are open now."""
        return self._watches

    def read_through(self, logs: EventLogs) -> None:
        """From now on watchers that are behind read there: it has events that the store itself does not keep, too."""
        self._logs = logs
        self._commits.past = logs.events

    def start(self) -> None:
        self._poller = asyncio.create_task(self._poll(), name="hub poll")

    async def close(self) -> None:
        if self._poller:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        await self._notifications.close()
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))
        self._feeds.clear()

    def drain(self) -> None:
        """Ends every watch with DrainingError and refuses new ones."""
        self._draining = True
        for feed in self._feeds.values():
            feed.drain()

    @asynccontextmanager
    async def session(
        self, key: SessionKey, after: int | SessionCursor | None
    ) -> AsyncIterator[tuple[SessionCursor, SessionTap]]:
        """The Hub port's `session`."""
        with self._admitted():
            feed = await self._feed(self._commits.shard_of(key))
            begin = await self._resolve(key, after)
            tap = SessionTap(key, self._logs, self._limits, begin)
            taps = feed.sessions.setdefault(key.member, set())
            taps.add(tap)
            if self._draining:  # it began meanwhile, and did not find this tap
                tap.drain()
            try:
                yield begin, tap
            finally:
                tap.close()
                taps.discard(tap)
                if not taps and feed.sessions.get(key.member) is taps:
                    del feed.sessions[key.member]

    @asynccontextmanager
    async def tenant(self, tenant: str, after: ShardCursor | None) -> AsyncIterator[TenantTap]:
        """The Hub port's `tenant`."""
        with self._admitted():
            feeds = [await self._feed(shard, wait=False) for shard in self._commits.shards]
            for feed in feeds:
                await self._until_live(feed)
            checksum = zlib.crc32("".join(feed.incarnation for feed in feeds).encode())
            if after and after.checksum != checksum:
                raise PositionError("the store lost history that was read before", reason="HISTORY_ROLLED_BACK")
            positions = list(after.positions) if after else [feed.position for feed in feeds]
            tap = TenantTap(tenant, self._commits, self._limits, checksum, positions, resumed=after is not None)
            for feed in feeds:
                feed.tenants.add(tap)
            if self._draining:
                tap.drain()
            try:
                yield tap
            finally:
                tap.close()
                for feed in feeds:
                    feed.tenants.discard(tap)

    def _admitted(self) -> _Admission:
        if self._draining:
            raise DrainingError
        if self._watches >= self._max_watches:
            raise LimitExceededError("watches_per_worker", self._max_watches)
        return _Admission(self)

    async def _resolve(self, key: SessionKey, after: int | SessionCursor | None) -> SessionCursor:
        """Where the watch begins, checked against the log."""
        query = EventQuery(count=1, reverse=True) if after is None else EventQuery(after=after, count=1)
        page = await self._logs.events(key, query)
        if after is None:
            return page.head
        if isinstance(after, SessionCursor):
            return after
        # The commit time at a bare revision is not known; 0 skips the comparison.
        return SessionCursor(page.head.uid, page.head.incarnation, after, 0)

    async def _feed(self, shard: ShardKeys, *, wait: bool = True) -> ShardFeed:
        feed = self._feeds.get(shard.channel)
        if feed is None:
            feed = self._feeds[shard.channel] = ShardFeed(shard, self._commits)
            try:
                self._notifications.subscribe(shard)
            except SojournError:
                await self._drop(feed)
                raise
        self._idle_polls[shard.channel] = 0
        if wait:
            await self._until_live(feed)
        return feed

    async def _until_live(self, feed: ShardFeed) -> None:
        if feed.live.is_set():
            return
        await self._commits.position(feed.shard)  # a store that is away is an error at once
        try:
            async with asyncio.timeout(self._live_timeout):
                await feed.live.wait()
        except TimeoutError:
            raise StoreUnavailableError("the store does not accept subscriptions", cause="pubsub") from None

    def _on_message(self, channel: bytes, payload: bytes) -> None:
        feed = self._feeds.get(channel.decode())
        if feed:
            feed.notified(payload)

    def _on_subscribed(self, channel: bytes) -> None:
        feed = self._feeds.get(channel.decode())
        if feed:
            feed.read_log()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._poll_once()
            except SojournError as error:
                log.debug("hub poll waits for the store", error=error.message)
            except Exception:
                log.exception("hub poll failed")

    async def _poll_once(self) -> None:
        feeds = [feed for feed in self._feeds.values() if feed.live.is_set()]
        for feed in feeds:
            if feed.idle:
                self._idle_polls[feed.shard.channel] += 1
                if self._idle_polls[feed.shard.channel] > LINGER_POLLS:
                    await self._drop(feed)
        known = [feed.position for feed in feeds]
        answers = await asyncio.gather(*(self._commits.position(feed.shard) for feed in feeds), return_exceptions=True)
        for feed, was, answer in zip(feeds, known, answers, strict=True):
            if isinstance(answer, BaseException):
                continue
            incarnation, now = answer
            channel, told = feed.shard.channel, feed.told
            level = now == was or was.sequence < now.sequence <= feed.position.sequence
            if level and incarnation == feed.incarnation:
                self._polled.pop(channel, None)
                continue
            feed.read_log()
            # Behind at two polls running and told nothing in between: the subscription is dead.
            if self._polled.get(channel) == told and channel in self._feeds:
                self._notifications.renew(feed.shard)
            self._polled[channel] = told

    async def _drop(self, feed: ShardFeed) -> None:
        channel = feed.shard.channel
        self._feeds.pop(channel, None)
        self._idle_polls.pop(channel, None)
        self._polled.pop(channel, None)
        self._notifications.unsubscribe(feed.shard)
        await feed.close()


class _Admission:
    """Counts a watch while it is open."""

    def __init__(self, hub: RedisHub) -> None:
        self._hub = hub

    def __enter__(self) -> None:
        self._hub._watches += 1

    def __exit__(self, *_: object) -> None:
        self._hub._watches -= 1
