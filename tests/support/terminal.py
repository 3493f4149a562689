"""Runs the `sojourn` program on a pseudo terminal, as somebody who looks at the screen and presses keys."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .command import PROGRAM
from .waiting import wait_until

WIDTH, HEIGHT = 140, 40
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-B]|\r")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, process: asyncio.subprocess.Process, ours: int, theirs: int) -> None:
        self.process = process
        self.raw = bytearray()
        """Everything written to the terminal."""
        self._ours = ours
        self._theirs = theirs

    def text(self, start: int = 0) -> str:
        """What was written, from byte `start` on, without colours and movements of the cursor."""
        return _CONTROLS.sub("", bytes(self.raw[start:]).decode(errors="replace"))

    async def until_shown(self, *words: str, timeout: float = 30.0) -> None:
        """Waits until all the words were shown on one line, written from now on."""
        start = len(self.raw)
        await wait_until(
            lambda: any(all(word in line for word in words) for line in self.text(start).split("\n")),
            timeout=timeout,
            description=f"{words} on the screen, which holds: {self.text()[-3000:]}",
        )

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def modes(self) -> list[Any]:
        """The terminal's modes."""
        return termios.tcgetattr(self._theirs)

    async def end(self, signal_number: int | None = None, *, timeout: float = 20.0) -> int:
        """Waits for the program's end, after a signal if one is given; the exit code."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.raw += os.read(self._ours, 65536)


@asynccontextmanager
async def on_a_terminal(*arguments: str, target: str) -> AsyncIterator[Terminal]:
    """Runs `sojourn` on a terminal beside the block; what still runs at the block's end is killed."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    environment |= {"SOJOURN_TARGET": target, "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    terminal = Terminal(process, ours, theirs)
    asyncio.get_running_loop().add_reader(ours, terminal._read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
        os.close(theirs)
