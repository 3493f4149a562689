"""A network that swallows packets: a TCP proxy before a server that stops passing anything on, and closes nothing."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"


class BlackHole:
    """Passes everything on between clients and `target` until told to swallow it. A context manager.

    async with BlackHole(server.target) as hole: ... wire.connect(hole.target) ...; hole.swallow()
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._swallows = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0
        """How often a client connected."""
        self.target = ""
        """Where it listens."""

    def swallow(self) -> None:
        """From now on nothing reaches anybody, and nobody is told that the other side has gone."""
        self._swallows.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.target = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, away = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, away}
        for source, sink in ((reader, away), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(1 << 16):
                if not self._swallows.is_set():
                    sink.write(piece)
        if not self._swallows.is_set():
            sink.transport.abort()
