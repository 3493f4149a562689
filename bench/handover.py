"""How soon the next request is admitted when one finishes and others wait in line."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator

from bench import floors, requests, tracked
from bench.bidi import BidiConnection
from bench.connection import connect
from bench.frames import grpc_message
from bench.processes import Server
from bench.results import Plan, Row, against, percentile
from sojourn.v1 import admin_service_pb2 as admin_pb2
from sojourn.v1 import session_service_pb2 as service_pb2

SET_POOL = "/sojourn.v1.AdminService/SetPool"
POOL = "bench"
# Longer than the run: who waits in line sends no heartbeats.
LEASE_SECONDS = 3600


class _Line(BidiConnection):
    """Streams of which one is admitted and the others wait."""

    def __init__(self, authority: str) -> None:
        super().__init__(tracked.TRACK, authority)
        self.order: deque[int] = deque()
        """Streams by the time they began, without the admitted one."""
        self.waiting: set[int] = set()
        """Those that were told that they wait."""
        self.holder = 0
        self.admitted_at = 0.0

    def on_message(self, stream: int, message: bytes) -> None:
        kind = message[:1]
        if kind == tracked.QUEUED:
            self.waiting.add(stream)
        elif kind == tracked.ADMITTED:
            self.admitted_at = time.perf_counter()
            self.waiting.discard(stream)
            if self.holder or stream != self.order.popleft():
                self.fail("a request was admitted out of turn")
            self.holder = stream
        elif kind != tracked.FINISHED:
            self.fail(f"{self.path} answered {message[:64]!r}")

    async def join(self, body: bytes) -> None:
        """Begin another request and wait until it is admitted or in line."""
        stream = self.begin(body)
        self.order.append(stream)
        self.flush()
        await self.until(lambda: stream in self.waiting or stream == self.holder, "a request to begin")

    async def hand_over(self) -> float:
        """The holder finishes; seconds until the next was admitted."""
        stream, self.holder = self.holder, 0
        begin = time.perf_counter()
        self.finish(stream, grpc_message(tracked.LAST))
        self.flush()
        await self.until(lambda: self.holder != 0, "the next to be admitted")
        return self.admitted_at - begin

    async def disperse(self) -> None:
        """All finish, last come first, so that nobody is admitted any more."""
        for stream in [*reversed(self.order), self.holder]:
            self.finish(stream, grpc_message(tracked.LAST))
        self.flush()
        await self.until(lambda: not self.ending, "the line to disperse")


async def _handovers(server: Server, bodies: Iterator[bytes], plan: Plan, hold: float) -> list[float]:
    """Milliseconds of each handover, with `plan.waiting` in line whenever one finishes after `hold` seconds of work."""
    line = await connect(_Line(server.target), server.target)
    try:
        times = []
        for _ in range(1 + plan.waiting):
            await line.join(next(bodies))
        for _ in range(plan.releases):
            await asyncio.sleep(hold)
            times.append(1e3 * await line.hand_over())
            await line.join(next(bodies))
        await line.disperse()
        return times
    finally:
        line.ending.clear()
        await line.close()


class _Echo(BidiConnection):
    """Waits for answers one by one."""

    def __init__(self, authority: str) -> None:
        super().__init__(floors.ECHO, authority)
        self.answered_at = 0.0

    def on_message(self, stream: int, message: bytes) -> None:
        self.answered_at = time.perf_counter()

    async def answer(self) -> float:
        """Send what is queued; seconds until the answer."""
        self.answered_at, begin = 0.0, time.perf_counter()
        self.flush()
        await self.until(lambda: self.answered_at > 0, "an echo")
        return self.answered_at - begin


async def _echoes(floor: Server, plan: Plan) -> list[float]:
    """Milliseconds from a message to its answer on an open stream."""
    connection = await connect(_Echo(floor.target), floor.target)
    try:
        body = floors.reply_request(16, 64)
        stream, times = connection.begin(body), []
        await connection.answer()
        for _ in range(plan.releases):
            connection.send(stream, grpc_message(body))
            times.append(1e3 * await connection.answer())
        return times
    finally:
        connection.ending.clear()
        await connection.close()


async def _session_line(server: Server) -> Iterator[bytes]:
    """Requests of one session that admits one at a time."""
    (name,) = requests.session_ids("line", 1)
    create = service_pb2.CreateSessionRequest(session_id=name, max_concurrent_requests=1)
    await requests.sample(server.target, requests.CREATE, create.SerializeToString())
    return (tracked.track(name, one, lease_seconds=LEASE_SECONDS) for one in tracked.request_ids())


async def _pool_line(server: Server, sessions: int) -> Iterator[bytes]:
    """Requests of many sessions, all for the one slot of a pool."""
    await requests.sample(server.target, SET_POOL, admin_pb2.SetPoolRequest(name=POOL, size=1).SerializeToString())
    names = requests.session_ids("pooled", sessions)
    await requests.create_sessions(server.target, names)
    return (
        tracked.track(name, one, pool=POOL, lease_seconds=LEASE_SECONDS)
        for name, one in zip(itertools.cycle(names), tracked.request_ids(), strict=False)
    )


async def next_admitted(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """A session's line and a pool's: from sending the one's finish to the admission of the next."""
    bare = await _echoes(floor, plan)
    rows = []
    for what, bodies in (
        ("session", await _session_line(server)),
        ("pool", await _pool_line(server, plan.waiting + 1)),
    ):
        for pace, hold in (("", plan.hold_seconds), (" at once", 0.0)):
            times = await _handovers(server, bodies, plan, hold)
            for label, share in (("p50", 0.5), ("p99", 0.99)):
                value, base = percentile(times, share), percentile(bare, share)
                name = f"next in {what}{pace}, {label}"
                floors_ = [against(f"bare echo {label}", value, base)]
                rows.append(Row("tracking", name, "ms", value, "lower", plan.waiting, floors_))
    return rows
