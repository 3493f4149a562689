"""The embedded engine: a Valkey or Redis server that we start, watch over and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import structlog

from .data_dir import DataDir
from .engine_binary import EngineBinary, find_engine_binary
from .engine_config import EngineFiles, engine_directives, render_config
from .engine_errors import EngineStartError
from .engine_leftover import end_leftover_engine
from .engine_process import EngineProcess, describe_exit

SOCKET_PATH_LIMIT: Final = 103
"""Bytes; the shortest of the systems' limits (macOS; Linux has 107)."""
STABLE: Final = 30.0
"""Seconds after which an engine counts as well again: its next death is a first one."""
BACKOFF_FIRST: Final = 0.1
BACKOFF_LAST: Final = 5.0
DISK_FULL_BELOW: Final = 1 << 20
"""Bytes free under which a disk counts as full."""


class EmbeddedEngine:
    """Runs an engine from `start` to `stop`, restarting it whenever it dies in between. A context manager, used once.

    While the engine is down, connections to `url` are refused; it comes back under the same `url`.
    """

    def __init__(
        self,
        data_dir: Path | DataDir | None,
        *,
        binary: str | Path | None = None,
        maxmemory: int | None = None,
        start_timeout: float = 120.0,
        stop_timeout: float = 15.0,
        log: Any = None,
    ) -> None:
        """
        data_dir: where the data lives. A path is locked from start to stop; a DataDir is the caller's and stays locked.
            None: nothing is persisted, everything is in a temporary directory that goes away with the engine.
        binary: see `find_engine_binary`.
        maxmemory: bytes the engine may use for data; writes beyond it are refused. None: no limit.
        start_timeout: seconds `start` waits for the engine to be ready, loading its data included.
        stop_timeout: seconds after which `stop` has ended the engine by force.
        log: a structlog logger.
        """
        self._data_dir = data_dir
        self._explicit_binary = binary
        self._maxmemory = maxmemory
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._log = log if log is not None else structlog.get_logger()
        self._cleanup = contextlib.AsyncExitStack()
        self._stop_requested = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._process: EngineProcess | None = None
        self._files: EngineFiles | None = None
        self._binary: EngineBinary | None = None
        self._remove_when_orphaned: Path | None = None
        self.durable = data_dir is not None
        """Whether an acknowledged write is on disk."""
        self.restarts = 0
        """How many times the engine was started again after it had died."""

    @property
    def url(self) -> str:
        """`unix://` and the percent-encoded path of the socket; raises RuntimeError before `start`."""
        if self._files is None:
            raise RuntimeError("the engine was not started")
        return "unix://" + quote(os.fspath(self._files.socket))

    @property
    def pid(self) -> int | None:
        """Process id of the engine that runs now; None while none does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Returns once the engine answers. An engine left over in the data directory is shut down first.

        Raises DataDirLockedError, DataDirError, EngineBinaryError or EngineStartError (all EngineError); then nothing
        is left running or locked.
        """
        if self._files is not None:
            raise RuntimeError("an engine is started once")
        try:
            self._binary = await asyncio.to_thread(find_engine_binary, self._explicit_binary)
            self._files = await self._prepare()
            self._process = await self._spawn()
            self._cleanup.push_async_callback(self._process.kill)
            await self._process.wait_ready(self._start_timeout)
        except BaseException:
            await self._cleanup.aclose()
            raise
        self._supervisor = asyncio.create_task(self._supervise(self._process), name="engine-supervisor")
        self._log.info(
            "engine started",
            engine=str(self._binary), pid=self.pid, url=self.url, durable=self.durable,
            seconds=round(time.monotonic() - self._process.started, 3),
        )  # fmt: skip

    async def stop(self) -> None:
        """Ends the engine, its data flushed, and gives the data directory back. Does nothing when there is none."""
        self._stop_requested.set()
        if self._supervisor is not None:
            # Shielded: a caller that gives up waiting must not leave the engine running.
            await asyncio.shield(self._supervisor)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _prepare(self) -> EngineFiles:
        """Takes the directories and locks, clears a leftover away and writes the configuration."""
        if self._data_dir is None:
            directory = self._temporary_directory()
            files = EngineFiles(directory, directory / "engine.sock")
        else:
            held = self._data_dir
            if not isinstance(held, DataDir):
                held = self._cleanup.enter_context(DataDir.open(held))
            directory = held.path / "valkey"
            files = EngineFiles(directory, directory / "engine.sock")
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            if self.durable:
                await end_leftover_engine(files, timeout=self._stop_timeout, log=self._log)
            if len(os.fsencode(files.socket)) > SOCKET_PATH_LIMIT:
                files = EngineFiles(directory, self._temporary_directory() / "engine.sock")
            directives = engine_directives(files, durable=self.durable, maxmemory=self._maxmemory)
            files.config.write_text(render_config(directives), encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise EngineStartError(f"the engine's directory {directory} cannot be used: {error.strerror}") from error
        return files

    def _temporary_directory(self) -> Path:
        """A private directory short enough for a socket, removed at the end."""
        directory = Path(tempfile.mkdtemp(prefix="sojourn-"))
        if len(os.fsencode(directory)) + len("/engine.sock") > SOCKET_PATH_LIMIT:
            directory.rmdir()
            directory = Path(tempfile.mkdtemp(prefix="sojourn-", dir="/tmp"))
        self._cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
        self._remove_when_orphaned = directory
        return directory

    async def _spawn(self) -> EngineProcess:
        assert self._binary is not None
        assert self._files is not None
        return await EngineProcess.spawn(
            self._binary.path, self._files, remove_when_orphaned=self._remove_when_orphaned
        )

    async def _supervise(self, process: EngineProcess) -> None:
        """Owns the engine until `stop`: whatever ends this task, no engine is left."""
        deaths = 0
        try:
            while await self._died(process):
                deaths = deaths + 1 if time.monotonic() - process.started < STABLE else 1
                self._report_death(process)
                started = await self._start_again(deaths)
                if started is None:
                    return
                deaths, process = started
            code = await process.shutdown(self._stop_timeout)
            self._log.info("engine stopped", exit=describe_exit(code))
        finally:
            if self._process is not None:
                await self._process.kill()
            await self._cleanup.aclose()

    async def _died(self, process: EngineProcess) -> bool:
        """Waits; True when the engine died, False when it is to be stopped."""
        stop = asyncio.create_task(self._stop_requested.wait())
        death = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({stop, death}, return_when=asyncio.FIRST_COMPLETED)
            return not stop.done()
        finally:
            stop.cancel()
            death.cancel()

    async def _start_again(self, deaths: int) -> tuple[int, EngineProcess] | None:
        """Spawns the next engine: at once after a first death, later after growing pauses. None: `stop` came first."""
        while True:
            if await self._stop_comes_within(restart_delay(deaths)):
                return None
            try:
                self._process = await self._spawn()
            except (EngineStartError, OSError) as error:
                self._log.error("engine cannot be restarted; trying again", error=str(error))
                deaths += 1
                continue
            self.restarts += 1
            self._log.info("engine restarted", pid=self._process.pid, restarts=self.restarts)
            return deaths, self._process

    async def _stop_comes_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop_requested.wait()
        return self._stop_requested.is_set()

    def _report_death(self, process: EngineProcess) -> None:
        assert process.returncode is not None
        tail = process.log_tail()
        why = disk_full(process.files.directory, tail) or describe_exit(process.returncode)
        self._log.error("engine died", why=why, pid=process.pid, exit_code=process.returncode, log_tail=tail)


def restart_delay(deaths: int) -> float:
    """Seconds to wait before the next start after so many deaths in a row: 0, 0.1, 0.2, 0.4, ... up to 5."""
    return 0.0 if deaths <= 1 else min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** min(deaths - 2, 10))


def disk_full(directory: Path, log_tail: str) -> str | None:
    """In plain words that the directory's disk is full, if it is.

    Asks the disk as well as the log: on a full disk the log's last lines are missing.
    """
    try:
        free = shutil.disk_usage(directory).free
    except OSError:
        return None
    if free >= DISK_FULL_BELOW and "No space left on device" not in log_tail:
        return None
    return (
        f"the disk that holds {directory} is full ({free} bytes free): the engine ends rather than acknowledge a write"
        " that it cannot keep. Free some space; the engine comes back by itself"
    )
