"""Sessions whose catalog rows are behind: the Outbox port on Redis or Valkey."""

from __future__ import annotations

import asyncio

from ..domain.session import SessionKey
from ..ports.outbox import Backlog
from . import outbox_scripts as scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .wire import Reply

MOST = 1_000_000
"""More than any shard has."""


class RedisOutbox:
    """The contract of each method is `ports.Outbox`'s.

    Args:
        keep: events of a session that stay in its log though the catalog has them.
    """

    def __init__(self, calls: Calls, keyspace: Keyspace, *, keep: int) -> None:
        self._calls = calls
        self._keys = keyspace
        self._keep = keep

    async def take(self, worker: str, *, lease_ms: int, count: int) -> tuple[list[SessionKey], Backlog]:
        replies = await self._ask(worker, lease_ms, count)
        keys = [key for reply in replies for key in _members(reply)]
        return keys, _backlog(replies)

    async def of_tenant(self, tenant: str) -> list[SessionKey]:
        replies = await self._ask("", 0, MOST)
        return [key for reply in replies for key in _members(reply) if key.tenant == tenant]

    async def projected(self, key: SessionKey, uid: str, revision: int) -> bool:
        return await self._projected(key, uid, revision, gone=False)

    async def forgotten(self, key: SessionKey) -> bool:
        return await self._projected(key, "", 0, gone=True)

    async def backlog(self) -> Backlog:
        return _backlog(await self._ask("", 0, 1))

    async def _projected(self, key: SessionKey, uid: str, revision: int, *, gone: bool) -> bool:
        keys = self._keys.session(key)
        command = scripts.PROJECTED.call(
            keys.head, keys.events, keys.shard.dirty, keys.member, uid, revision, self._keep, int(gone)
        )
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        return bool(reply[1] == b"ok")

    async def _ask(self, worker: str, lease_ms: int, count: int) -> list[Reply]:
        replies = await asyncio.gather(
            *(self._ask_shard(shard, worker, lease_ms, count) for shard in self._keys.shards)
        )
        return [reply for reply in replies if reply[1] == b"ok"]

    async def _ask_shard(self, shard: ShardKeys, worker: str, lease_ms: int, count: int) -> Reply:
        command = scripts.OUTBOX.call(shard.dirty, shard.projector, shard.tag, worker, lease_ms, count)
        return await self._calls.run(shard, command, shard.tag.encode(), write=bool(worker))


def _members(reply: Reply) -> list[SessionKey]:
    found = []
    for member in reply[3][::2]:
        tenant, _, session_id = member.decode().partition("/")
        found.append(SessionKey(tenant, session_id))
    return found


def _backlog(replies: list[Reply]) -> Backlog:
    waits = [int(reply[2]) - float(reply[3][1]) for reply in replies if reply[3]]
    return Backlog(sum(int(reply[4]) for reply in replies), max(waits, default=0.0))
