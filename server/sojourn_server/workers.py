"""Several worker processes that share one port and one engine.

The parent holds the engine and touches no gRPC: workers are new processes, and each binds the port for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from .settings import Settings

log = structlog.get_logger()

RESTART_SECONDS = 0.2


class Workers:
    """Starts the workers, restarts one that dies, drains all at the end. An async context manager, used once."""

    def __init__(self, settings: Settings, store_url: str, catalog_url: str) -> None:
        self._settings = settings
        self._told = {"store_url": store_url, "catalog_url": catalog_url}
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._reserved: socket.socket | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="sojourn-workers-")

    async def __aenter__(self) -> Self:
        host, _, port = self._settings.listen.rpartition(":")
        # Held open, never listening: it keeps a port chosen by the system ours while workers come and go.
        self._reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind((host.strip("[]"), int(port)))
        for number in range(self._settings.workers):
            self._tasks.append(asyncio.create_task(self._keep(number), name=f"worker {number}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        await self._wait(self._settings.grace_seconds + 5)
        if self._reserved:
            self._reserved.close()
        self._directory.cleanup()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return [process.pid for process in self._processes.values()]

    async def serving(self) -> int:
        """Waits until every worker serves; returns the port.

        Raises:
            RuntimeError: a worker could not start in time.
        """
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                while not all(self._ready_file(n).exists() for n in range(self._settings.workers)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise RuntimeError("the workers did not start in time; the log says why") from None
        assert self._reserved is not None
        port: int = self._reserved.getsockname()[1]
        return port

    async def _keep(self, number: int) -> None:
        while not self._stopping:
            process = await self._spawn(number)
            self._processes[number] = process
            code = await process.wait()
            if not self._stopping:
                log.error("worker died", worker=number, pid=process.pid, code=code)
                await asyncio.sleep(RESTART_SECONDS)

    async def _spawn(self, number: int) -> asyncio.subprocess.Process:
        assert self._reserved is not None
        host, port = self._reserved.getsockname()[:2]
        listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        settings = self._settings.model_dump(mode="json", exclude={"config"}) | {"listen": listen}
        environment = os.environ | {
            "SOJOURN_WORKER": json.dumps({"settings": settings, **self._told}),
            "SOJOURN_READY_FILE": str(self._ready_file(number)),
        }
        environment.pop("SOJOURN_EXIT_ON_STDIN_CLOSE", None)
        # The worker's standard input is a pipe from us: it ends when we do, whatever ended us.
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sojourn_server.worker", env=environment, stdin=asyncio.subprocess.PIPE
        )

    def _ready_file(self, number: int) -> Path:
        return Path(self._directory.name) / f"worker-{number}.json"

    async def _wait(self, seconds: float) -> None:
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for process in self._processes.values():
            if late and process.returncode is None:
                process.kill()
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
