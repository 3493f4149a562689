"""Standalone servers for tests; see `tests.support.engines`."""

import random
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sojourn_server.store.engine_binary import find_engine_binary
from sojourn_server.store.engine_config import EngineFiles, render_config
from sojourn_server.store.engine_errors import EngineStartError
from sojourn_server.store.engine_process import EngineProcess

HOST = "127.0.0.1"
START_TIMEOUT = 20.0
_PORTS = random.Random()  # not seeded: parallel test runners must not try the same ports


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now, below those the system hands out by itself (so that it does not do so next)."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class EngineServer:
    """One standalone server on a unix socket (or loopback port) in a directory of its own.

    config: further directives, each a string of words; they win over the ones below.
    persistent: append-only file with fsync always; otherwise nothing survives `kill`.
    """

    def __init__(self, *, tcp: bool = False, persistent: bool = False, config: Mapping[str, str] | None = None) -> None:
        self.tcp = tcp
        self.port = 0
        self.bus_port = 0
        self.clustered = False
        self._persistent = persistent
        self._config = dict(config or {})
        self._directory: Path | None = None
        self._process: EngineProcess | None = None

    @classmethod
    def binary(cls) -> Path:
        """The server to run."""
        raise NotImplementedError

    @property
    def files(self) -> EngineFiles:
        assert self._directory is not None, "not started"
        return EngineFiles(self._directory, self._directory / "engine.sock")

    @property
    def url(self) -> str:
        """`redis://host:port` with tcp, else `unix://path`."""
        return f"redis://{HOST}:{self.port}" if self.tcp else "unix://" + quote(str(self.files.socket))

    @property
    def pid(self) -> int:
        assert self._process is not None, "not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def client(self, *, timeout: float = 5.0) -> Redis:
        """A client of its own with decoded responses and no retries; close it (`async with`)."""
        return Redis(
            unix_socket_path=str(self.files.socket), decode_responses=True,
            socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0),
            driver_info=None,  # it would be made of package metadata, read anew for each client
        )  # fmt: skip

    async def call(self, *command: Any) -> Any:
        """One command on a connection of its own."""
        async with self.client() as client:
            return await client.execute_command(*command)

    async def start(self) -> None:
        """Starts it, the first time or again: same directory, same port, same url."""
        assert not self.running, "runs already"
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="sojourn-test-"))
        fresh = self.tcp and not self.port
        try:
            for attempt in range(5):
                if fresh:
                    self.port, self.bus_port = free_ports(2)
                self.files.config.write_text(render_config(self._directives()))
                self._process = await EngineProcess.spawn(
                    self.binary(), self.files, remove_when_orphaned=self._directory
                )
                try:
                    await self._process.wait_ready(START_TIMEOUT)
                    return
                except EngineStartError as error:
                    # Somebody was quicker: only before anybody knows our port may it change.
                    if not (fresh and "already in use" in str(error)) or attempt == 4:
                        raise
        except BaseException:
            await self.stop()
            raise

    async def kill(self) -> None:
        """SIGKILL; `start` brings it back."""
        if self._process is not None:
            await self._process.kill()

    async def restart(self) -> None:
        """Ends it in good order and starts it again."""
        if self._process is not None:
            await self._process.shutdown(5.0)
        await self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        assert self._process is not None
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ends it at once and removes what it wrote."""
        await self.kill()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _directives(self) -> list[tuple[str, ...]]:
        directives = {
            "port": str(self.port), "bind": HOST,
            "unixsocket": str(self.files.socket), "unixsocketperm": "600", "dir": str(self.files.directory),
            "save": "", "appendonly": "yes" if self._persistent else "no", "appendfsync": "always",
            "enable-debug-command": "yes",
        }  # fmt: skip
        if self.clustered:
            directives |= {
                "cluster-enabled": "yes", "cluster-port": str(self.bus_port), "cluster-node-timeout": "1000",
                # A replica stays with its shard and may always take over; it is in step at once.
                "cluster-allow-replica-migration": "no", "cluster-replica-validity-factor": "0",
                "repl-diskless-sync-delay": "0",
            }  # fmt: skip
        own = [(name, value) for name, value in directives.items() if name not in self._config]
        return [*own, *((name, *(value.split() or [""])) for name, value in self._config.items())]


class ValkeyProcess(EngineServer):
    """Valkey, the binary that comes with the server extra."""

    @classmethod
    def binary(cls) -> Path:
        return find_engine_binary().path


class RedisProcess(EngineServer):
    """Redis, where it is installed; skips the test elsewhere."""

    @classmethod
    def binary(cls) -> Path:
        found = shutil.which("redis-server")
        if found is None:
            pytest.skip("redis-server is not installed")
        return Path(found)
