"""The line between a client and a server: a TCP proxy that can be cut, closed, and led elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"


class Line:
    """Passes everything on between clients and `to`. A context manager.

    async with Line(server.target) as line, sojourn.Client(line.target) as client: ...; line.cut()
    """

    def __init__(self, to: str) -> None:
        self.to = to
        """Where new connections lead."""
        self.open = True
        """Whether new connections are taken on; else they are reset."""
        self.target = ""
        """Where it listens."""
        self.connections = 0
        """How many were taken on so far."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def cut(self) -> None:
        """Resets every connection; both ends learn of it."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.target = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.open = False
        while self._tasks:
            self.cut()
            await asyncio.wait(self._tasks, timeout=0.1)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(to_client)
        try:
            if not self.open:
                return
            host, _, port = self.to.rpartition(":")
            from_server, to_server = await asyncio.open_connection(host, int(port))
            self._writers.add(to_server)
            self.connections += 1
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(from_client, to_server))
                group.create_task(_pass_on(from_server, to_client))
            self._writers.discard(to_server)
        except OSError:
            pass  # nobody is there
        finally:
            to_client.transport.abort()
            self._writers.discard(to_client)
            self._tasks.discard(task)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(1 << 16):
            sink.write(piece)
    sink.transport.abort()
