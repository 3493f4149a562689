"""Connections to the service: one for each server and event loop, open while anybody uses it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from .. import embedded
from ..client import TARGET_VARIABLE, Client
from ..config import TLS


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sessions are.

    target: None: the environment's SOJOURN_TARGET, else what answers at `localhost:7431`, else the embedded server of
        `memory_dir`.
    """

    target: str | None
    memory_dir: Path
    api_key: str | None = None
    tls: TLS | bool | None = None


@dataclass(slots=True)
class _Connection:
    users: int = 0
    client: Client | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Place, _Connection]] = WeakKeyDictionary()
_held: dict[Path, embedded.EmbeddedServer] = {}


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Client]:
    """A connection, shared with whoever else in this loop uses the same place, and closed by the last.

    Raises ServerUnreachableError and EmbeddedServerError.
    """
    place = replace(place, target=place.target or os.environ.get(TARGET_VARIABLE))
    connections = _connections.setdefault(asyncio.get_running_loop(), {})
    connection = connections.setdefault(place, _Connection())
    connection.users += 1
    try:
        async with connection.turn:
            client = connection.client or await _connect(place, connection.stack)
            connection.client = client
        yield client
    finally:
        connection.users -= 1
        if not connection.users:
            # Whoever comes while it is closed gets another.
            del connections[place]
            await connection.stack.aclose()


class Connected:
    """What is connected while it works, or from the beginning to the end of an `async with` block.

    client: a connection to use instead.
    """

    def __init__(self, place: Place, client: Client | None) -> None:
        self._place = place
        self._given = client
        self._kept: AsyncExitStack | None = None
        self._connection: Client | None = None

    async def __aenter__(self) -> Self:
        self._kept = AsyncExitStack()
        self._connection = await self._kept.enter_async_context(self._connected())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection = None
        if self._kept is not None:
            await self._kept.aclose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        ready = self._given or self._connection
        if ready is not None:
            yield ready
            return
        async with connected(self._place) as client:
            yield client


async def _connect(place: Place, stack: AsyncExitStack) -> Client:
    target = await stack.enter_async_context(embedded.resolve(place.target, data_dir=place.memory_dir))
    if place.target is None:
        await _hold(place.memory_dir, target)
    client = Client(target, api_key=place.api_key, tls=place.tls, writer="qa")
    return await stack.enter_async_context(client)


async def _hold(memory_dir: Path, target: str) -> None:
    """Keep an embedded server for as long as this process lives: the next test needs it, too."""
    if any(held.target == target for held in _held.values()) or embedded.find(memory_dir) != target:
        return
    held = _held.setdefault(memory_dir, embedded.EmbeddedServer(memory_dir))
    await asyncio.to_thread(held.start)


def let_go(memory_dir: Path) -> None:
    """Use the embedded server of a directory no more; none is no error."""
    held = _held.pop(memory_dir.absolute(), None)
    if held is not None:
        held.stop()
