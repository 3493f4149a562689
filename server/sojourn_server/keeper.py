"""The keeper: a process that does what no caller waits for, so that the workers' time is the callers'.

It brings the catalog up to date and moves sessions down the tiers. Both may be done by any number of processes at a
time; a server has one keeper, and starts it again when it dies. It gives way to every other process of the machine that
has something to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import structlog
import uvloop

from .children import Child
from .compose_parts import START_ERRORS, open_parts
from .compose_tiers import compose_tiers, make_archiver
from .logs import configure_logs
from .memory import tune_collector
from .settings import Settings
from .stopping import Stop
from .usecases.background import Background

log = structlog.get_logger()

TOLD = "SOJOURN_KEEPER"
NICE = 10
SETTLE_SECONDS = 5.0


class Keeper:
    """The keeper's side of a server: its process. An async context manager, used once."""

    def __init__(self, settings: Settings, store_url: str, catalog_url: str) -> None:
        dumped = settings.model_dump(mode="json", exclude={"config"})
        told = {"settings": dumped, "store_url": store_url, "catalog_url": catalog_url}
        self._child = Child("keeper", "sojourn_server.keeper", {TOLD: json.dumps(told)})

    @property
    def pid(self) -> int | None:
        """Process id of the one that runs now."""
        return self._child.pid

    async def __aenter__(self) -> Self:
        self._child.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()
        await self._child.ended(SETTLE_SECONDS + 1)


async def _keep(settings: Settings, store_url: str, catalog_url: str) -> None:
    stop = Stop(at_eof=True)
    async with AsyncExitStack() as stack:
        parts = await open_parts(settings, store_url, catalog_url, stack)
        background = Background()
        stack.push_async_callback(background.close, SETTLE_SECONDS)
        worker = secrets.token_hex(8)
        tiers = compose_tiers(parts.store, parts.catalog, parts.blobs, background, worker, settings)
        archiver = make_archiver(tiers, parts.store, parts.catalog, parts.blobs, settings)
        for loop in (tiers.projector, archiver):
            stack.push_async_callback(loop.close)
            loop.start()
        tune_collector()
        log.debug("keeper runs", pid=os.getpid())
        await stop.wait()


def main() -> int:
    """Runs until told to stop."""
    told = json.loads(os.environ[TOLD])
    settings = Settings(**told["settings"])
    configure_logs(settings.log_level, settings.log_format)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_keep(settings, told["store_url"], told["catalog_url"]))
    except asyncio.CancelledError:
        log.info("keeper stopped before it began")
    except START_ERRORS as error:
        log.error("keeper cannot run", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
