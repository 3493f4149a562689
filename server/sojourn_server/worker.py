"""A worker process, started by `workers.Workers`."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import structlog
import uvloop

from .app import START_ERRORS, Worker
from .logs import configure_logs
from .main import tell_ready
from .memory import tune_collector
from .settings import Settings
from .stopping import Stop

log = structlog.get_logger()


async def _serve(settings: Settings, store_url: str, catalog_url: str) -> None:
    stop = Stop(at_eof=True)
    async with Worker(settings, store_url, catalog_url, reuse_port=True) as worker:
        tune_collector()
        tell_ready(settings.listen)
        log.debug("worker serves", port=worker.port, pid=os.getpid())
        await stop.wait()


def main() -> int:
    """Serves until told to stop."""
    told = json.loads(os.environ["SOJOURN_WORKER"])
    settings = Settings(**told["settings"])
    configure_logs(settings.log_level, settings.log_format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, told["store_url"], told["catalog_url"]))
    except asyncio.CancelledError:
        log.info("worker stopped before serving")
    except START_ERRORS as error:
        log.error("worker cannot serve", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
