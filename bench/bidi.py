"""Streams open both ways over raw HTTP/2: one connection's, and many idle ones that send heartbeats."""

import asyncio
import time
from collections.abc import Callable, Iterator

from bench import frames
from bench.connection import BenchError, Http2Connection, connect

STREAMS_PER_CONNECTION = 100
# Heartbeats go out a few at a time, as those of clients that know nothing of each other do.
TICK = 0.02


class Splitter:
    """The gRPC messages in the data of streams, whatever frames it came in."""

    def __init__(self) -> None:
        self._partial: dict[int, bytes] = {}

    def feed(self, stream: int, data: bytes) -> Iterator[bytes]:
        """The messages that this data completes."""
        data = self._partial.pop(stream, b"") + data
        position = 0
        while len(data) - position >= 5:
            stop = position + 5 + frames.UINT32.unpack_from(data, position + 1)[0]
            if stop > len(data):
                break
            yield data[position + 5 : stop]
            position = stop
        if position < len(data):
            self._partial[stream] = data[position:]


class BidiConnection(Http2Connection):
    """Opens streams, sends on them, hands over their messages; a stream that ends unasked is a failure."""

    timeout = None

    def __init__(self, path: str, authority: str) -> None:
        super().__init__(path, authority)
        self._splitter = Splitter()
        self._changed = asyncio.Event()
        self.ending: dict[int, bool] = {}
        """The open streams, and whether their end was asked for."""
        self.failure: BenchError | None = None

    # What subclasses fill in.

    def on_message(self, stream: int, message: bytes) -> None:
        """A whole message arrived."""

    # What is used of it.

    def begin(self, body: bytes) -> int:
        """Open a stream with this message; returns it. Call `flush` to send it."""
        message = frames.grpc_message(body)
        if not self.may_send(len(message)):
            raise BenchError("the connection's window has no room for another stream")
        stream = self.open_stream(message, end=False)
        self.ending[stream] = False
        return stream

    def finish(self, stream: int, message: bytes) -> None:
        """Queue the last message, framed: the stream may end now."""
        self.ending[stream] = True
        self.send(stream, message, end=True)

    def fail(self, text: str) -> None:
        """The figure would be wrong: who waits is told why."""
        self.failure = self.failure or BenchError(text)

    async def until(self, condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
        """Wait until data made a condition true. Raises BenchError when a stream fails or the time is up."""
        try:
            async with asyncio.timeout(timeout):
                while self.failure is None and not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise BenchError(f"waited {timeout:.0f} s for {what}") from None
        if self.failure is not None:
            raise self.failure

    # Http2Connection

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._changed.set()

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        for message in self._splitter.feed(stream, data):
            self.on_message(stream, message)

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_STREAM or stream not in self.ending:
            return  # cancelled by us
        if not self.ending.pop(stream) or frames.STATUS_OK not in block:
            self.fail(f"a stream of {self.path} ended, trailers: {block!r}")

    def on_reset(self, stream: int, code: int) -> None:
        if stream in self.ending:
            self.fail(f"the server reset a stream of {self.path}, code {code}")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.ending:
            self.fail(f"the connection broke with {len(self.ending)} streams open: {exc}")
        self._changed.set()


class _IdleConnection(BidiConnection):
    """Counts the first answers of its streams, and the further ones."""

    def __init__(self, path: str, authority: str, answer: bytes) -> None:
        super().__init__(path, authority)
        self._answer = answer
        self._answered: set[int] = set()
        self._beating: set[int] = set()
        self.first = b""
        self.later = b""

    def on_message(self, stream: int, message: bytes) -> None:
        if stream in self._answered:
            self._beating.discard(stream)
            self.later = message
        elif message.startswith(self._answer):
            self._answered.add(stream)
            self.first = message
        else:
            self.fail(f"{self.path} answered {message[:64]!r}")

    def beat(self, stream: int, message: bytes) -> None:
        """Queue a message that is answered; those that come soon after each other may share an answer."""
        self._beating.add(stream)
        self.send(stream, message)

    async def live(self) -> None:
        """Wait until every stream was answered."""
        await self.until(lambda: len(self._answered) == len(self.ending), "streams to be answered")

    async def confirmed(self) -> None:
        """Wait until every stream that beat was answered."""
        await self.until(lambda: not self._beating, "heartbeats to be answered")

    async def ended(self) -> None:
        """Wait until every stream has ended."""
        await self.until(lambda: not self.ending, "streams to end")


class IdleStreams:
    """Streams that were answered once and stay open, over as many connections as they need."""

    def __init__(self, answer: bytes = b"") -> None:
        """`answer`: what the first message of each must begin with."""
        self._answer = answer
        self._connections: list[_IdleConnection] = []
        self._streams: list[tuple[_IdleConnection, int]] = []

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of a first answer and of a later one, 0 before there was one."""
        connection = self._connections[0]
        return len(connection.first), len(connection.later)

    async def open(self, target: str, path: str, bodies: list[bytes]) -> None:
        """Open a stream with each message and wait until each has its answer."""
        for start in range(0, len(bodies), STREAMS_PER_CONNECTION):
            connection = await connect(_IdleConnection(path, target, self._answer), target)
            self._connections.append(connection)
            for body in bodies[start : start + STREAMS_PER_CONNECTION]:
                self._streams.append((connection, connection.begin(body)))
            connection.flush()
            await connection.live()

    async def beat(self, body: bytes, interval: float, seconds: float) -> int:
        """Send this message on every stream once an `interval`, spread evenly; returns how many in `seconds`.

        Waits until each is answered. Raises BenchError when a stream fails or an answer does not come.
        """
        message, sent, begin = frames.grpc_message(body), 0, time.monotonic()
        while (passed := time.monotonic() - begin) < seconds:
            due = int(passed / interval * len(self._streams))
            for number in range(sent, due):
                connection, stream = self._streams[number % len(self._streams)]
                connection.beat(stream, message)
            sent = due
            for connection in self._connections:
                connection.flush()
            await asyncio.sleep(TICK)
        for connection in self._connections:
            await connection.confirmed()
        return sent

    async def finish(self, body: bytes) -> None:
        """Send each its last message and wait until all have ended well."""
        message = frames.grpc_message(body)
        for connection in self._connections:
            for stream in connection.ending:
                connection.finish(stream, message)
            connection.flush()
            await connection.ended()

    async def close(self) -> None:
        """Cancel what is still open and close the connections."""
        for connection in self._connections:
            streams, connection.ending = list(connection.ending), {}
            for stream in streams:
                connection.reset(stream)
            connection.flush()
            await connection.close()
        self._connections.clear()
        self._streams.clear()
