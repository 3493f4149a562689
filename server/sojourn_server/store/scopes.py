"""Slots that requests of many sessions share: the ScopeStore port on Redis or Valkey.

A scope is one hash and three sorted sets, all in its shard:

    scope    size (pools alone), used (slots held), token (the last one), turn (counts arrivals and turns);
             `<holder>`: `h|<lease ms>|<slot>|<token>` or `w|<lease ms>|<line>|<arrival>`;
             `<line>`: how many wait in it
    waiting  `<line>|<arrival>|<holder>`, all with score 0: ordered by name. A line is what one user waits for with one
             priority: `<9 - priority>|<digest of the user>`
    turns    the lines that are not empty, by priority and then by whose turn is next
    free     slots of a pool that were held and came back

The next to be served is the earliest arrival of the first line, which then goes to the end of its priority.
"""

from __future__ import annotations

import asyncio

from ..domain.errors import LimitExceededError, NotFoundError
from ..domain.requests import (
    SCOPE_MARGIN_MS,
    Grant,
    Pool,
    PoolSlot,
    RequestKey,
    Scope,
    ScopeKind,
    digest,
    parse_holder,
)
from . import scope_scripts as scripts
from .calls import Calls
from .keys import Keyspace, ScopeKeys
from .scripts import Command
from .wire import Reply


class RedisScopes:
    """The contract of each method is `ports.ScopeStore`'s."""

    def __init__(self, calls: Calls, keyspace: Keyspace) -> None:
        self._calls = calls
        self._keys = keyspace

    async def take(
        self, scope: Scope, key: RequestKey, *, limit: int, priority: int, user_id: str, lease_ms: int, wait: bool,
        max_queued: int,
    ) -> Grant:  # fmt: skip
        keys = self._keys.scope(scope.path)
        command = scripts.TAKE.call(
            *_of(keys), keys.path, key.holder, _is_pool(scope.kind), limit, 9 - priority, digest(user_id),
            lease_ms + SCOPE_MARGIN_MS, int(wait), max_queued,
        )  # fmt: skip
        reply = await self._run(keys, command)
        match reply[1]:
            case b"held":
                return Grant(PoolSlot(int(reply[2]), int(reply[3])))
            case b"waits":
                return Grant(None, int(reply[2]))
            case b"missing":
                raise NotFoundError.pool(scope.name)
            case b"full":
                raise LimitExceededError(scope.kind.limit_name, int(reply[2]))
            case b"crowded":
                raise LimitExceededError("queued_requests", max_queued)
        raise ValueError(f"unknown answer of a script: {reply[1]!r}")

    async def release(self, scope: Scope, key: RequestKey, *, limit: int) -> list[RequestKey]:
        return await self._release(scope.path, scope.kind, key, limit, lapsed=False)

    async def reclaim(self, path: str, key: RequestKey, *, limit: int) -> list[RequestKey]:
        kind = ScopeKind(int(path.partition("/")[2].partition(":")[0]))
        return await self._release(path, kind, key, limit, lapsed=True)

    async def set_pool(self, tenant: str, name: str, size: int) -> tuple[Pool, list[RequestKey]]:
        keys = self._keys.scope(Scope(ScopeKind.POOL, tenant, name).path)
        granted: list[RequestKey] = []
        new_size: int | str = size
        while True:
            reply = await self._run(keys, scripts.SET_POOL.call(*_of(keys), keys.path, new_size, 1, 0, ""))
            granted += [parse_holder(holder.decode()) for holder in reply[5]]
            if not reply[4]:
                break
            new_size = ""
        pool = _pool(name, reply)
        await self._register(tenant, pool, keys)
        return pool, granted

    async def pools(self, tenant: str) -> list[Pool]:
        meta, registry = self._keys.meta, self._keys.pools(tenant)
        reply = await self._calls.run(meta, scripts.POOLS.call(registry, registry), registry.encode(), write=False)
        found = await asyncio.gather(*(self._pool(tenant, name.decode()) for name in reply[1]))
        return sorted(pool for pool in found if pool.size)

    async def spend(self, name: str, *, rate: float, burst: int) -> float:
        shard, bucket = self._keys.bucket(name)
        command = scripts.SPEND.call(bucket, name, repr(rate), burst)
        reply = await self._calls.run(shard, command, name.encode(), write=True)
        return 0.0 if reply[1] == b"ok" else float(reply[2])

    async def _release(
        self, path: str, kind: ScopeKind, key: RequestKey, limit: int, *, lapsed: bool
    ) -> list[RequestKey]:
        keys = self._keys.scope(path)
        command = scripts.RELEASE.call(*_of(keys), path, key.holder, _is_pool(kind), limit, int(lapsed))
        reply = await self._run(keys, command)
        return [parse_holder(holder.decode()) for holder in reply[1]]

    async def _register(self, tenant: str, pool: Pool, keys: ScopeKeys) -> None:
        """Lists the pool, or lists it no more. Somebody else may set it at the same time, so what it is now counts."""
        meta, registry = self._keys.meta, self._keys.pools(tenant)
        there = pool.size > 0
        for _ in range(10):
            command = scripts.REGISTER_POOL.call(registry, registry, pool.name, int(there))
            await self._calls.run(meta, command, registry.encode(), write=True)
            now = (await self._pool(tenant, pool.name)).size > 0
            if now == there:
                return
            there = now

    async def _pool(self, tenant: str, name: str) -> Pool:
        keys = self._keys.scope(Scope(ScopeKind.POOL, tenant, name).path)
        command = scripts.POOL.call(keys.scope, keys.waiting, keys.path)
        return _pool(name, await self._calls.run(keys.shard, command, keys.path.encode(), write=False))

    async def _run(self, keys: ScopeKeys, command: Command) -> Reply:
        return await self._calls.run(keys.shard, command, keys.path.encode(), write=True)


def _of(keys: ScopeKeys) -> tuple[str, ...]:
    """The keys of the scripts, in their order."""
    return keys.scope, keys.turns, keys.waiting, keys.free, keys.shard.lease


def _is_pool(kind: ScopeKind) -> int:
    return int(kind is ScopeKind.POOL)


def _pool(name: str, reply: Reply) -> Pool:
    return Pool(name, int(reply[1]), int(reply[2]), int(reply[3]))
