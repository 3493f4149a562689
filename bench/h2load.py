"""Unary calls over raw HTTP/2: closed-loop load as fast as a server takes it, and single calls for all else."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench import frames
from bench.connection import BenchError, Http2Connection, connect
from bench.processes import CpuMeter, CpuUse

# Real services limit the streams of a connection to about 100 or more.
STREAMS_PER_CONNECTION = 64
# Long before the ids run out at 2**31.
CALLS_PER_CONNECTION = 2**29


@dataclass(frozen=True)
class LoadResult:
    """What a server did in one window of time."""

    calls: int
    seconds: float
    latencies: list[float] = field(repr=False)  # seconds, one per call
    cpu: CpuUse

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


class LoadConnection(Http2Connection):
    """Keeps `width` rounds in flight until stopped. What a round is, subclasses say by `begin_round`; the whole of a
    unary call, for example."""

    def __init__(self, path: str, authority: str, width: int) -> None:
        super().__init__(path, authority)
        self.width = width
        self._in_flight = 0
        self._waiting = 0
        self._running = False
        self.calls = 0
        self.latencies: list[float] = []
        self.recording = False
        self.failure: BenchError | None = None
        self.sample = b""
        self.idle = asyncio.Event()

    def begin_round(self, now: float) -> bool:
        """Queue a round's first message; False when the connection's window is full."""
        raise NotImplementedError

    @property
    def spent(self) -> bool:
        """Whether the connection must be replaced before it runs out of stream ids."""
        return self.going_away or self.streams_opened > CALLS_PER_CONNECTION

    def run(self) -> None:
        self._running = True
        self._issue(self.width)
        self.flush()

    def stop(self) -> None:
        """No further rounds; `idle` is set when the last one is over."""
        self._running = False
        self._waiting = 0
        if not self._in_flight:
            self.idle.set()

    def end_round(self, started: float) -> None:
        """A round is over: count it and begin the next."""
        self._in_flight -= 1
        self.calls += 1
        if self.recording:
            self.latencies.append(time.perf_counter() - started)
        if self._running:
            self._issue(1)
        elif not self._in_flight:
            self.idle.set()

    def fail(self, text: str) -> None:
        """The figure would be wrong: say why and begin nothing more."""
        self.failure = self.failure or BenchError(text)
        self._running = False

    def on_window(self) -> None:
        if self._waiting:
            count, self._waiting = self._waiting, 0
            self._issue(count)

    def on_reset(self, stream: int, code: int) -> None:
        self.fail(f"the server reset a call of {self.path}, code {code}")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._in_flight:
            self.fail(f"the connection broke with {self._in_flight} calls in flight: {exc}")
        self._running = False
        self.idle.set()

    def _issue(self, count: int) -> None:
        now = time.perf_counter()
        for _ in range(count):
            if self.begin_round(now):
                self._in_flight += 1
            else:
                self._waiting += 1


class _UnaryConnection(LoadConnection):
    """A round is one unary call."""

    def __init__(self, path: str, authority: str, messages: Iterator[bytes], width: int) -> None:
        super().__init__(path, authority, width)
        self._messages = messages
        self._started: dict[int, float] = {}
        self._answered: set[int] = set()

    def begin_round(self, now: float) -> bool:
        message = next(self._messages)
        if not self.may_send(len(message)):
            self._messages = itertools.chain([message], self._messages)
            return False
        self._started[self.open_stream(message)] = now
        return True

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        # More than the five bytes of its frame: a message that says something.
        if len(data) > 5:
            self._answered.add(stream)
            if not self.sample:
                self.sample = data[5:]

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_STREAM:
            return
        if frames.STATUS_OK not in block or stream not in self._answered:
            self.fail(f"a call of {self.path} failed, trailers: {block!r}")
        self._answered.discard(stream)
        self.end_round(self._started.pop(stream))


class Load:
    """`concurrency` callers that each begin their next round as soon as one is over.

    `make` makes a connection for so many of them. Each round must go as its connection wants it, else `measure` raises
    BenchError.
    """

    def __init__(self, target: str, make: Callable[[int], LoadConnection], concurrency: int) -> None:
        self._target = target
        self._make = make
        count = -(-concurrency // STREAMS_PER_CONNECTION)
        self._widths = [concurrency // count + (i < concurrency % count) for i in range(count)]
        self._connections: list[LoadConnection] = []
        self.sample = b""  # one answer, without its gRPC frame

    async def measure(self, seconds: float, *, warmup: float = 0.3, cpu: CpuMeter) -> LoadResult:
        """Load the server for `warmup`, then measure for `seconds`."""
        self._connections = [await self._open(width) for width in self._widths]
        try:
            await self._pass(warmup)
            for connection in self._connections:
                connection.recording = True
            calls, begin = self._calls(), time.perf_counter()
            cpu.start()
            await self._pass(seconds)
            took, used = time.perf_counter() - begin, cpu.stop()
            done = self._calls() - calls
            latencies = [latency for connection in self._connections for latency in connection.latencies]
            for connection in self._connections:
                connection.stop()
            async with asyncio.timeout(10):
                await asyncio.gather(*(connection.idle.wait() for connection in self._connections))
            self._check()
        finally:
            await asyncio.gather(*(connection.close() for connection in self._connections))
        return LoadResult(done, took, latencies, used)

    async def _open(self, width: int) -> LoadConnection:
        connection = await connect(self._make(width), self._target)
        if connection.max_streams < width:
            raise BenchError(f"the server allows {connection.max_streams} streams a connection, {width} are needed")
        connection.run()
        return connection

    async def _pass(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            await asyncio.sleep(min(left, 0.25))
            self._check()

    def _calls(self) -> int:
        return sum(connection.calls for connection in self._connections)

    def _check(self) -> None:
        for connection in self._connections:
            if connection.failure is not None:
                raise connection.failure
            if connection.spent:
                raise BenchError("the server asked to reconnect, or the stream ids ran out, within one measurement")
            self.sample = connection.sample


class UnaryLoad(Load):
    """Callers of one unary method.

    `messages` gives each connection's requests: gRPC messages, framed by `frames.grpc_message`. Every answer must hold
    a message and end with status OK.
    """

    def __init__(self, target: str, path: str, messages: Callable[[], Iterator[bytes]], concurrency: int) -> None:
        super().__init__(target, lambda width: _UnaryConnection(path, target, messages(), width), concurrency)


class Caller(Http2Connection):
    """Single unary calls, for seeding and for paced writes. Use `frames.grpc_message` bodies through `call`."""

    def __init__(self, path: str, authority: str) -> None:
        super().__init__(path, authority)
        self._calls: dict[int, tuple[asyncio.Future[bytes], list[bytes]]] = {}
        self._room = asyncio.Event()

    async def call(self, body: bytes) -> bytes:
        """Call with this message; returns the answer's message. Raises BenchError when the call fails."""
        message = frames.grpc_message(body)
        while not self.may_send(len(message)):
            self._room.clear()
            await self._room.wait()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._calls[self.open_stream(message)] = (future, [])
        self.flush()
        async with asyncio.timeout(30):
            return await future

    def on_window(self) -> None:
        self._room.set()

    def on_data(self, stream: int, flags: int, data: bytes) -> None:
        self._calls[stream][1].append(data)

    def on_headers(self, stream: int, flags: int, block: bytes) -> None:
        if not flags & frames.END_STREAM:
            return
        future, parts = self._calls.pop(stream)
        if future.done():
            return
        if frames.STATUS_OK in block:
            future.set_result(b"".join(parts)[5:])
        else:
            future.set_exception(BenchError(f"a call of {self.path} failed, trailers: {block!r}"))

    def on_reset(self, stream: int, code: int) -> None:
        future, _ = self._calls.pop(stream)
        if not future.done():
            future.set_exception(BenchError(f"the server reset a call of {self.path}, code {code}"))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for future, _ in self._calls.values():
            if not future.done():
                future.set_exception(BenchError(f"the connection broke in a call of {self.path}: {exc}"))
