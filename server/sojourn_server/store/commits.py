"""Reading what was committed in a shard: its position, and the events after a sequence number."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import structlog

from ..domain.cursor import ShardPosition, shard_position
from ..domain.events import StoredEvent
from ..domain.session import SessionKey
from ..ports import DeletedSession, EventQuery
from . import scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .reading import events_command, parse_page

log = structlog.get_logger()

PAGE = 500

FORMAT = "1"
"""Version of the layout in `keys.py`; a store of another format is refused."""

CommitItem = tuple[ShardPosition, SessionKey, StoredEvent | DeletedSession]
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


class CommitLog:
    """The commit logs of all shards."""

    def __init__(self, calls: Calls, keyspace: Keyspace) -> None:
        self._calls = calls
        self._keys = keyspace

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
        command = scripts.OPEN.call(shard.incarnation, shard.run, shard.lease, shard.tag, secrets.token_hex(8), "")
        await self._calls.run(shard, command, shard.tag.encode(), write=True)

    async def after(self, shard: ShardKeys, position: ShardPosition, wanted: frozenset[str] | None) -> CommitPage:
        """A page of commits strictly after `position`.

        Args:
            wanted: members whose events are read; None means all. Commits of others only advance the position.
        """
        command = scripts.COMMITS.call(shard.log, shard.incarnation, shard.tag, *position, PAGE)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
        last = shard_position(int(reply[2]), int(reply[3]))
        page = CommitPage(reply[1].decode(), last, reply[4].decode())
        if page.state != "ok" or not reply[5]:
            return page
        spans: dict[str, list[int]] = {}
        deletions: list[CommitItem] = []
        for entry_id, fields in reply[5]:
            page.position = shard_position(int(entry_id[2:]), int(fields[5]))
            member, revision = fields[1].decode(), int(fields[3])
            if wanted is not None and member not in wanted:
                continue
            if len(fields) > 6:
                key = _key(member)
                deletions.append((page.position, key, DeletedSession(key.session_id, fields[7].decode(), revision)))
                spans.pop(member, None)  # its events went with it
            else:
                spans.setdefault(member, []).append(revision)
        page.more = page.position.sequence < last.sequence
        items = await self._items(shard, position.sequence, page.position.sequence, spans)
        if items is None:
            return CommitPage("too_old", last, page.incarnation)
        page.items = sorted(items + deletions, key=lambda item: item[0].sequence)
        return page

    async def _items(
        self, shard: ShardKeys, low: int, high: int, spans: dict[str, list[int]]
    ) -> list[CommitItem] | None:
        found: list[CommitItem] = []
        for member, revisions in spans.items():
            key = _key(member)
            events = await self._read(shard, key, revisions)
            if events is None:
                return None
            found += [(shard_position(e.sequence, e.commit_us), key, e) for e in events if low < e.sequence <= high]
        return found

    async def _read(self, shard: ShardKeys, key: SessionKey, revisions: list[int]) -> list[StoredEvent] | None:
        """The session's events from the first to the last of `revisions`; nothing when the session is gone, None when
        they were trimmed."""
        keys = self._keys.session(key)
        events: list[StoredEvent] = []
        after, before = min(revisions) - 1, max(revisions) + 1
        while True:
            query = EventQuery(after=after, before=before, count=PAGE)
            reply = await self._calls.run(shard, events_command(keys, query), keys.member.encode(), write=False)
            if reply[1] == b"too_old" or (reply[1] == b"ok" and int(reply[6]) > after + 1):
                return None
            if reply[1] != b"ok":
                return events
            page = parse_page(reply, key, query)
            events += page.events
            if not page.more:
                return events
            after = page.scanned


def _key(member: str) -> SessionKey:
    tenant, _, session_id = member.partition("/")
    return SessionKey(tenant, session_id)
