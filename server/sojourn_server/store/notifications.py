"""Sharded pub/sub: who is told when a shard has a new commit. Only hints: nothing here is relied upon.

One connection per node carries the subscriptions of the shards it serves. After every confirmation of a
subscription the owner is told, because whatever was published before is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis import exceptions as rx
from redis.asyncio.connection import AbstractConnection

from ..domain.errors import SojournError
from .keys import ShardKeys
from .nodes import Nodes

log = structlog.get_logger()


class Notifications:
    """Subscriptions to the channels of shards, kept alive over reconnects and moves of shards between nodes.

    Args:
        on_message: called with (channel, payload) for every notification.
        on_subscribed: called with the channel whenever a subscription was confirmed, the first time and after every
            gap.
    """

    def __init__(
        self, nodes: Nodes, *, on_message: Callable[[bytes, bytes], None], on_subscribed: Callable[[bytes], None]
    ) -> None:
        self._nodes = nodes
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._wanted: dict[str, ShardKeys] = {}
        self._streams: dict[str, _Stream] = {}
        self._homes: dict[str, _Stream] = {}

    def subscribe(self, shard: ShardKeys) -> None:
        """Wants the shard's channel. Raises StoreUnavailableError when no node serves it at the moment."""
        self._wanted[shard.channel] = shard
        self._place(shard)

    def unsubscribe(self, shard: ShardKeys) -> None:
        self._wanted.pop(shard.channel, None)
        home = self._homes.pop(shard.channel, None)
        if home:
            home.remove(shard.channel)

    def renew(self, shard: ShardKeys) -> None:
        """The shard's channel is silent though there is news: subscribe anew, on another node if it has moved, else on
        another connection."""
        home = self._homes.pop(shard.channel, None)
        if home:
            home.remove(shard.channel)
        if shard.channel in self._wanted:
            self._place(shard)
            if self._homes[shard.channel] is home:
                home.reconnect()

    async def close(self) -> None:
        self._wanted.clear()
        await asyncio.gather(*(stream.close() for stream in self._streams.values()))
        self._streams.clear()

    def _place(self, shard: ShardKeys) -> None:
        name, _ = self._nodes.connection(shard)
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = _Stream(
                name, self._connection, self._on_message, self._on_subscribed, self._lost
            )
        self._homes[shard.channel] = stream
        stream.add(shard.channel)

    def _connection(self, stream: _Stream) -> AbstractConnection:
        """A connection to the stream's node; channels that another node serves now move there."""
        for channel in stream.channels:
            name, connection = self._nodes.connection(self._wanted[channel])
            if name == stream.name:
                return connection
            self.renew(self._wanted[channel])
        raise ConnectionError("the node serves none of the channels")

    def _lost(self, channel: bytes) -> None:
        """The node dropped a subscription of ours: the shard has moved."""
        shard = self._wanted.get(channel.decode())
        if shard:
            asyncio.get_running_loop().create_task(self._replace(shard))

    async def _replace(self, shard: ShardKeys) -> None:
        await self._nodes.refresh()
        try:
            self.renew(shard)
        except SojournError as error:
            log.debug("subscription waits for a node", shard=shard.number, error=error.message)


class _Stream:
    """The subscriptions at one node."""

    def __init__(
        self,
        name: str,
        connect: Callable[[_Stream], AbstractConnection],
        on_message: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[bytes], None],
        on_lost: Callable[[bytes], None],
    ) -> None:
        self.name = name
        self._connect = connect
        self._on_message, self._on_subscribed, self._on_lost = on_message, on_subscribed, on_lost
        self._channels: set[str] = set()
        self._changed = asyncio.Event()
        self._stale = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"subscriptions {name}")

    @property
    def channels(self) -> list[str]:
        """The channels that are wanted here."""
        return list(self._channels)

    def reconnect(self) -> None:
        """The connection is not to be trusted any more."""
        self._stale.set()

    def add(self, channel: str) -> None:
        self._channels.add(channel)
        self._changed.set()

    def remove(self, channel: str) -> None:
        self._channels.discard(channel)
        self._changed.set()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = 0.02
        while True:
            if not self._channels:
                self._changed.clear()
                await self._changed.wait()
            connection: AbstractConnection | None = None
            try:
                self._stale.clear()
                connection = self._connect(self)
                async with asyncio.timeout(5):
                    await connection.connect()
                delay = 0.02
                await self._serve(connection)
            except (rx.RedisError, OSError, SojournError, TimeoutError) as error:
                log.info("subscriptions lost", node=self.name, error=str(error) or type(error).__name__)
            finally:
                if connection:
                    await asyncio.shield(connection.disconnect(nowait=True))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)

    async def _serve(self, connection: AbstractConnection) -> None:
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._follow_wishes(connection), name=f"subscriber {self.name}"),
            asyncio.create_task(self._listen(connection), name=f"listener {self.name}"),
            asyncio.create_task(self._stale.wait(), name=f"suspicion {self.name}"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_wishes(self, connection: AbstractConnection) -> None:
        """Sends the difference between what is wanted and what was asked for; one channel a command, a cluster's
        slots differ."""
        asked: set[str] = set()
        while True:
            self._changed.clear()
            commands = [("SSUBSCRIBE", channel) for channel in self._channels - asked]
            commands += [("SUNSUBSCRIBE", channel) for channel in asked - self._channels]
            asked = set(self._channels)
            if commands:
                await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            await self._changed.wait()

    async def _listen(self, connection: AbstractConnection) -> None:
        while True:
            message = await connection.read_response(disable_decoding=True, disconnect_on_error=False)
            kind = message[0]
            if kind == b"smessage":
                self._on_message(message[1], message[2])
            elif kind == b"ssubscribe":
                self._on_subscribed(message[1])
            elif kind == b"sunsubscribe" and message[1].decode() in self._channels:
                self._channels.discard(message[1].decode())
                self._on_lost(message[1])
