"""When a server process is to end: a signal, or the end of whoever started it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys


class Stop:
    """Hears SIGTERM and SIGINT, and with `at_eof` the end of standard input (a pipe held by whoever started us).

    Before `wait` it cancels the task that made it, so that a start can be given up; afterwards `wait` returns.
    """

    def __init__(self, *, at_eof: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._asked = asyncio.Event()
        self._starting = True
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._ask)
        if at_eof:
            self._loop.add_reader(sys.stdin.fileno(), self._read)

    async def wait(self) -> None:
        """The start is over: waits until the process is to end."""
        self._starting = False
        await self._asked.wait()

    def _ask(self) -> None:
        if self._starting and not self._asked.is_set() and self._task is not None:
            self._task.cancel()
        self._asked.set()

    def _read(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            self._loop.remove_reader(sys.stdin.fileno())
            self._ask()
