"""The service as a child process that tests may kill.

async with ServerUnderTest(data_dir=tmp_path) as server:
    server.kill(); await server.start()       # the same port, the same data directory
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from . import processes
from .engine_server import free_ports
from .waiting import wait_until

START_TIMEOUT = 40.0
ENGINES = ("valkey-server", "redis-server")


class ServerUnderTest:
    """A server run by this Python, from the first `start` to `stop`; ends with the test runner however that dies.

    arguments: flags of `sojourn serve`.
    environment: further variables; none of the runner's own SOJOURN_* reach the server.
    settings: settings by name, given as SOJOURN_* variables. Without `data_dir` and `redis` it is ephemeral.
    """

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, port: int | None = None, **settings: object
    ) -> None:
        self.port = port if port is not None else free_ports(1)[0]
        # A keeper is another process to start: tests that are about it, or about everything, ask for it.
        chosen: dict[str, object] = {"listen": f"127.0.0.1:{self.port}", "grace_seconds": 3, "keeper": False} | settings
        if not {"data_dir", "redis", "ephemeral"} & set(settings) and not arguments:
            chosen["ephemeral"] = True
        self._folder: Path | None = None
        if "redis" in settings and "data_dir" not in settings:
            # Its catalog and blobs: what another test's server left there is of another engine.
            chosen["data_dir"] = self._directory() / "data"
        self._arguments: Sequence[str] = arguments
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
        self._environment |= {f"SOJOURN_{name.upper()}": _text(value) for name, value in chosen.items()}
        self._environment |= environment or {}
        self._process: processes.Process | None = None
        self.target = ""
        """Where it serves, once it does."""

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything it has written so far, over all its starts."""
        return (self._directory() / "log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def rss(self) -> int:
        """Resident memory in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def engine_pid(self) -> int | None:
        """Process id of the embedded engine; None while there is none."""
        found = [child.pid for child in self._children() if _name(child) in ENGINES]
        return found[0] if found else None

    def worker_pids(self) -> list[int]:
        """Process ids of the workers of a server with several."""
        return sorted(child.pid for child in self._children() if "sojourn_server.worker" in _command(child))

    def set(self, **variables: str) -> None:
        """Changes the environment of the next start."""
        self._environment |= variables

    def unset(self, *settings: str) -> None:
        """Takes settings out of the environment of the next start."""
        for name in settings:
            self._environment.pop(f"SOJOURN_{name}", None)

    def launch(self) -> None:
        """Starts the process; it need not serve yet."""
        assert not self.running, "runs already"
        directory = self._directory()
        (directory / "ready.json").unlink(missing_ok=True)
        ready = {"SOJOURN_READY_FILE": str(directory / "ready.json"), "SOJOURN_EXIT_ON_STDIN_CLOSE": "1"}
        with (directory / "log").open("ab") as log:
            self._process = processes.start(
                "-m", "sojourn_server", *self._arguments, of=processes.SERVER,
                environment=self._environment | ready, stdin=subprocess.PIPE, stdout=log.fileno(), stderr=log.fileno(),
            )  # fmt: skip

    def ready(self) -> bool:
        """Whether it serves; sets `target`. Raises AssertionError with the log when it has ended instead."""
        with contextlib.suppress(FileNotFoundError):
            self.target = json.loads((self._directory() / "ready.json").read_text())["target"]
            return True
        assert self.running, f"the server ended: {self.log[-4000:]}"
        return False

    async def start(self) -> None:
        """Starts it, the first time or again, and waits until it serves."""
        self.launch()
        try:
            await wait_until(self.ready, timeout=START_TIMEOUT, description="the server serves")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log: {self.log[-4000:]}") from None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def close_stdin(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def exited(self, timeout: float = 20.0) -> int:
        """Waits for its end; the exit code."""
        process = self._process
        assert process is not None
        await wait_until(lambda: process.poll() is not None, timeout=timeout, description="the server exits")
        assert process.stdin is not None
        process.stdin.close()
        assert process.returncode is not None
        return process.returncode

    async def terminate(self, timeout: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.exited(timeout)

    async def kill(self) -> None:
        """SIGKILL, of the server alone: what it started must notice by itself."""
        if self.running:
            self.signal(signal.SIGKILL)
            await self.exited()

    async def stop(self) -> None:
        """Ends it at the latest by force, and removes what it wrote outside its data directory."""
        if self.running:
            family = self._children()
            self.signal(signal.SIGTERM)
            try:
                await self.exited()
            except AssertionError:
                await self.kill()
                for process in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.shield(self.stop())

    def _directory(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sojourn-server-"))
        return self._folder

    def _children(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []


def _name(process: psutil.Process) -> str:
    command = _command(process).split(" ", 1)[0]
    return Path(command).name


def _command(process: psutil.Process) -> str:
    """The command line; empty for a process that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
