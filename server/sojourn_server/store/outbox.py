"""Sessions whose catalog rows are behind: the Outbox port on Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..domain.session import SessionKey
from ..ports.outbox import Backlog, Standing
from . import outbox_scripts as scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .scripts import Command
from .wire import Reply


class RedisOutbox:
    """The contract of each method is `ports.Outbox`'s.

    Args:
        keep: events of a session that stay in its log though the catalog has them.
        cluster: whether shards may be on different nodes.
    """

    def __init__(self, calls: Calls, keyspace: Keyspace, *, keep: int, cluster: bool) -> None:
        self._calls = calls
        self._keys = keyspace
        self._keep = keep
        self._cluster = cluster

    async def take(self, worker: str, *, lease_ms: int, count: int) -> tuple[list[SessionKey], Backlog]:
        replies = await self._ask(worker, lease_ms, count)
        keys = [_key(member) for reply in replies for member in reply[3][::2]]
        return keys, _backlog(replies)

    async def leave(self, worker: str) -> None:
        await asyncio.gather(
            *(
                self._run_shard(shard, scripts.OUTBOX_LEAVE.call(shard.projector, shard.tag, worker), write=True)
                for shard in self._keys.shards
            )
        )

    async def of_tenant(self, tenant: str) -> list[SessionKey]:
        if await self._is_empty():
            return []
        replies = await asyncio.gather(
            *(
                self._run_shard(shard, scripts.OUTBOX_OF.call(shard.dirty, shard.tag, tenant), write=False)
                for shard in self._keys.shards
            )
        )
        return [_key(member) for reply in replies for member in reply[1]]

    async def standings(self, keys: Sequence[SessionKey]) -> list[Standing]:
        return list(await asyncio.gather(*map(self._standing, keys)))

    async def projected(self, key: SessionKey, uid: str, revision: int) -> bool:
        keys = self._keys.session(key)
        command = scripts.PROJECTED.call(
            keys.head, keys.events, keys.shard.dirty, keys.member, uid, revision, self._keep
        )
        reply = await self._run(key, command, write=True)
        return bool(reply[1] != b"other")

    async def forgotten(self, key: SessionKey, deleted: str) -> bool:
        keys = self._keys.session(key)
        command = scripts.FORGOTTEN.call(keys.head, keys.tombstone, keys.shard.dirty, keys.member, deleted)
        reply = await self._run(key, command, write=True)
        return bool(reply[1] == b"ok")

    async def postpone(self, key: SessionKey) -> None:
        keys = self._keys.session(key)
        await self._run(key, scripts.POSTPONE.call(keys.shard.dirty, keys.member), write=True)

    async def backlog(self) -> Backlog:
        return _backlog(await self._ask("", 0, 1))

    async def _standing(self, key: SessionKey) -> Standing:
        keys = self._keys.session(key)
        command = scripts.STANDING.call(keys.head, keys.tombstone, keys.shard.incarnation, keys.member)
        reply = await self._run(key, command, write=False)
        uid, deleted, incarnation = (value.decode() for value in reply[1:4])
        return Standing(uid, deleted, keys.shard.number, incarnation, (reply[4], reply[5].decode()) if uid else None)

    async def _is_empty(self) -> bool:
        """Whether nothing waits at all: asked all the time, and true most of it."""
        if self._cluster:
            return False  # one command reaches one slot: as many commands as shards, and then they may as well take
        return not await self._calls.count_existing(self._keys.shards, [shard.dirty for shard in self._keys.shards])

    async def _ask(self, worker: str, lease_ms: int, count: int) -> list[Reply]:
        if await self._is_empty():
            return []
        replies = await asyncio.gather(
            *(
                self._run_shard(
                    shard,
                    scripts.OUTBOX.call(shard.dirty, shard.projector, shard.tag, worker, lease_ms, count),
                    write=bool(worker),
                )
                for shard in self._keys.shards
            )
        )
        return [reply for reply in replies if reply[1] == b"ok"]

    async def _run(self, key: SessionKey, command: Command, *, write: bool) -> Reply:
        keys = self._keys.session(key)
        return await self._calls.run(keys.shard, command, keys.member.encode(), write=write)

    async def _run_shard(self, shard: ShardKeys, command: Command, *, write: bool) -> Reply:
        return await self._calls.run(shard, command, shard.tag.encode(), write=write)


def _key(member: bytes) -> SessionKey:
    tenant, _, session_id = member.decode().partition("/")
    return SessionKey(tenant, session_id)


def _backlog(replies: list[Reply]) -> Backlog:
    waits = [int(reply[2]) - float(reply[3][1]) for reply in replies if reply[3]]
    return Backlog(sum(int(reply[4]) for reply in replies), max(0.0, *waits) if waits else 0.0)
