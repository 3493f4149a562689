"""The engines the store's contract is tested on, kept running for many tests by an event loop of their own."""

import asyncio
import contextlib
import re
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from redis.asyncio import Redis, from_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError

from sojourn_server.store.engine import EmbeddedEngine
from sojourn_server.store.keys import SessionKeys

from .engines import RedisProcess, ValkeyCluster

T = TypeVar("T")

SHARDS = 16
"""Fewer than the default, so that a test opens and reads all of them at once."""

PERMANENT = re.compile(r"sj:\{(meta\}|\d{3}\}:(due|dirty|seq|log|inc|run|elsewhere|n:[^/]+))")
"""Keys that may stay for ever; of `store/keys.py`."""


class LoopThread:
    """An event loop in a thread: what lives longer than a test's own loop lives here."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engines", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` in the loop and waits for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


class StoreEngine:
    """A running engine: its store URL, and clients of every primary."""

    def __init__(self, name: str, url: str, primaries: list[str]) -> None:
        self.name = name
        self.url = url
        self._primaries = primaries

    @asynccontextmanager
    async def clients(self, *, decode: bool = True) -> AsyncIterator[list[Redis]]:
        """A client without retries of every primary."""
        # What a connection says of its driver takes more time than what it is made for.
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 5, "driver_info": None}
        async with contextlib.AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(from_url(url, decode_responses=decode, **options))
                for url in self._primaries
            ]

    async def everywhere(self, *command: Any) -> list[Any]:
        """Runs a command on every primary."""
        async with self.clients() as clients:
            return [await client.execute_command(*command) for client in clients]

    async def at_owner(self, *command: Any, decode: bool = True) -> Any:
        """Runs a command on the primary that serves its key."""
        async with self.clients(decode=decode) as clients:
            for client in clients:
                with contextlib.suppress(MovedError):
                    return await client.execute_command(*command)
        raise AssertionError(f"nobody serves {command}")

    @asynccontextmanager
    async def forgetting(self, keys: SessionKeys) -> AsyncIterator[None]:
        """What is written to a session inside is lost at the end, as by a failover to a replica that lagged."""
        names = (keys.head, keys.events, keys.shard.log)
        kept = [await self.at_owner("DUMP", name, decode=False) for name in names]
        yield
        for name, dump in zip(names, kept, strict=True):
            await self.at_owner("RESTORE", name, 0, dump, "REPLACE")

    async def leaked_keys(self) -> list[str]:
        """`leaked_keys`, by clients of its own."""
        async with self.clients() as clients:
            return await leaked_keys(clients)


async def connections(clients: list[Redis]) -> int:
    """Connections of stores that are open now."""
    lists = [await client.client_list() for client in clients]
    return sum(connection["name"] == "sojourn" for connections in lists for connection in connections)


async def leaked_keys(clients: list[Redis]) -> list[str]:
    """Keys that neither run out nor may stay for ever."""
    leaked: list[str] = []
    for client in clients:
        keys = [key async for key in client.scan_iter(count=10_000) if not PERMANENT.fullmatch(key)]
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.pttl(key)
        leaked += [key for key, ttl in zip(keys, await pipeline.execute(), strict=True) if ttl == -1]
    return leaked


class StoreEngines:
    """Starts each engine when it is first asked for; all end together."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._stack = contextlib.AsyncExitStack()
        self._running: dict[str, StoreEngine] = {}

    def get(self, name: str) -> StoreEngine:
        """`embedded`, `cluster` or `redis`; skips the test where redis-server is not installed."""
        if name not in self._running:
            if name == "redis":
                RedisProcess.binary()
            self._running[name] = self._thread.run(_START[name](self._stack))
        return self._running[name]

    def close(self) -> None:
        self._thread.run(self._stack.aclose())


async def _embedded(stack: contextlib.AsyncExitStack) -> StoreEngine:
    directory = Path(tempfile.mkdtemp(prefix="sojourn-contract-"))
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    engine = await stack.enter_async_context(EmbeddedEngine(directory))
    return StoreEngine("embedded", engine.url, [engine.url])


async def _redis(stack: contextlib.AsyncExitStack) -> StoreEngine:
    server: AbstractAsyncContextManager[RedisProcess] = RedisProcess(tcp=True)
    engine = await stack.enter_async_context(server)
    return StoreEngine("redis", engine.url, [engine.url])


async def _cluster(stack: contextlib.AsyncExitStack) -> StoreEngine:
    cluster = await stack.enter_async_context(ValkeyCluster())

    return StoreEngine("cluster", cluster.url, [(await cluster.primary(shard)).url for shard in range(cluster.shards)])


_START = {"embedded": _embedded, "redis": _redis, "cluster": _cluster}
