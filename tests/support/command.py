"""Runs the installed `sojourn` program as a user does: as a process, with its output in pipes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import processes
from .piped import Piped, start_piped
from .waiting import wait_until

PROGRAM = Path(sys.executable).with_name("sojourn")


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """Lines of standard output."""
        return self.stdout.splitlines()


@dataclass
class Running:
    """A program that runs, with what it has written so far."""

    process: Piped
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def until_lines(self, count: int, *, timeout: float = 30.0) -> list[str]:
        """Waits until so many lines of standard output are there; all of them."""
        await wait_until(
            lambda: len(self.lines) >= count, timeout=timeout, description=f"{count} lines; stderr: {self.errors}"
        )
        return self.lines

    async def until_said(self, text: str, *, timeout: float = 30.0) -> None:
        """Waits until standard error holds the text."""
        await wait_until(
            lambda: any(text in line for line in self.errors), timeout=timeout, description=f"{text!r} on stderr"
        )

    async def end(self, signal_number: int | None = None, *, timeout: float = 60.0) -> int:
        """Waits for the program's end, after a signal if one is given; the exit code."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        async with asyncio.timeout(timeout):
            return await self.process.wait()


async def sojourn(*arguments: str, target: str | None = None, stdin: bytes = b"", timeout: float = 90.0) -> Done:
    """Runs `sojourn` to its end. Raises TimeoutError, and kills it, when it takes longer than `timeout` seconds."""
    process = await _start(arguments, target, stdin=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def running(*arguments: str, target: str | None = None) -> AsyncIterator[Running]:
    """Runs `sojourn` beside the block; what still runs at the block's end is interrupted, then killed."""
    process = await _start(arguments, target, stdin=asyncio.subprocess.DEVNULL)
    program = Running(process)
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        asyncio.create_task(_collect(process.stdout, program.lines)),
        asyncio.create_task(_collect(process.stderr, program.errors)),
    ]
    try:
        yield program
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await program.end(timeout=10)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(*readers)


async def _start(arguments: tuple[str, ...], target: str | None, *, stdin: int) -> Piped:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    if target is not None:
        environment["SOJOURN_TARGET"] = target
    return await start_piped(
        str(PROGRAM), *arguments, of=processes.PROGRAM, environment=environment, stdin=stdin, limit=32 << 20
    )


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode().rstrip("\n"))
