"""Reading what was committed in a shard: its position, and the events after a sequence number."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from ..domain.cursor import ShardPosition, shard_position
from ..domain.errors import NotFoundError
from ..domain.events import StoredEvent
from ..domain.session import SessionKey
from ..ports import ArchivedSession, DeletedSession, EventPage, EventQuery
from . import scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .reading import events_command, parse_page

log = structlog.get_logger()

PAGE = 500

FORMAT = "1"
"""Version of the layout in `keys.py`; a store of another format is refused."""

CommitItem = tuple[ShardPosition, SessionKey, StoredEvent | DeletedSession | ArchivedSession]
"""(where in the shard, session, what happened)"""


@dataclass(slots=True)
class CommitPage:
    """What happened in a shard after a sequence number, in order."""

    state: str
    """`ok`; `too_old`: what follows is no longer kept; `rolled_back`: the shard never was, or no longer is, there."""
    position: ShardPosition
    """Where this page ends."""
    incarnation: str
    more: bool = False
    items: list[CommitItem] = field(default_factory=list)


ReadPast = Callable[[SessionKey, EventQuery], Awaitable[EventPage]]
Commits = dict[int, tuple[int, int]]
"""Commits of one session: by revision, the sequence number and the time."""


class CommitLog:
    """The commit logs of all shards."""

    def __init__(self, calls: Calls, keyspace: Keyspace) -> None:
        self._calls = calls
        self._keys = keyspace
        self.past: ReadPast | None = None
        """Reads events that the store itself keeps no more; may raise NotFoundError, or that it is away."""

    @property
    def shards(self) -> list[ShardKeys]:
        return self._keys.shards

    def shard_of(self, key: SessionKey) -> ShardKeys:
        return self._keys.session(key).shard

    async def position(self, shard: ShardKeys) -> tuple[str, ShardPosition]:
        """(incarnation, position of the last commit); the incarnation is empty when the shard's data was lost and not
        opened anew yet."""
        command = scripts.POSITION.call(shard.incarnation, shard.log, shard.tag)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
        return reply[1].decode(), shard_position(int(reply[2]), int(reply[3]))

    async def fix_shards(self) -> tuple[int, str]:
        """Fixes the number of shards and the format if the store has none; returns what it has."""
        meta, name = self._keys.meta, "meta"
        command = scripts.META.call(meta.tag, name, len(self._keys.shards), FORMAT)
        reply = await self._calls.run(meta, command, name.encode(), write=True)
        return int(reply[1]), reply[2].decode()

    async def reopen(self, shard: ShardKeys) -> None:
        """Gives a shard that lost its data a new incarnation, so that cursors of the lost one are told."""
        log.error("a shard of the store lost its data and begins anew", shard=shard.number)
        await self.fix_shards()
        command = scripts.OPEN.call(
            shard.incarnation, shard.run, shard.lease, shard.log, shard.tag, secrets.token_hex(8), ""
        )
        await self._calls.run(shard, command, shard.tag.encode(), write=True)

    async def after(
        self, shard: ShardKeys, position: ShardPosition, wanted: frozenset[str] | None, *, past: bool = False
    ) -> CommitPage:
        """A page of commits strictly after `position`.

        Args:
            wanted: members whose events are read; None means all. Commits of others only advance the position.
            past: whether events that the store itself does not keep any more are read where they are; else the page is
                `too_old`.
        """
        command = scripts.COMMITS.call(shard.log, shard.incarnation, shard.tag, *position, PAGE)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
        last = shard_position(int(reply[2]), int(reply[3]))
        page = CommitPage(reply[1].decode(), last, reply[4].decode())
        if page.state != "ok" or not reply[5]:
            return page
        spans: dict[str, Commits] = {}
        departures: list[CommitItem] = []
        for entry_id, fields in reply[5]:
            page.position = shard_position(int(entry_id[2:]), int(fields[5]))
            member, revision = fields[1].decode(), int(fields[3])
            if wanted is not None and member not in wanted:
                continue
            if len(fields) > 6:
                key, uid = _key(member), fields[7].decode()
                if fields[6] == b"a":
                    departures.append((page.position, key, ArchivedSession(key.session_id, uid, revision)))
                    continue
                departures.append((page.position, key, DeletedSession(key.session_id, uid, revision)))
                spans.pop(member, None)  # its events went with it
            else:
                spans.setdefault(member, {})[revision] = page.position.sequence, int(fields[5])
        page.more = page.position.sequence < last.sequence
        items = await self._items(shard, spans, past=past)
        if items is None:
            return CommitPage("too_old", last, page.incarnation)
        page.items = sorted(items + departures, key=lambda item: item[0].sequence)
        return page

    async def _items(self, shard: ShardKeys, spans: dict[str, Commits], *, past: bool) -> list[CommitItem] | None:
        found: list[CommitItem] = []
        for member, commits in spans.items():
            key = _key(member)
            events = await self._read(shard, key, commits)
            if events is None and past and self.past:
                events = await self._read_past(self.past, key, commits)
            if events is None:
                return None
            # Another session of this id may have the same revisions.
            mine = [event for event in events if commits.get(event.revision) == (event.sequence, event.commit_us)]
            found += [(shard_position(event.sequence, event.commit_us), key, event) for event in mine]
        return found

    async def _read(self, shard: ShardKeys, key: SessionKey, commits: Commits) -> list[StoredEvent] | None:
        """The session's events from the first to the last of `commits`; nothing when the session was deleted, None when
        they are no longer kept."""
        keys = self._keys.session(key)
        events: list[StoredEvent] = []
        after, before = min(commits) - 1, max(commits) + 1
        while True:
            query = EventQuery(after=after, before=before, count=PAGE)
            reply = await self._calls.run(shard, events_command(keys, query), keys.member.encode(), write=False)
            if reply[1] == b"deleted":
                return events
            if reply[1] != b"ok" or int(reply[6]) > after + 1:
                return None
            page = parse_page(reply, key, query)
            events += page.events
            if not page.more:
                return events
            after = page.scanned

    async def _read_past(self, read: ReadPast, key: SessionKey, commits: Commits) -> list[StoredEvent]:
        """The same where sessions go that leave the store; nothing when the session is gone for good."""
        events: list[StoredEvent] = []
        after, before = min(commits) - 1, max(commits) + 1
        try:
            while True:
                page = await read(key, EventQuery(after=after, before=before, count=PAGE))
                for event in page.events:
                    sequence, _ = commits.get(event.revision, (0, 0))
                    events.append(replace(event, sequence=sequence, wire=None))
                if not page.more:
                    return events
                after = page.scanned
        except NotFoundError:
            return []


def _key(member: str) -> SessionKey:
    tenant, _, session_id = member.partition("/")
    return SessionKey(tenant, session_id)
