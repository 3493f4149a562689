"""Child processes of the server: started again when they die, ended with us however we end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

RESTART_SECONDS = 0.2


class Child:
    """A Python module that runs as a process of its own.

    Args:
        name: for the log.
        module: what `python -m` runs. It ends on SIGTERM, and when its standard input does.
        environment: what it is told, besides our own environment.
    """

    def __init__(self, name: str, module: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._module = module
        self._environment = environment
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None before its first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts it, and again whenever it died."""
        self._task = asyncio.create_task(self._keep(), name=self._name)

    def stop(self) -> None:
        """Tells it to end; see `ended`."""
        self._stopping = True
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float) -> None:
        """Waits until it has ended; after so many seconds it is killed."""
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=seconds)
        if late and self._process and self._process.returncode is None:
            self._process.kill()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _keep(self) -> None:
        while not self._stopping:
            process = self._process = await self._spawn()
            if self._stopping:
                process.terminate()
            code = await process.wait()
            if not self._stopping:
                log.error(f"{self._name} died", pid=process.pid, code=code)
                await asyncio.sleep(RESTART_SECONDS)

    async def _spawn(self) -> asyncio.subprocess.Process:
        environment = os.environ | self._environment
        environment.pop("SOJOURN_EXIT_ON_STDIN_CLOSE", None)
        # Its standard input is a pipe from us: it ends when we do, whatever ended us.
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, env=environment, stdin=asyncio.subprocess.PIPE
        )
