"""Many server streams read over raw HTTP/2: each message counted, each event inside a watch's messages too."""

import asyncio
import functools
import time
from collections.abc import Callable

from bench import frames
from bench.connection import BenchError, Http2Connection, connect

STREAMS_PER_CONNECTION = 100


def count_events(message: bytes) -> int:
    """How many events a serialized WatchSessionResponse holds, without parsing them."""
    position, end, events = 0, len(message), 0
    while position < end:
        tag = message[position]
        if tag & 7 != 2 or tag > 0x7F:
            raise BenchError(f"not a watch's message: {message[:64]!r}")
        events += tag == 0x0A
        position += 1
        length = shift = 0
        while True:
            byte = message[position]
            position += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        position += length
    return events


class _Stream:
    __slots__ = ("consumed", "events", "messages", "partial")

    def __init__(self) -> None:
        self.partial = b""
        self.messages = 0
        self.events = 0
        self.consumed = 0


class StreamConnection(Http2Connection):
    """Reads the streams opened on it, counts, and calls `on_progress` after each read."""

    timeout = None

    def __init__(self, path: str, authority: str, on_progress: Callable[[], None]) -> None:
        super().__init__(path, authority)
        self._on_progress = on_progress
        self._counts: dict[bytes, tuple[int, int]] = {}
        self.streams: dict[int, _Stream] = {}
        self.messages = 0
        self.events = 0
        self.live = 0
        self.failure: BenchError | None = None
        self.record: list[tuple[float, bytes]] | None = None  # monotonic seconds, message

    def is_live(self, count: int) -> bool:
        """Whether so many streams have delivered their first message."""
        return self.live == count

    def watch(self, message: bytes) -> None:
        """Open one stream with this request."""
        self.streams[self.open_stream(message)] = _Stream()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._on_progress()

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        state = self.streams.get(stream)
        if state is None:
            return  # cancelled by us
        state.consumed += len(data)
        if state.consumed > 2**30:
            self._out.append(frames.window_update(stream, state.consumed))
            state.consumed = 0
        if state.partial:
            data = state.partial + data
            state.partial = b""
        # Watchers of one session get the same bytes: what one of them cost to count serves all.
        counted = None if self.record is not None else self._counts.get(data)
        if counted is None:
            counted = self._count(state, data)
        messages, events = counted
        if messages and not state.messages:
            self.live += 1
        state.messages += messages
        state.events += events
        self.messages += messages
        self.events += events

    def _count(self, state: _Stream, data: bytes) -> tuple[int, int]:
        position, end, messages, events = 0, len(data), 0, 0
        while end - position >= 5:
            stop = position + 5 + frames.UINT32.unpack_from(data, position + 1)[0]
            if stop > end:
                break
            message = data[position + 5 : stop]
            if self.record is not None:
                self.record.append((time.monotonic(), message))
            messages += 1
            events += count_events(message)
            position = stop
        if position < end:
            state.partial = data[position:]
        else:
            if len(self._counts) > 1024:
                self._counts.clear()
            self._counts[data] = messages, events
        return messages, events

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if flags & frames.END_STREAM and self.streams.pop(stream, None) is not None:
            self.failure = BenchError(f"a stream of {self.path} ended, trailers: {block!r}")

    def on_reset(self, stream: int, code: int) -> None:
        if self.streams.pop(stream, None) is not None:
            self.failure = BenchError(f"the server reset a stream of {self.path}, code {code}")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.streams:
            self.failure = BenchError(f"the connection broke with {len(self.streams)} streams open: {exc}")
            self._on_progress()


class Receivers:
    """Streams over as many connections as they need, counted together."""

    def __init__(self) -> None:
        self.connections: list[StreamConnection] = []
        self._changed = asyncio.Event()

    async def open(self, target: str, path: str, requests: list[bytes]) -> None:
        """Open a stream for each request body and wait until each one has delivered its first message."""
        for start in range(0, len(requests), STREAMS_PER_CONNECTION):
            connection = await connect(StreamConnection(path, target, self._changed.set), target)
            self.connections.append(connection)
            part = requests[start : start + STREAMS_PER_CONNECTION]
            for body in part:
                connection.watch(frames.grpc_message(body))
            connection.flush()
            # One connection after the other: gRPC refuses calls when about a thousand wait to be taken up.
            await self.until(functools.partial(connection.is_live, len(part)), "streams to be live")

    @property
    def events(self) -> int:
        """Events received on all streams."""
        return sum(connection.events for connection in self.connections)

    @property
    def messages(self) -> int:
        """Messages received on all streams, first ones and markers included."""
        return sum(connection.messages for connection in self.connections)

    def per_stream(self) -> list[int]:
        """Events of each stream."""
        return [stream.events for c in self.connections for stream in c.streams.values()]

    async def until(self, condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
        """Wait for a condition on the counts. Raises BenchError when a stream ends or the time is up."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
                    for connection in self.connections:
                        if connection.failure is not None:
                            raise connection.failure
        except TimeoutError:
            raise BenchError(f"waited {timeout:.0f} s for {what}; {self.events} events came") from None

    async def until_events(self, count: int) -> None:
        """Wait until `count` events were received on all streams together."""
        await self.until(lambda: self.events >= count, f"{count} events")

    async def close(self) -> None:
        """Cancel every stream and close the connections."""
        for connection in self.connections:
            streams, connection.streams = list(connection.streams), {}
            for stream in streams:
                connection.reset(stream)
            connection.flush()
            await connection.close()
        self.connections.clear()
