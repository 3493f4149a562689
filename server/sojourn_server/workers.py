"""Several worker processes that share one port and one engine.

The parent holds the engine and touches no gRPC: workers are new processes, and each binds the port for itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from .children import Child
from .settings import Settings


class Workers:
    """Starts the workers, restarts one that dies, drains all at the end. An async context manager, used once."""

    def __init__(self, settings: Settings, store_url: str, catalog_url: str) -> None:
        self._settings = settings
        self._told = {"store_url": store_url, "catalog_url": catalog_url}
        self._children: list[Child] = []
        self._reserved: socket.socket | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="sojourn-workers-")

    async def __aenter__(self) -> Self:
        host, _, port = self._settings.listen.rpartition(":")
        # Held open, never listening: it keeps a port chosen by the system ours while workers come and go.
        self._reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserved.bind((host.strip("[]"), int(port)))
        self._children = [self._child(number) for number in range(self._settings.workers)]
        for child in self._children:
            child.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.stop()
        await asyncio.gather(*(child.ended(self._settings.grace_seconds + 5) for child in self._children))
        if self._reserved:
            self._reserved.close()
        self._directory.cleanup()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return [child.pid for child in self._children if child.pid is not None]

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

    def _child(self, number: int) -> Child:
        assert self._reserved is not None
        host, port = self._reserved.getsockname()[:2]
        listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        settings = self._settings.model_dump(mode="json", exclude={"config"}) | {"listen": listen}
        environment = {
            "SOJOURN_WORKER": json.dumps({"settings": settings, **self._told}),
            "SOJOURN_READY_FILE": str(self._ready_file(number)),
        }
        return Child(f"worker {number}", "sojourn_server.worker", environment)

    def _ready_file(self, number: int) -> Path:
        return Path(self._directory.name) / f"worker-{number}.json"
