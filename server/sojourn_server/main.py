"""The server process: settings in, signals handled, exit code out."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import structlog
import uvloop

from .app import START_ERRORS, Worker, embedded_engine, has_keeper, migrate_catalog
from .keeper import Keeper
from .logs import configure_logs
from .memory import tune_collector
from .settings import Settings
from .stopping import Stop
from .workers import Workers

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code: 0 when told to stop, 1 when it could not start."""
    configure_logs(settings.log_level, settings.log_format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(settings))
    except asyncio.CancelledError:
        log.info("stopped before serving")
    except START_ERRORS as error:
        log.error("cannot serve", error=str(error))
        return 1
    return 0


def migrate(settings: Settings) -> int:
    """Brings the catalog's schema up to date; returns the exit code."""
    configure_logs(settings.log_level, settings.log_format)
    try:
        before, now = asyncio.run(_migrate(settings))
    except START_ERRORS as error:
        log.error("cannot migrate", error=str(error))
        return 1
    log.info("catalog is up to date", before=before, now=now)
    return 0


async def _migrate(settings: Settings) -> tuple[str | None, str]:
    with ExitStack() as stack:
        return await migrate_catalog(_catalog_url(settings, stack))


async def _main(settings: Settings) -> None:
    stop = Stop(at_eof=os.environ.get("SOJOURN_EXIT_ON_STDIN_CLOSE") == "1")
    async with AsyncExitStack() as stack:
        url = settings.redis or (await stack.enter_async_context(embedded_engine(settings))).url
        catalog = _catalog_url(settings, stack)
        if settings.workers == 1:
            port = (await stack.enter_async_context(Worker(settings, url, catalog))).port
        else:
            port = await (await stack.enter_async_context(Workers(settings, url, catalog))).serving()
        if has_keeper(settings):
            await stack.enter_async_context(Keeper(settings, url, catalog))
        host = settings.listen.rpartition(":")[0]
        target = f"{host}:{port}"
        log.info("serving", target=target, workers=settings.workers, pid=os.getpid())
        tune_collector()
        tell_ready(target)
        await stop.wait()


def _catalog_url(settings: Settings, stack: AsyncExitStack | ExitStack) -> str:
    """Where history is kept: where the settings say, else beside the embedded engine's files."""
    if settings.catalog:
        return settings.catalog
    if settings.ephemeral:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sojourn-catalog-"))
        return f"sqlite:///{directory}/catalog.db"
    return f"sqlite:///{settings.data_dir.absolute()}/catalog.db"


def tell_ready(target: str) -> None:
    """Writes where we serve into the file SOJOURN_READY_FILE, for whoever started us."""
    path = os.environ.get("SOJOURN_READY_FILE")
    if path:
        temporary = Path(f"{path}.{os.getpid()}")
        temporary.write_text(json.dumps({"target": target, "pid": os.getpid()}))
        temporary.replace(path)
