"""The composition root: the only place where ports meet their adapters."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import structlog

from .domain.errors import SojournError
from .domain.limits import Limits
from .rpc.chain import Activity, default_chain
from .rpc.changes import ProtoCodec
from .rpc.outlets import Outlets
from .rpc.server import GrpcServer
from .rpc.session_service import SessionServicer
from .settings import Settings
from .store.durability import DurabilityPolicy
from .store.engine import EmbeddedEngine
from .store.engine_errors import EngineError
from .store.opening import Store, StoreMismatchError, StoreSettings, open_store
from .store.taps import TapLimits
from .store.writing import WriteSettings
from .usecases.history import History
from .usecases.sessions import Sessions
from .usecases.watching import Watching

log = structlog.get_logger()

HEALTH_SECONDS = 1.0

START_ERRORS = (EngineError, StoreMismatchError, SojournError, OSError, RuntimeError, ValueError)
"""What can keep a server from starting; each message is for the person at the terminal."""


def embedded_engine(settings: Settings) -> EmbeddedEngine:
    """The engine of a server that was given none; start it before its workers."""
    return EmbeddedEngine(
        None if settings.ephemeral else settings.data_dir,
        binary=settings.engine_binary,
        maxmemory=settings.engine_memory,
        start_timeout=settings.start_timeout,
    )


class SystemClock:
    """The ClockPort of this machine."""

    def seconds(self) -> int:
        return int(time.time())


class Worker:
    """One serving process: an open store, its hub, a gRPC server. An async context manager, used once.

    Args:
        settings: the server's settings.
        store_url: where the engine is.
        reuse_port: whether other workers share the port.
    """

    def __init__(self, settings: Settings, store_url: str, *, reuse_port: bool = False) -> None:
        self._settings = settings
        self._store_url = store_url
        self._reuse_port = reuse_port
        self._stack = AsyncExitStack()
        self.store: Store
        self.server: GrpcServer
        self.port = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.store = await open_store(_store_settings(self._settings, self._store_url), stack)
            self.server = self._server(self.store)
            self.port = await self.server.start(self._settings.listen)
            stack.push_async_callback(self._drain)
            await self.server.set_serving(True)
            health = asyncio.create_task(self._follow_health(), name="health")
            stack.push_async_callback(_end, health)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _server(self, store: Store) -> GrpcServer:
        limits = Limits(state_bytes=self._settings.max_state_bytes)
        servicer = SessionServicer(
            store=store.active,
            sessions=Sessions(store.active, ProtoCodec(), SystemClock()),
            history=History(store.active),
            watching=Watching(store.active, store.hub),
            outlets=Outlets(self._settings.watch_write_seconds),
            limits=limits,
            shards=self._settings.shards,
        )
        activity = Activity()
        return GrpcServer(
            servicer, default_chain(activity), activity, reflect=self._settings.reflection, reuse_port=self._reuse_port
        )

    async def _drain(self) -> None:
        log.info("draining", grace=self._settings.grace_seconds)
        self.store.hub.drain()
        await self.server.drain(self._settings.grace_seconds)
        log.info("drained")

    async def _follow_health(self) -> None:
        """Health says what the store can do."""
        serving = True
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            answers = await self.store.answers()
            if answers != serving:
                serving = answers
                log.warning("store is back" if serving else "store is away")
                await self.server.set_serving(serving)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _store_settings(settings: Settings, url: str) -> StoreSettings:
    return StoreSettings(
        url=url,
        shards=settings.shards,
        policy=DurabilityPolicy(settings.durability, settings.replicas),
        write=WriteSettings(max_state_bytes=settings.max_state_bytes),
        taps=TapLimits(settings.watch_queue_events, settings.watch_queue_bytes),
        max_watches=settings.max_watches,
        call_timeout=settings.store_timeout,
        start_timeout=settings.start_timeout,
    )
