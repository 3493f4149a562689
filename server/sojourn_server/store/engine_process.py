"""One run of an engine: a child process that dies with us, its lock, its log and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError

from .engine_config import EngineFiles
from .engine_control import POLL, engine_client, lock_engine, request_shutdown
from .engine_errors import EngineStartError

LOG_LIMIT: Final = 16 << 20
"""Bytes; a log that has grown beyond it is set aside as `engine.log.1` before the next run."""
TAIL_LINES: Final = 12

# The engine has to end with its owner, even one killed with SIGKILL. Linux has a signal for that, PR_SET_PDEATHSIG,
# but it needs code between fork and exec, unsafe beside threads, and it follows the thread, not the process. So a shell
# becomes the engine and leaves a small watcher behind that reads a pipe whose other end only we hold: end of file means
# that we are gone. Works on every Unix.
# In: stdin = that pipe, stdout = the log, stderr = the lock, which the engine inherits as descriptor 4 and the watcher
# must not. $1 = a directory to remove when we are gone, or empty.
_GUARD: Final = """
exec 3<&0 4>&2 </dev/null 2>&1
{ read -r line <&3 || { kill -TERM "$$"; [ -z "$1" ] || rm -rf -- "$1"; }; } 4>&- >/dev/null 2>&1 &
shift
exec "$@" 3<&-
"""
_SHELL: Final = Path("/bin/sh")


class EngineProcess:
    """A running server process, started by `spawn`."""

    def __init__(self, process: asyncio.subprocess.Process, files: EngineFiles, guard_fd: int, log_start: int) -> None:
        self.files = files
        self.started = time.monotonic()
        self._process = process
        self._guard_fd = guard_fd
        self._log_start = log_start

    @classmethod
    async def spawn(
        cls, binary: Path, files: EngineFiles, *, remove_when_orphaned: Path | None = None
    ) -> EngineProcess:
        """Starts the binary on the files' configuration; it need not answer yet.

        remove_when_orphaned: a directory to remove should this process die without stopping the engine.
        Raises EngineStartError when another engine uses the files or the process cannot be made.
        """
        lock_fd = await lock_engine(files.lock, timeout=5.0)
        if lock_fd is None:
            raise EngineStartError(f"another engine still runs in {files.directory}")
        try:
            _set_large_log_aside(files.log)
            log_fd = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            os.close(lock_fd)
            raise EngineStartError(f"the engine's log {files.log} cannot be written: {error.strerror}") from error
        command = [os.fspath(binary), os.fspath(files.config)]
        # Without a shell (a minimal container) the engine runs unguarded; the next start finds what was left over.
        guarded = _SHELL.exists()
        if guarded:
            command = [os.fspath(_SHELL), "-c", _GUARD, "sh", os.fspath(remove_when_orphaned or ""), *command]
        read_fd, guard_fd = os.pipe()
        try:
            files.socket.unlink(missing_ok=True)
            log_start = os.fstat(log_fd).st_size
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=read_fd,
                stdout=log_fd,
                stderr=lock_fd if guarded else log_fd,
                pass_fds=() if guarded else (lock_fd,),
                # Its own session: an interrupt from the terminal is for us, and the engine is stopped last.
                start_new_session=True,
            )
        except BaseException as error:
            os.close(guard_fd)
            if isinstance(error, OSError):
                raise EngineStartError(f"the engine cannot be started: {error.strerror}") from error
            raise
        finally:
            # Ours is closed even on success: the lock is to be the engine's alone.
            for fd in (read_fd, log_fd, lock_fd):
                os.close(fd)
        running = cls(process, files, guard_fd, log_start)
        # An aid for clearing up leftovers, no reason to fail.
        with contextlib.suppress(OSError):
            files.state.write_text(json.dumps({"pid": process.pid, "socket": str(files.socket)}) + "\n")
        return running

    @property
    def pid(self) -> int:
        """Process id of the engine (the guard's shell becomes the engine)."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Waits for the process to end, clears away what it left, and gives its exit code."""
        code = await self._process.wait()
        self._clear()
        return code

    async def wait_ready(self, timeout: float) -> None:
        """Waits until the engine answers PING; one that is loading its data is not ready.

        timeout: seconds. Raises EngineStartError with the log's end when the process ends first or time runs out.
        """
        answer = "no answer"
        try:
            async with asyncio.timeout(timeout), engine_client(self.files.socket) as client:
                while self.returncode is None:
                    try:
                        await client.execute_command("PING")
                        return
                    except (RedisError, OSError) as error:
                        answer = str(error)
                    await asyncio.sleep(POLL)
        except TimeoutError:
            message = f"the engine was not ready within {timeout:g} s ({answer})"
            raise EngineStartError(message, log_tail=self.log_tail()) from None
        code = await self.wait()
        raise EngineStartError(f"the engine ended at its start: {describe_exit(code)}", log_tail=self.log_tail())

    async def shutdown(self, timeout: float) -> int:
        """Ends the engine: SHUTDOWN, then SIGTERM, then SIGKILL, each with its third of the time. Gives the exit code.

        Nothing acknowledged can be lost, whichever it takes: a durable engine has synced it before its reply.
        """
        step = timeout / 3
        try:
            async with asyncio.timeout(step):
                if self.returncode is None:
                    await request_shutdown(self.files.socket)
                    await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(step):
                    self.signal(signal.SIGTERM)
                    await self._process.wait()
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL, if it still runs, and wait. Gives the exit code."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the engine; does nothing when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines this run wrote; empty if the log cannot be read."""
        try:
            with self.files.log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - 8192))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _clear(self) -> None:
        if self._guard_fd < 0:
            return
        # The session's rest: the watcher, and a child that was rewriting the append-only file. While there is one, the
        # group's number cannot belong to anybody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._guard_fd)
        self._guard_fd = -1


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (by hand, or by the system for want of memory)" if code == -signal.SIGKILL else ""
    return f"killed by {name}{hint}"


def _set_large_log_aside(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name(log.name + ".1"))
