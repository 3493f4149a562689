"""Which node serves which shard: one node for a single engine, the primaries of a cluster otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

import structlog
from redis import exceptions as rx
from redis.asyncio.connection import AbstractConnection

from ..domain.errors import SojournError, StoreUnavailableError
from .connections import Address, Connector
from .faults import redirected_to
from .keys import ShardKeys
from .link import Link
from .wire import EngineReplyError

log = structlog.get_logger()


class Nodes(Protocol):
    """The nodes of the store."""

    def link(self, shard: ShardKeys) -> Link:
        """The node that serves the shard. Raises StoreUnavailableError when none is known."""
        ...

    def connection(self, shard: ShardKeys) -> tuple[str, AbstractConnection]:
        """A new connection to the shard's node, and the node's name; for subscriptions."""
        ...

    async def redirected(self, error: EngineReplyError) -> Link | None:
        """Learns from a cluster's redirection; returns the node to ask once, None when the map says it now."""
        ...

    async def refresh(self) -> None:
        """Reads anew which node serves what."""
        ...

    def flush(self) -> None:
        """Sends what waits at any node to be sent together with more."""
        ...

    async def start(self, timeout: float) -> None: ...

    async def close(self) -> None: ...


class SingleNode:
    """One engine serves every shard."""

    def __init__(
        self, connector: Connector, on_connected: Callable[[Link], Awaitable[None]], call_timeout: float
    ) -> None:
        self._connector = connector
        self._link = Link(connector.name, connector.connection, on_connected=on_connected, call_timeout=call_timeout)

    def link(self, shard: ShardKeys) -> Link:
        return self._link

    def connection(self, shard: ShardKeys) -> tuple[str, AbstractConnection]:
        return self._connector.name, self._connector.connection()

    async def redirected(self, error: EngineReplyError) -> Link | None:
        return None

    async def refresh(self) -> None:
        return

    def flush(self) -> None:
        self._link.flush()

    async def start(self, timeout: float) -> None:
        self._link.start()
        await self._link.wait_up(timeout)

    async def close(self) -> None:
        await self._link.close()


class ClusterNodes:
    """The primaries of a Redis or Valkey Cluster.

    The map of slots is read at start, at every redirection, and when a node's link is down; links to nodes that
    lost their slots are closed.
    """

    def __init__(
        self, connector: Connector, on_connected: Callable[[Link], Awaitable[None]], call_timeout: float
    ) -> None:
        self._connector = connector
        self._on_connected = on_connected
        self._call_timeout = call_timeout
        self._links: dict[Address, Link] = {}
        self._owners: list[Address | None] = [None] * 16384
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshed_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    def link(self, shard: ShardKeys) -> Link:
        owner = self._owners[shard.slot]
        if owner is None:
            self._refresh_soon()
            raise StoreUnavailableError("no node of the cluster serves this session", cause="cluster_down")
        link = self._links[owner]
        if not link.up:
            self._refresh_soon()
        return link

    def connection(self, shard: ShardKeys) -> tuple[str, AbstractConnection]:
        owner = self._owners[shard.slot]
        if owner is None:
            raise StoreUnavailableError("no node of the cluster serves this session", cause="cluster_down")
        return str(owner), self._connector.connection(owner)

    async def redirected(self, error: EngineReplyError) -> Link | None:
        if error.code == "ASK":
            link = self._link_to(Address(*redirected_to(error)))
            await link.wait_up(self._call_timeout)
            return link
        await self.refresh()
        return None

    async def start(self, timeout: float) -> None:
        deadline = monotonic() + timeout
        while None in self._owners and monotonic() < deadline:
            await self.refresh()
            if None in self._owners:
                await asyncio.sleep(0.1)
        for link in list(self._links.values()):
            await link.wait_up(max(deadline - monotonic(), 0.1))

    def flush(self) -> None:
        for link in self._links.values():
            link.flush()

    async def refresh(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="cluster refresh")
        await asyncio.shield(self._refreshing)

    async def close(self) -> None:
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()), *self._closing)

    def _refresh_soon(self) -> None:
        if (self._refreshing is None or self._refreshing.done()) and monotonic() - self._refreshed_at > 0.2:
            self._refreshing = asyncio.create_task(self._refresh(), name="cluster refresh")

    async def _refresh(self) -> None:
        known = [address for address, link in self._links.items() if link.up]
        for address in dict.fromkeys([*known, *self._connector.seeds, *self._links]):
            try:
                owners = await self._ask(address)
            except (rx.RedisError, OSError, TimeoutError, SojournError) as error:
                log.debug("cluster node does not answer", node=str(address), error=str(error))
                continue
            self._adopt(owners)
            break
        self._refreshed_at = monotonic()

    async def _ask(self, address: Address) -> list[Address | None]:
        connection = self._connector.connection(address)
        try:
            async with asyncio.timeout(min(self._call_timeout, 2)):
                await connection.connect()
                await connection.send_command("CLUSTER", "SLOTS")
                ranges = await connection.read_response(disable_decoding=True)
        finally:
            await connection.disconnect(nowait=True)
        owners: list[Address | None] = [None] * 16384
        for first, last, (host, port, *_), *_ in ranges:
            owner = Address(host.decode() if host else address.host, port)
            owners[first : last + 1] = [owner] * (last - first + 1)
        return owners

    def _adopt(self, owners: list[Address | None]) -> None:
        self._owners = owners
        wanted = {owner for owner in owners if owner}
        for address in wanted:
            self._link_to(address)
        for address in self._links.keys() - wanted:
            closing = asyncio.create_task(self._links.pop(address).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _link_to(self, address: Address) -> Link:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(
                str(address),
                lambda: self._connector.connection(address),
                on_connected=self._on_connected,
                call_timeout=self._call_timeout,
            )
            link.start()
        return link
