"""Who is connected, and which sessions a user has: the Occupancy port on Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..domain.errors import LimitExceededError
from ..domain.session import SessionKey
from . import scope_scripts as scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .reading import read_command

LISTED = 1_000
"""Places listed to somebody who found none, at least: a lowered limit leaves more of them than it allows."""


class RedisOccupancy:
    """The contract of each method is `ports.Occupancy`'s. Names of workers hold no white space."""

    def __init__(self, calls: Calls, keyspace: Keyspace) -> None:
        self._calls = calls
        self._keys = keyspace

    async def connected(self, worker: str, counts: Iterable[tuple[SessionKey, int]], *, lease_ms: int) -> None:
        by_shard: dict[ShardKeys, list[str | int]] = defaultdict(list)
        for key, count in counts:
            keys = self._keys.session(key)
            by_shard[keys.shard] += [keys.member, count]
        calls = (self._connected(shard, worker, lease_ms, flat) for shard, flat in by_shard.items())
        await asyncio.gather(*calls)

    async def enroll(self, key: SessionKey, user_id: str, *, limit: int, grace_ms: int) -> list[SessionKey]:
        """As the port says; young places are listed when their sessions are there.

        Raises:
            LimitExceededError: `sessions_per_user`, when all places are of sessions that may be being created.
        """
        shard, places = self._keys.places(key.tenant, user_id)
        command = scripts.ENROLL.call(places, places, key.session_id, limit, grace_ms, max(limit, LISTED))
        reply = await self._calls.run(shard, command, places.encode(), write=True)
        if reply[1] == b"enrolled":
            return []
        old, young = ([SessionKey(key.tenant, session_id.decode()) for session_id in listed] for listed in reply[2:])
        there = await asyncio.gather(*(self._exists(one) for one in young))
        holders = old + [one for one, exists in zip(young, there, strict=True) if exists]
        if not holders:  # all are being created: there is nothing to look at
            raise LimitExceededError("sessions_per_user", limit)
        return holders

    async def withdraw(self, user_id: str, keys: Sequence[SessionKey]) -> None:
        if not keys:
            return
        shard, places = self._keys.places(keys[0].tenant, user_id)
        command = scripts.WITHDRAW.call(places, places, *(key.session_id for key in keys))
        await self._calls.run(shard, command, places.encode(), write=True)

    async def _exists(self, key: SessionKey) -> bool:
        keys = self._keys.session(key)
        reply = await self._calls.run(keys.shard, read_command(keys, full=False), keys.member.encode(), write=False)
        return bool(reply[1] == b"ok")

    async def _connected(self, shard: ShardKeys, worker: str, lease_ms: int, flat: list[str | int]) -> None:
        command = scripts.CONNECTED.call(shard.connections, shard.workers, shard.tag, worker, lease_ms, *flat)
        await self._calls.run(shard, command, shard.tag.encode(), write=True)
