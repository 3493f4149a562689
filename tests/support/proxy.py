"""A proxy between a store and its engine that loses, holds back or makes up bytes."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote


class _Connection:
    def __init__(self, client: asyncio.StreamWriter, engine: asyncio.StreamWriter) -> None:
        self.client, self.engine = client, engine
        self.sent = b""
        """What the client sent; connections are chosen by it."""
        self.mute = False
        self.cut_at_reply = False

    def abort(self) -> None:
        self.client.transport.abort()
        self.engine.transport.abort()


class Proxy:
    """Listens on a unix socket beside the engine's and passes everything on, until told otherwise. A context manager.

    async with Proxy(engine.files.socket) as proxy: StoreSettings(proxy.url)
    """

    def __init__(self, engine: Path) -> None:
        self._engine = engine
        self._path = engine.with_name("proxy.sock")
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lose_reply_to: bytes | None = None
        self.delay = 0.0
        """Seconds every piece of an answer waits before it is passed on."""

    @property
    def url(self) -> str:
        return "unix://" + quote(str(self._path))

    def lose_reply_to(self, part: bytes) -> None:
        """The next command that contains `part` reaches the engine; its reply, and the connection, are lost."""
        self._lose_reply_to = part

    def mute(self, part: bytes) -> int:
        """Answers no longer reach the connections that ever sent `part`; returns how many these are."""
        chosen = [connection for connection in self._connections if part in connection.sent]
        for connection in chosen:
            connection.mute = True
        return len(chosen)

    def inject(self, reply: bytes, into: bytes) -> None:
        """Answers the connections that ever sent `into` something nobody asked for."""
        for connection in self._connections:
            if into in connection.sent:
                connection.client.write(reply)

    def cut(self) -> None:
        """Ends every connection."""
        for connection in list(self._connections):
            connection.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            from_engine, to_engine = await asyncio.open_unix_connection(str(self._engine))
        except OSError:
            to_client.transport.abort()
            return
        connection = _Connection(to_client, to_engine)
        self._connections.add(connection)
        pumps = [
            asyncio.ensure_future(self._commands(connection, from_client)),
            asyncio.ensure_future(self._replies(connection, from_engine)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            connection.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._connections.discard(connection)

    async def _commands(self, connection: _Connection, from_client: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while piece := await from_client.read(1 << 16):
                connection.sent = (connection.sent + piece)[-(1 << 20) :]
                connection.engine.write(piece)
                if self._lose_reply_to and self._lose_reply_to in piece:
                    self._lose_reply_to = None
                    connection.cut_at_reply = True

    async def _replies(self, connection: _Connection, from_engine: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while piece := await from_engine.read(1 << 16):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if connection.cut_at_reply:
                    return
                if not connection.mute:
                    connection.client.write(piece)
