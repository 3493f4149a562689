"""The bytes between us and an engine: commands packed and replies parsed by hiredis, without a coroutine per reply.

redis-py connects, authenticates and selects; then its transport is taken over, because its own asyncio connection packs
commands in Python and wakes a task for every reply, which at our rates costs more than the rest of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection

from .scripts import Command

Reply = Any
"""What hiredis made of a reply: bytes, int, None, nested lists of them, or an EngineReplyError."""


class EngineReplyError(Exception):
    """An error reply, for example `MOVED 3999 127.0.0.1:6381`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code, _, self.detail = text.partition(" ")


class WireLostError(Exception):
    """The connection is gone."""


class Wire(asyncio.Protocol):
    """A connected, authenticated connection.

    `on_reply` is called for every reply, in order; `lost` fails when the connection ends.
    """

    def __init__(self, on_reply: Callable[[Reply], None]) -> None:
        self._on_reply = on_reply
        self._reader = hiredis.Reader(
            protocolError=WireLostError, replyError=EngineReplyError, notEnoughData=_NOT_ENOUGH
        )
        self._transport: asyncio.WriteTransport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, connection: AbstractConnection, on_reply: Callable[[Reply], None]) -> Wire:
        """Connects with redis-py and takes the transport over. Raises redis-py's errors, OSError."""
        await connection.connect()
        writer = connection._writer
        assert writer is not None
        wire = cls(on_reply)
        wire._transport = writer.transport
        writer.transport.set_protocol(wire)
        if writer.transport.is_closing():
            wire.connection_lost(None)
        return wire

    def send(self, command: Command) -> None:
        """Sends a command; what one turn of the loop sends leaves in one system call.

        Raises:
            WireLostError: the connection is closed, though `lost` may not say so yet; nothing was sent.
        """
        assert self._transport is not None
        packed = pack_command(command)
        try:
            self._transport.write(packed)
        except RuntimeError:
            raise WireLostError("the connection is closed") from None

    def abort(self) -> None:
        """Drops the connection at once."""
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reader, on_reply = self._reader, self._on_reply
        try:
            reader.feed(data)
            reply = reader.gets()
            while reply is not _NOT_ENOUGH:
                on_reply(reply)
                reply = reader.gets()
        except Exception as error:
            self._end(error)
            self.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or WireLostError("the store closed the connection"))

    def _end(self, error: Exception) -> None:
        if not self.lost.done():
            self.lost.set_exception(error)
            self.lost.exception()  # retrieved: nobody may be waiting any more


pack_command: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub takes 1-tuples only
_NOT_ENOUGH = object()
