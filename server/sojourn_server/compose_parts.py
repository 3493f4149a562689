"""The part of the composition that every process has: the three stores, opened as the settings say."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from .blobs.opening import open_blobs
from .blobs.store import ObjectBlobs
from .catalog.catalog import SqlCatalog
from .catalog.migrating import SchemaError
from .catalog.opening import open_catalog
from .domain.errors import SojournError
from .domain.requests import Quotas
from .settings import Settings
from .store.durability import DurabilityPolicy
from .store.engine_errors import EngineError
from .store.opening import Store, StoreMismatchError, StoreSettings, open_store
from .store.taps import TapLimits
from .store.writing import WriteSettings

START_ERRORS = (EngineError, StoreMismatchError, SchemaError, SojournError, OSError, RuntimeError, ValueError)
"""What can keep a server from starting; each message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The stores."""

    store: Store
    catalog: SqlCatalog
    blobs: ObjectBlobs


async def open_parts(settings: Settings, store_url: str, catalog_url: str, stack: AsyncExitStack) -> Parts:
    """Opens the stores; the stack closes them. A catalog or a blob store that is away only warns."""
    store = await open_store(_store_settings(settings, store_url), stack)
    catalog = await open_catalog(catalog_url, stack)
    blobs = open_blobs(_blobs_url(settings, catalog_url))
    stack.callback(blobs.close)
    return Parts(store, catalog, blobs)


def has_keeper(settings: Settings) -> bool:
    """Whether a process of its own does what no caller waits for."""
    return not settings.ephemeral if settings.keeper is None else settings.keeper


def _blobs_url(settings: Settings, catalog_url: str) -> str:
    if settings.blobs:
        return settings.blobs
    sqlite = catalog_url.startswith("sqlite:///")
    directory = Path(catalog_url.removeprefix("sqlite:///")).parent if sqlite else settings.data_dir.absolute()
    return (directory / "blobs").as_uri()


def quotas_of(settings: Settings) -> Quotas:
    """The limits of requests and sessions."""
    return Quotas(
        requests_per_session=settings.requests_per_session,
        requests_per_user=settings.requests_per_user,
        requests_per_project=settings.requests_per_project,
        requests_per_tenant=settings.requests_per_tenant,
        requests_per_server=settings.requests_per_server,
        queued_per_session=settings.queued_per_session,
        queued_per_scope=settings.queued_per_scope,
        session_rate=settings.session_request_rate,
        session_burst=settings.session_request_burst,
        user_rate=settings.user_request_rate,
        user_burst=settings.user_request_burst,
        sessions_per_user=settings.sessions_per_user,
        expire_oldest_idle=settings.sessions_per_user_full == "expire_oldest",
    )


def _store_settings(settings: Settings, url: str) -> StoreSettings:
    return StoreSettings(
        url=url,
        shards=settings.shards,
        policy=DurabilityPolicy(settings.durability, settings.replicas),
        write=WriteSettings(max_state_bytes=settings.max_state_bytes),
        taps=TapLimits(settings.watch_queue_events, settings.watch_queue_bytes),
        # Every session with tracked streams is watched once more; watchers have their own limit.
        max_watches=settings.max_watches + settings.max_tracked_streams,
        quotas=quotas_of(settings),
        log_events_kept=settings.log_events_kept,
        call_timeout=settings.store_timeout,
        start_timeout=settings.start_timeout,
    )
