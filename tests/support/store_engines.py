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

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """`run` for whoever has a loop of its own."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class StoreEngine:
    """A running engine: its store URL, and clients of every primary.

    Its own clients live in the engines' loop as long as it does: making them takes longer than what they are for.
    """

    def __init__(self, name: str, url: str, primaries: list[str], thread: LoopThread) -> None:
        self.name = name
        self.url = url
        self._primaries = primaries
        self._thread = thread
        self._clients: dict[bool, list[Redis]] = {}

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[list[Redis]]:
        """A client without retries of every primary, for the caller's loop."""
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(client) for client in self._make(decode=True)]

    async def close(self) -> None:
        """Closes its own clients; in the engines' loop."""
        for client in (client for clients in self._clients.values() for client in clients):
            await client.aclose()

    async def everywhere(self, *command: Any) -> list[Any]:
        """Runs a command on every primary."""

        async def run() -> list[Any]:
            return [await client.execute_command(*command) for client in self._own()]

        return await self._thread.call(run())

    async def at_owner(self, *command: Any, decode: bool = True) -> Any:
        """Runs a command on the primary that serves its key."""

        async def run() -> Any:
            for client in self._own(decode=decode):
                with contextlib.suppress(MovedError):
                    return await client.execute_command(*command)
            raise AssertionError(f"nobody serves {command}")

        return await self._thread.call(run())

    async def connections(self) -> int:
        """Connections of stores that are open now."""

        async def run() -> int:
            lists = [await client.client_list() for client in self._own()]
            return sum(connection["name"] == "sojourn" for connections in lists for connection in connections)

        return await self._thread.call(run())

    async def leaked_keys(self) -> list[str]:
        """Keys that neither run out nor may stay for ever."""

        async def run() -> list[str]:
            leaked: list[str] = []
            for client in self._own():
                keys = [key async for key in client.scan_iter(count=10_000) if not PERMANENT.fullmatch(key)]
                pipeline = client.pipeline(transaction=False)
                for key in keys:
                    pipeline.pttl(key)
                leaked += [key for key, ttl in zip(keys, await pipeline.execute(), strict=True) if ttl == -1]
            return leaked

        return await self._thread.call(run())

    def _own(self, *, decode: bool = True) -> list[Redis]:
        if decode not in self._clients:
            self._clients[decode] = self._make(decode=decode)
        return self._clients[decode]

    def _make(self, *, decode: bool) -> list[Redis]:
        # What a connection says of its driver takes more time than what it is made for.
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 5, "driver_info": None}
        return [from_url(url, decode_responses=decode, **options) for url in self._primaries]

    @asynccontextmanager
    async def forgetting(self, keys: SessionKeys) -> AsyncIterator[None]:
        """What is written to a session inside is lost at the end, as by a failover to a replica that lagged."""
        names = (keys.head, keys.events, keys.shard.log)
        kept = [await self.at_owner("DUMP", name, decode=False) for name in names]
        yield
        for name, dump in zip(names, kept, strict=True):
            await self.at_owner("RESTORE", name, 0, dump, "REPLACE")


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
            self._running[name] = self._thread.run(self._start(name))
        return self._running[name]

    def close(self) -> None:
        self._thread.run(self._stack.aclose())

    async def _start(self, name: str) -> StoreEngine:
        engine = StoreEngine(name, *await _START[name](self._stack), self._thread)
        self._stack.push_async_callback(engine.close)
        return engine


# Each gives the store URL, and those of the primaries.


async def _embedded(stack: contextlib.AsyncExitStack) -> tuple[str, list[str]]:
    directory = Path(tempfile.mkdtemp(prefix="sojourn-contract-"))
    stack.callback(shutil.rmtree, directory, ignore_errors=True)
    engine = await stack.enter_async_context(EmbeddedEngine(directory))
    return engine.url, [engine.url]


async def _redis(stack: contextlib.AsyncExitStack) -> tuple[str, list[str]]:
    server: AbstractAsyncContextManager[RedisProcess] = RedisProcess(tcp=True)
    engine = await stack.enter_async_context(server)
    return engine.url, [engine.url]


async def _cluster(stack: contextlib.AsyncExitStack) -> tuple[str, list[str]]:
    cluster = await stack.enter_async_context(ValkeyCluster())
    return cluster.url, [(await cluster.primary(shard)).url for shard in range(cluster.shards)]


_START = {"embedded": _embedded, "redis": _redis, "cluster": _cluster}
