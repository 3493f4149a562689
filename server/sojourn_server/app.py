"""The composition root: the only place where ports meet their adapters."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import structlog

from .catalog.opening import migrate_catalog
from .compose_parts import START_ERRORS, Parts, has_keeper, open_parts, quotas_of
from .compose_tiers import compose_tiers, make_archiver, tier_use_cases
from .compose_transfer import make_exporting, make_importing
from .domain.limits import Limits
from .domain.session import SessionStatus
from .rpc.admin_service import AdminServicer
from .rpc.artifact_service import ArtifactServicer
from .rpc.chain import Activity, default_chain
from .rpc.changes import ProtoCodec
from .rpc.details import details
from .rpc.inlets import Inlets
from .rpc.outlets import Outlets
from .rpc.redaction import Redactions
from .rpc.render_artifacts import attached
from .rpc.server import GrpcServer
from .rpc.session_service import SessionServicer
from .rpc.tracks import Tracks
from .settings import Settings
from .settings_checks import settings_checks
from .store.engine import EmbeddedEngine
from .store.opening import Store
from .usecases.admission import Admission
from .usecases.artifacts import Artifacts
from .usecases.background import Background
from .usecases.comparing import Comparing
from .usecases.diagnosing import Diagnosing
from .usecases.finding import Finding
from .usecases.history import History
from .usecases.lifecycle import Expiry, Places
from .usecases.listing import Listing
from .usecases.presence import Presence
from .usecases.reaping import Reaper
from .usecases.sessions import Sessions
from .usecases.statistics import Summing
from .usecases.templates import Templates
from .usecases.tracking import Tracking
from .usecases.uploads import Uploads
from .usecases.watching import Watching

log = structlog.get_logger()

HEALTH_SECONDS = 1.0
SETTLE_SECONDS = 5.0
"""How long what calls began may go on after them when the server ends."""
RECOVERY_SECONDS = 20.0
"""How long a server may wait, before it serves, for sessions that the store lost: then they come back as it goes on."""
POOLS_TENANT = "default"
"""Whose pools the settings name."""


def embedded_engine(settings: Settings) -> EmbeddedEngine:
    """The engine of a server that was given none; start it before its workers."""
    return EmbeddedEngine(
        None if settings.ephemeral else settings.data_dir,
        binary=settings.engine_binary,
        maxmemory=settings.engine_memory,
        start_timeout=settings.start_timeout,
    )


__all__ = ["START_ERRORS", "Worker", "embedded_engine", "has_keeper", "migrate_catalog"]


class SystemClock:
    """The ClockPort of this machine."""

    def seconds(self) -> int:
        return int(time.time())


class Worker:
    """One serving process: an open store, its hub, what runs by itself, a gRPC server. An async context manager, used
    once.

    Args:
        settings: the server's settings.
        store_url: where the engine is.
        catalog_url: where the catalog's database is.
        reuse_port: whether other workers share the port.
    """

    def __init__(self, settings: Settings, store_url: str, catalog_url: str, *, reuse_port: bool = False) -> None:
        self._settings = settings
        self._store_url = store_url
        self._catalog_url = catalog_url
        self._reuse_port = reuse_port
        self._stack = AsyncExitStack()
        self._tracking: Tracking
        self.store: Store
        self.server: GrpcServer
        self.port = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            parts = await open_parts(self._settings, self._store_url, self._catalog_url, stack)
            self.store = parts.store
            self.server = await self._compose(parts, stack)
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

    async def _compose(self, parts: Parts, stack: AsyncExitStack) -> GrpcServer:
        """Makes the use cases, starts those that run by themselves, and hands them to the server. At the end, after the
        drain: the reaper stops, then what calls began is waited for, then this worker's connections are taken back."""
        settings, worker = self._settings, secrets.token_hex(8)
        store, catalog, blobs = parts.store, parts.catalog, parts.blobs
        quotas, expiry = quotas_of(settings), _expiry(settings)
        lease_ms, progress_ms = int(settings.default_lease_seconds * 1000), int(settings.progress_event_seconds * 1000)
        limits, outlets = Limits(state_bytes=settings.max_state_bytes), Outlets(settings.watch_write_seconds)
        background = Background()

        tiers = compose_tiers(store, catalog, blobs, background, worker, settings)
        projector = tiers.projector

        presence = Presence(store.occupancy, worker)
        stack.push_async_callback(presence.close)
        presence.start()
        admission = Admission(tiers.requests, store.scopes, tiers.store, quotas, background, progress_ms=progress_ms)
        self._tracking = Tracking(
            tiers.requests, tiers.store, admission, store.hub, presence, background,
            max_streams=settings.max_tracked_streams, progress_ms=progress_ms,
        )  # fmt: skip
        stack.push_async_callback(self._tracking.close)
        stack.push_async_callback(background.close, SETTLE_SECONDS)
        for name, size in settings.pools.items():
            await admission.set_pool(POOLS_TENANT, name, size)
        reaper = Reaper(store.lifecycle, admission, worker, period=settings.reap_seconds, expire_as=expiry.expire_as)
        stack.push_async_callback(reaper.close)
        reaper.start()
        stack.push_async_callback(projector.close)
        if not has_keeper(settings):
            projector.start()
            archiver = make_archiver(tiers, store, catalog, blobs, settings)
            stack.push_async_callback(archiver.close)
            archiver.start()

        places = Places(store.occupancy, tiers.store, store.lifecycle, quotas, expiry)
        sessions = Sessions(tiers.store, tiers.lifecycle, ProtoCodec(), SystemClock(), places, expiry)
        history = History(tiers.store, catalog)
        store.hub.read_through(history)
        stack.push_async_callback(tiers.recovery.close)
        await tiers.recovery.start(RECOVERY_SECONDS)
        moved = tier_use_cases(tiers, store, catalog, sessions, places, SystemClock())
        servicer = SessionServicer(
            store=tiers.store,
            sessions=sessions,
            history=history,
            finding=Finding(tiers.store, catalog, store.outbox, projector),
            watching=Watching(tiers.store, store.hub, presence, max_watches=settings.max_watches, losses=tiers.losses),
            admission=admission,
            listing=Listing(tiers.requests),
            tracks=Tracks(self._tracking, sessions, outlets, limits, lease_ms),
            outlets=outlets,
            summing=Summing(tiers.store, catalog.statistics, projector),
            comparing=Comparing(tiers.store, catalog.statistics, projector),
            templates=Templates(catalog.templates, SystemClock(), limits),
            saving=moved.saving,
            resuming=moved.resuming,
            forking=moved.forking,
            cleanup=moved.cleanup,
            exporting=make_exporting(tiers, History(tiers.store, catalog), blobs, limits, settings),
            importing=make_importing(tiers, places, blobs, SystemClock(), limits, settings),
            redactions=Redactions(limits),
            inlets=Inlets(),
            limits=limits,
            lease_ms=lease_ms,
            shards=settings.shards,
        )
        artifacts = ArtifactServicer(
            artifacts=Artifacts(
                tiers.store, blobs, catalog, projector, servicer.history, Uploads(blobs, background), background,
                attached, details, settings.max_artifact_bytes,
            ),
            inlets=Inlets(), outlets=outlets, limits=limits,
        )  # fmt: skip
        diagnosing = Diagnosing(
            store.probe, catalog.probe, blobs, store.outbox, lambda: store.active.durability, settings_checks(settings)
        )
        activity = Activity()
        return GrpcServer(
            servicer, AdminServicer(admission, diagnosing), artifacts, default_chain(activity), activity,
            reflect=settings.reflection, reuse_port=self._reuse_port,
        )  # fmt: skip

    async def _drain(self) -> None:
        log.info("draining", grace=self._settings.grace_seconds)
        self.store.hub.drain()
        self._tracking.drain()
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


def _expiry(settings: Settings) -> Expiry:
    return Expiry(
        idle_ms=int(settings.default_idle_timeout * 1000),
        life_ms=int(settings.default_max_lifetime * 1000),
        expire_as=SessionStatus[settings.expire_as.upper()],
    )
