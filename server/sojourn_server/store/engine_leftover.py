"""Ends an engine that an earlier owner left running (its guard was killed with it, or there was none)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from .engine_config import EngineFiles
from .engine_control import engine_client, lock_engine, request_shutdown
from .engine_errors import EngineStartError


async def end_leftover_engine(files: EngineFiles, *, timeout: float, log: Any) -> None:
    """Returns once no engine runs in the directory. The caller holds the data directory, so one that does is nobody's.

    Asks it to end over its socket, else with SIGTERM, else with SIGKILL, waiting a third of timeout (seconds) after
    each; every step first makes sure that it is this directory's engine. Raises EngineStartError when it stays.
    """
    step = timeout / 3
    if await _gone(files, 0):
        return
    pid, socket = _last_started(files)
    if socket is not None and await _serves(socket, files.directory):
        log.warning("engine left over by an earlier run: shutting it down", pid=pid)
        await request_shutdown(socket)
    # Also without a socket there is a moment to wait: its guard may be ending it already.
    if await _gone(files, step):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        if pid is not None and _runs_on(pid, files.config):
            log.warning("engine left over by an earlier run: sending a signal", pid=pid, signal=number.name)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if await _gone(files, step):
            return
    raise EngineStartError(
        f"an engine of an earlier run (process {pid if pid is not None else 'unknown'}) still uses {files.directory}"
        " and does not end: end it by hand"
    )


async def _gone(files: EngineFiles, timeout: float) -> bool:
    lock_fd = await lock_engine(files.lock, timeout=timeout)
    if lock_fd is None:
        return False
    os.close(lock_fd)
    return True


def _last_started(files: EngineFiles) -> tuple[int | None, Path | None]:
    """Process id and socket of the engine started last, as far as its file tells."""
    try:
        state = json.loads(files.state.read_bytes())
        return int(state["pid"]), Path(state["socket"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, files.socket


async def _serves(socket: Path, directory: Path) -> bool:
    """Whether the engine behind the socket keeps its data in the directory."""
    try:
        async with engine_client(socket) as client:
            answer = await client.execute_command("CONFIG GET", "dir")
    except (RedisError, OSError):
        return False
    values = answer.values() if isinstance(answer, dict) else answer[1::2]
    return any(_same(os.fsdecode(value), directory) for value in values)


def _same(one: str, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _runs_on(pid: int, config: Path) -> bool:
    """Whether the process was started with this configuration file: its number alone may be somebody else's by now."""
    try:
        if sys.platform == "linux":
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        else:
            command = subprocess.run(
                ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, timeout=5, check=False
            ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return os.fsencode(config) in command
