"""What open streams cost while nothing happens: memory of each, CPU of all, and what the renewal of leases adds."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bench import engine, floors, requests, tracked
from bench.bidi import IdleStreams
from bench.processes import CpuUse, Server
from bench.results import Plan, Row, against
from bench.streams import Receivers

# Longer than any window: such a request needs no heartbeat.
LONG_LEASE_SECONDS = 3600


class Streams(Protocol):
    """Streams that are opened together."""

    async def open(self, target: str, path: str, bodies: list[bytes]) -> None: ...


@dataclass(frozen=True)
class Rest:
    """A window in which nothing happened but heartbeats."""

    cpu: CpuUse
    scripts: float  # run by the engine in a second
    beats: int = 0

    @property
    def server(self) -> float:
        """Percent of a core."""
        return 100 * self.cpu.server_share

    @property
    def engine(self) -> float:
        """Percent of a core."""
        return 100 * self.cpu.engine / self.cpu.seconds

    @property
    def beat_rate(self) -> float:
        """Heartbeats a second."""
        return self.beats / self.cpu.seconds


async def rest(server: Server, seconds: float, beat: Callable[[float], Awaitable[int]] | None = None) -> Rest:
    """Let a window pass; `beat` sends heartbeats that long and returns how many."""
    await asyncio.sleep(min(1.0, seconds / 4))  # what opening the streams set off is over
    before = engine.script_calls(server)
    meter, beats = server.meter(), 0
    meter.start()
    if beat is None:
        await asyncio.sleep(seconds)
    else:
        beats = await beat(seconds)
    cpu = meter.stop()
    return Rest(cpu, (engine.script_calls(server) - before) / cpu.seconds, beats)


async def growth(server: Server, streams: Streams, path: str, bodies: list[bytes]) -> float:
    """Open the streams; by how many bytes the server's resident memory grew for each."""
    before = server.rss()
    await streams.open(server.target, path, bodies)
    return max(0.0, (server.rss() - before) / len(bodies))


def first_tenth(bodies: list[bytes]) -> list[bytes]:
    """Some to open and close beforehand: what the first streams allocate for good is not of those that count."""
    return bodies[: max(1, len(bodies) // 10)]


def _row(name: str, unit: str, value: float, floor: tuple[str, float] | None = None) -> Row:
    floors_ = [] if floor is None else [against(floor[0], value, floor[1])]
    return Row("tracking", name, unit, value, "lower", None, floors_)


def _at_rest(what: str, found: Rest) -> list[Row]:
    return [
        _row(f"server at rest, {what}", "% of a core", found.server),
        _row(f"engine at rest, {what}", "% of a core", found.engine),
        _row(f"scripts at rest, {what}", "calls/s", found.scripts),
    ]


async def idle_watches(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """Watches, each of a session of its own, with the markers a client gets that asks for nothing else."""
    ids = requests.session_ids("watched", plan.idle_streams)
    await requests.create_sessions(server.target, ids)
    rows = _at_rest("nothing open", await rest(server, plan.idle_seconds))
    bodies = [requests.watch_body(name, marker_seconds=0) for name in ids]
    bare = await _bare_watches(floor, len(ids))
    streams = Receivers()
    try:
        await streams.open(server.target, requests.WATCH, first_tenth(bodies))
        await streams.close()
        size = await growth(server, streams, requests.WATCH, bodies)
        found = await rest(server, plan.idle_seconds)
    finally:
        await streams.close()
    rows += _at_rest(f"{len(ids)} watches", found)
    rows.append(_row("server, bare server stream", "bytes", bare))
    rows.append(_row("server, watch", "bytes", size, ("bare server stream", bare)))
    return rows


async def _bare_watches(floor: Server, count: int) -> float:
    bodies = [floors.stream_request(0, b"\x1a\x00", b"")] * count
    streams = Receivers()
    try:
        await streams.open(floor.target, floors.STREAM, first_tenth(bodies))
        await streams.close()
        return await growth(floor, streams, floors.STREAM, bodies)
    finally:
        await streams.close()


class _Tracked:
    """Tracked requests, one in each session."""

    def __init__(self, server: Server, ids: list[str], lease_seconds: int) -> None:
        self._server = server
        self.bodies = [
            tracked.track(name, request_id, lease_seconds=lease_seconds)
            for name, request_id in zip(ids, tracked.request_ids(), strict=False)
        ]
        self.streams = IdleStreams(tracked.ADMITTED)

    async def warm(self) -> None:
        """Open some and finish them."""
        await self.streams.open(self._server.target, tracked.TRACK, first_tenth(self.bodies))
        await self.end()

    async def open(self) -> tuple[float, float]:
        """Open them; bytes for each in the server's resident memory and in the engine's."""
        used = engine.used_memory(self._server)
        size = await growth(self._server, self.streams, tracked.TRACK, self.bodies)
        return size, (engine.used_memory(self._server) - used) / len(self.bodies)

    async def end(self) -> None:
        """Finish them, so that none is left to be lost."""
        await self.streams.finish(tracked.LAST)
        await self.streams.close()

    async def beat(self, interval: float, seconds: float) -> int:
        """Send each a heartbeat once an interval; how many."""
        return await self.streams.beat(tracked.HEARTBEAT, interval, seconds)


async def idle_requests(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """Tracked requests, each of a session of its own: with the heartbeats of the default lease, and without any."""
    ids = requests.session_ids("tracked", plan.idle_streams)
    await requests.create_sessions(server.target, ids)
    # A lease of a minute costs what the default one does, and outlasts the time in which memory is measured.
    live, quiet = _Tracked(server, ids, 60), _Tracked(server, ids, LONG_LEASE_SECONDS)
    try:
        await live.warm()
        size, stored = await live.open()
        beating = await rest(server, plan.idle_seconds, functools.partial(live.beat, plan.heartbeat_seconds))
        answers = live.streams.sizes
        await live.end()
        await quiet.open()
        still = await rest(server, plan.idle_seconds)
        await quiet.end()
    finally:
        await live.streams.close()
        await quiet.streams.close()
    bare_size, bare = await _bare_requests(floor, live.bodies, answers, plan)
    rows = _at_rest(f"{len(ids)} tracked", beating) + _at_rest(f"{len(ids)} silent", still)
    rows.append(_row("bare server at rest, heartbeats", "% of a core", bare.server))
    rows += _renewal(beating, still, bare)
    rows.append(_row("server, bare bidi stream", "bytes", bare_size))
    rows.append(_row("server, tracked request", "bytes", size, ("bare bidi stream", bare_size)))
    rows.append(_row("engine, tracked request", "bytes", max(0.0, stored)))
    return rows


def _renewal(beating: Rest, still: Rest, bare: Rest) -> list[Row]:
    """What one heartbeat costs beyond the stream's being open, and how many scripts it takes."""
    rate = beating.beat_rate or 1.0
    server = max(0.0, 1e4 * (beating.server - still.server) / rate)
    used = max(0.0, 1e4 * (beating.engine - still.engine) / rate)
    scripts = max(0.0, beating.scripts - still.scripts)
    echoed = 1e4 * bare.server / (bare.beat_rate or 1.0)
    return [
        _row("a heartbeat, server", "µs", server, ("bare heartbeat", echoed)),
        _row("a heartbeat, engine", "µs", used),
        _row("scripts for renewals", "calls/s", scripts, ("heartbeats", rate)),
    ]


async def _bare_requests(floor: Server, like: list[bytes], answers: tuple[int, int], plan: Plan) -> tuple[float, Rest]:
    """Streams of the same messages with nothing behind them: memory of each, and a window with heartbeats."""
    bodies = [floors.reply_request(len(body), answers[0]) for body in like]
    heartbeat = floors.reply_request(4, answers[1])
    streams = IdleStreams()
    try:
        await streams.open(floor.target, floors.ECHO, first_tenth(bodies))
        await streams.finish(heartbeat)
        await streams.close()
        size = await growth(floor, streams, floors.ECHO, bodies)
        beat = functools.partial(streams.beat, heartbeat, plan.heartbeat_seconds)
        return size, await rest(floor, plan.idle_seconds, beat)
    finally:
        await streams.close()
