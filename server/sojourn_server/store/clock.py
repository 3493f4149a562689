"""The store's clock."""

from __future__ import annotations

from .calls import Calls
from .keys import Keyspace
from .scripts import Script

CLOCK = Script("clock", keys=("shard_incarnation",), args=("name",))


class RedisClock:
    """The time by the engine's clock."""

    def __init__(self, calls: Calls, keyspace: Keyspace) -> None:
        self._calls = calls
        self._shard = keyspace.shards[0]

    async def now_us(self) -> int:
        """Microseconds since the epoch. Raises StoreUnavailableError."""
        shard = self._shard
        reply = await self._calls.run(shard, CLOCK.call(shard.incarnation, shard.tag), shard.tag.encode(), write=False)
        return int(reply[1])
