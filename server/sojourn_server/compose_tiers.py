"""The part of the composition that is about tiers: what reads, brings back, moves down and recovers sessions."""

from __future__ import annotations

from dataclasses import dataclass

from .archive.files import SessionFiles
from .catalog.catalog import SqlCatalog
from .ports import ClockPort
from .ports.archives import Archives
from .ports.blobs import BlobStore
from .rpc.codec import ProtoCodec
from .rpc.details import details
from .settings import Settings
from .store.opening import Store
from .usecases.archiver import Ages, Archiver
from .usecases.background import Background
from .usecases.cleanup import Cleanup
from .usecases.cold import Cold
from .usecases.forking import Forking
from .usecases.lifecycle import Places
from .usecases.losses import Losses
from .usecases.moving import Moving
from .usecases.planting import Planting
from .usecases.projecting import Projector
from .usecases.recovery import Recovery
from .usecases.resuming import Resuming
from .usecases.returning import Returning
from .usecases.saving import Saving
from .usecases.sessions import Sessions
from .usecases.snapshots import Snapshots
from .usecases.sweeping import Sweep
from .usecases.tiered import TieredStore
from .usecases.tiered_requests import TieredLifecycle, TieredRequests
from .usecases.wiping import Wiping


@dataclass(slots=True)
class Tiers:
    """What the rest of the composition needs of it."""

    store: TieredStore
    requests: TieredRequests
    lifecycle: TieredLifecycle
    archives: Archives
    projector: Projector
    recovery: Recovery
    losses: Losses
    cold: Cold
    returning: Returning
    snapshots: Snapshots
    moving: Moving
    planting: Planting


def compose_tiers(
    store: Store, catalog: SqlCatalog, blobs: BlobStore, background: Background, worker: str, settings: Settings
) -> Tiers:
    """Puts the parts together; starts nothing."""
    archives, codec = SessionFiles(), ProtoCodec()
    cold = Cold(catalog, archives, blobs, codec)
    losses = Losses(store.active, catalog, background)
    recovery = Recovery(
        store.active, store.shards, store.outbox, store.residence, catalog.tiers, cold, codec, background, losses
    )
    projector = Projector(
        store.active, store.outbox, catalog, details, worker, period=settings.project_seconds, recovery=recovery
    )
    snapshots = Snapshots(store.active, catalog, catalog.tiers, archives, blobs, cold, projector)
    returning = Returning(store.active, catalog, catalog.tiers, store.residence, cold, recovery, background)
    wiping = Wiping(store.outbox, projector, blobs)
    tiered = TieredStore(store.active, store.residence, cold, returning, recovery, wiping, background)
    return Tiers(
        store=tiered,
        requests=TieredRequests(store.requests, tiered),
        lifecycle=TieredLifecycle(store.lifecycle, tiered),
        archives=archives,
        projector=projector,
        recovery=recovery,
        losses=losses,
        cold=cold,
        returning=returning,
        snapshots=snapshots,
        moving=Moving(
            store.active, store.outbox, catalog, catalog.tiers, store.residence, cold, snapshots, projector, recovery
        ),
        planting=Planting(
            store.active, archives, blobs, catalog.tiers, store.residence, details, background, projector
        ),
    )


def make_archiver(tiers: Tiers, store: Store, catalog: SqlCatalog, blobs: BlobStore, settings: Settings) -> Archiver:
    """The loop that moves sessions down."""
    ages = Ages(
        recent_after=settings.recent_after_seconds,
        archive_after=settings.archive_after_seconds,
        retention=settings.retention_seconds,
        snapshot_every=settings.snapshot_seconds,
        sweep_grace=settings.sweep_grace_seconds,
    )
    sweep = Sweep(blobs, catalog.tiers, store.outbox, int(settings.sweep_grace_seconds * 1_000_000))
    return Archiver(
        tiers.moving, tiers.snapshots, sweep, catalog.tiers, blobs, ages,
        period=settings.archiver_seconds, now_us=store.clock.now_us,
    )  # fmt: skip


@dataclass(slots=True)
class TierUseCases:
    """The calls of the SessionService that move sessions."""

    saving: Saving
    resuming: Resuming
    forking: Forking
    cleanup: Cleanup


def tier_use_cases(
    tiers: Tiers, store: Store, catalog: SqlCatalog, sessions: Sessions, places: Places, clock: ClockPort
) -> TierUseCases:
    """What callers ask for."""
    codec = ProtoCodec()
    return TierUseCases(
        saving=Saving(tiers.store, tiers.snapshots, tiers.cold),
        resuming=Resuming(store.active, tiers.store, tiers.returning, codec, places),
        forking=Forking(
            tiers.store, catalog, tiers.cold, tiers.projector, tiers.planting, tiers.returning, codec, clock, places
        ),
        cleanup=Cleanup(
            sessions, tiers.store, tiers.lifecycle, catalog, tiers.projector, tiers.moving, store.clock.now_us
        ),
    )
