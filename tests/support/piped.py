"""Programs whose standard output and standard error are read here; see `processes`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Protocol

from . import processes


class Piped(Protocol):
    """What tests need of `asyncio.subprocess.Process`."""

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...

    async def communicate(self, given: bytes, /) -> tuple[bytes, bytes]: ...


async def start_piped(
    *arguments: str, of: tuple[str, ...], environment: Mapping[str, str], stdin: int, limit: int
) -> Piped:
    """Starts a program.

    arguments, of, environment: as of `processes.start`.
    stdin: `subprocess.PIPE`, for `communicate`, or `subprocess.DEVNULL`.
    limit: of its lines, in bytes.
    """
    if not processes.forks(environment):
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments,
            env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=limit,
        )  # fmt: skip
    return await _Forked.start(arguments, of, environment, stdin, limit)


class _Forked:
    def __init__(self, program: processes.Forked, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.stdout, self.stderr = stdout, stderr
        self._program = program
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(program.fileno(), self._end)

    @classmethod
    async def start(
        cls, arguments: tuple[str, ...], of: tuple[str, ...], environment: Mapping[str, str], stdin: int, limit: int
    ) -> _Forked:
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        with os.fdopen(theirs_out, "wb") as stdout, os.fdopen(theirs_err, "wb") as stderr:
            program = processes.fork(
                *arguments, of=of, environment=environment, stdin=stdin, stdout=stdout.fileno(), stderr=stderr.fileno()
            )
        return cls(program, await _reader(out, limit), await _reader(err, limit))

    @property
    def returncode(self) -> int | None:
        return self._program.returncode

    def send_signal(self, number: int, /) -> None:
        self._program.send_signal(number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self._program.returncode is not None
        return self._program.returncode

    async def communicate(self, given: bytes, /) -> tuple[bytes, bytes]:
        _, out, err = await asyncio.gather(
            asyncio.to_thread(self._tell, given), self.stdout.read(), self.stderr.read()
        )  # fmt: skip
        await self.wait()
        return out, err

    def _tell(self, given: bytes) -> None:
        assert self._program.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._program.stdin as stdin:
            stdin.write(given)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._program.fileno())
        self._program.poll()
        self._ended.set()


async def _reader(file: int, limit: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    pipe = os.fdopen(file, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
