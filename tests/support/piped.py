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


class Closable(Protocol):
    """What is written to; here it is only closed."""

    def close(self) -> None: ...


class Piped(Protocol):
    """What tests need of `asyncio.subprocess.Process`."""

    @property
    def returncode(self) -> int | None: ...

    @property
    def stdin(self) -> Closable | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def stderr(self) -> asyncio.StreamReader | None: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...

    async def communicate(self, given: bytes = b"", /) -> tuple[bytes, bytes]: ...


async def start_piped(
    *arguments: str, of: tuple[str, ...], environment: Mapping[str, str],
    stdin: int = subprocess.PIPE, stderr: int = subprocess.PIPE, limit: int = 1 << 20,
) -> Piped:  # fmt: skip
    """Starts a program.

    arguments, of, environment: as of `processes.start`.
    stdin: `subprocess.PIPE` or `subprocess.DEVNULL`.
    stderr: `subprocess.PIPE` or a file.
    limit: of its lines, in bytes.
    """
    if not processes.forks(environment):
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments,
            env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, limit=limit,
        )  # fmt: skip
    return await _Forked.start(arguments, of, environment, stdin, stderr, limit)


class _Forked:
    def __init__(
        self, program: processes.Forked, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader | None
    ) -> None:
        self.stdin, self.stdout, self.stderr = program.stdin, stdout, stderr
        self._program = program
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(program.fileno(), self._end)

    @classmethod
    async def start(
        cls, arguments: tuple[str, ...], of: tuple[str, ...], environment: Mapping[str, str],
        stdin: int, stderr: int, limit: int,
    ) -> _Forked:  # fmt: skip
        readers: list[int] = []
        with contextlib.ExitStack() as theirs:

            def pipe() -> int:
                ours, file = os.pipe()
                theirs.callback(os.close, file)
                readers.append(ours)
                return file

            stdout = pipe()
            stderr = pipe() if stderr == subprocess.PIPE else stderr
            program = processes.fork(
                *arguments, of=of, environment=environment, stdin=stdin, stdout=stdout, stderr=stderr
            )
        out, *err = [await _reader(file, limit) for file in readers]
        return cls(program, out, err[0] if err else None)

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

    async def communicate(self, given: bytes = b"", /) -> tuple[bytes, bytes]:
        assert self.stderr is not None
        _, out, err = await asyncio.gather(
            asyncio.to_thread(self._tell, given), self.stdout.read(), self.stderr.read()
        )  # fmt: skip
        await self.wait()
        return out, err

    def _tell(self, given: bytes) -> None:
        assert self.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.stdin as stdin:
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
