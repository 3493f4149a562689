"""A client connection of HTTP/2, for one gRPC method or few, lean enough to outrun a grpc.aio server."""

import asyncio
from typing import ClassVar, TypeVar, cast

from bench import frames
from bench.frames import DATA, END_STREAM, FRAME_HEADER, HEADERS


class BenchError(Exception):
    """What was measured is not what should have been: the figure would be wrong."""


class Http2Connection(asyncio.Protocol):
    """Frames in and out, flow control and pings. Subclasses say what headers and data mean.

    Responses are taken with the largest windows there are, so the server is never held back by flow control; requests
    keep to the server's connection window. Header compression is switched off in the server's direction, so trailers
    can be read without a decoder.
    """

    timeout: ClassVar[str | None] = "30S"
    """Deadline of every call; None for streams, which have none in earnest either."""

    def __init__(self, path: str, authority: str) -> None:
        self.path = path
        self._first_block, self._later_block = frames.request_headers(path, authority, self.timeout)
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self._out: list[bytes] = []
        self._next_stream = 1
        self._send_window = frames.DEFAULT_WINDOW
        self._received = 0
        self.max_streams = 2**31 - 1
        self.settled = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()
        self.going_away = False

    # What subclasses fill in.

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        """A header block arrived; with END_STREAM it holds the trailers."""

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        """Part of a response's body arrived."""

    def on_reset(self, stream: int, code: int) -> None:
        """The server gave the stream up."""

    def on_window(self) -> None:
        """The server allows more to be sent."""

    # What subclasses use.

    def headers_of(self, path: str) -> bytes:
        """The header block of calls of another path, for `open_stream`; not for a connection's first call."""
        return frames.with_path(self._later_block, path)

    def open_stream(self, message: bytes, *, end: bool = True, headers: bytes | None = None) -> int:
        """Queue a call with this gRPC message and, with `end`, half-close; returns its stream. Call `flush` to send it.

        The caller has checked `may_send`. Raises BenchError for a message that no fresh stream's window takes.
        """
        stream = self._next_stream
        block = headers or (self._later_block if stream > 1 else self._first_block)
        self._next_stream = stream + 2
        self._send_window -= len(message)
        self._out += (FRAME_HEADER.pack(len(block) << 8 | HEADERS, frames.END_HEADERS, stream), block)
        if len(message) > frames.MAX_FRAME:
            self._split(stream, message, end)
        else:
            self._out += (FRAME_HEADER.pack(len(message) << 8 | DATA, END_STREAM if end else 0, stream), message)
        return stream

    def send(self, stream: int, message: bytes, *, end: bool = False) -> None:
        """Queue a further, small gRPC message on an open stream. Raises BenchError when no window takes it."""
        if not self.may_send(len(message)):
            raise BenchError("the connection's window has no room for another message")
        self._send_window -= len(message)
        self._out += (FRAME_HEADER.pack(len(message) << 8 | DATA, END_STREAM if end else 0, stream), message)

    def _split(self, stream: int, message: bytes, end: bool) -> None:
        if len(message) > frames.DEFAULT_WINDOW:
            raise BenchError(f"a request of {len(message)} bytes does not fit a stream's first window")
        for start in range(0, len(message), frames.MAX_FRAME):
            piece = message[start : start + frames.MAX_FRAME]
            last = start + frames.MAX_FRAME >= len(message)
            self._out.append(frames.frame(DATA, END_STREAM if end and last else 0, stream, piece))

    def may_send(self, size: int) -> bool:
        """Whether the connection's send window has room for a message of `size` bytes."""
        return self._send_window >= size

    @property
    def streams_opened(self) -> int:
        """How many stream ids are used up."""
        return self._next_stream // 2

    def flush(self) -> None:
        """Send what is queued."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def reset(self, stream: int) -> None:
        """Cancel a call."""
        self._out.append(frames.frame(frames.RST_STREAM, 0, stream, frames.UINT32.pack(0x8)))

    async def close(self) -> None:
        """Close the connection and wait until it is closed."""
        if self._transport is not None:
            self._transport.close()
            await self.lost

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            frames.PREFACE
            + frames.settings({frames.HEADER_TABLE_SIZE: 0, frames.INITIAL_WINDOW_SIZE: frames.MAX_WINDOW})
            + frames.window_update(0, frames.MAX_WINDOW - frames.DEFAULT_WINDOW)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.settled.done():
            self.settled.set_exception(BenchError(f"the server closed the connection at once: {exc}"))
            self.settled.exception()  # looked at: whoever connects gets it from `connect`
        if not self.lost.done():
            self.lost.set_result(exc)

    def data_received(self, data: bytes) -> None:
        buffer = self._tail + data if self._tail else data
        position, end = 0, len(buffer)
        unpack = FRAME_HEADER.unpack_from
        while end - position >= 9:
            word, flags, stream = unpack(buffer, position)
            start = position + 9
            stop = start + (word >> 8)
            if stop > end:
                break
            kind = word & 0xFF
            if kind == DATA:
                if flags & frames.PADDED:
                    raise BenchError("padded DATA frames are not expected from gRPC")
                self.on_data(stream, flags, buffer[start:stop])
                self._received += stop - start
            elif kind == HEADERS:
                if not flags & frames.END_HEADERS or flags & (frames.PADDED | frames.PRIORITY):
                    raise BenchError("header blocks over several or padded frames are not expected from gRPC")
                self.on_headers(stream, flags, buffer[start:stop])
            else:
                self._control(kind, flags, stream, buffer[start:stop])
            position = stop
        self._tail = buffer[position:]
        if self._received > 2**30:
            self._out.append(frames.window_update(0, self._received))
            self._received = 0
        self.flush()

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == frames.SETTINGS and not flags & frames.ACK:
            for key, value in frames.SETTING.iter_unpack(payload):
                if key == frames.MAX_CONCURRENT_STREAMS:
                    self.max_streams = value
            self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
            if not self.settled.done():
                self.settled.set_result(None)
        elif kind == frames.PING and not flags & frames.ACK:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.WINDOW_UPDATE and stream == 0:
            self._send_window += frames.UINT32.unpack(payload)[0]
            self.on_window()
        elif kind == frames.RST_STREAM:
            self.on_reset(stream, frames.UINT32.unpack(payload)[0])
        elif kind == frames.GOAWAY:
            self.going_away = True


C = TypeVar("C", bound=Http2Connection)


async def connect(connection: C, target: str) -> C:
    """Connect and wait for the server's settings. `target` is host:port.

    Raises OSError when nobody listens, TimeoutError after 10 s, BenchError when the server hangs up at once.
    """
    host, _, port = target.rpartition(":")
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: connection, host, int(port))
    async with asyncio.timeout(10):
        await connection.settled
    return connection
