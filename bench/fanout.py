"""Watch fan-out: one session with many watchers, and many sessions with one each, against bare server streams."""

import asyncio
import time

from bench import floors, requests
from bench.connection import BenchError, connect
from bench.h2load import Caller
from bench.processes import CpuUse, Server
from bench.results import Plan, Row, against, median
from bench.streams import Receivers

# Writes on their way ahead of their deliveries: enough to keep the server busy, far from any watcher's bound.
AHEAD = 4


class Measured:
    """Deliveries of one round."""

    def __init__(self, deliveries: int, messages: int, seconds: float, cpu: CpuUse) -> None:
        self.deliveries = deliveries
        self.messages = messages
        self.rate = deliveries / seconds
        self.cpu = cpu


async def bare(floor: Server, streams: int, count: int, message: bytes) -> Measured:
    """`streams` bare streams that deliver `count` messages each, all let go at once."""
    receivers = Receivers()
    go = await connect(Caller(floors.GO, floor.target), floor.target)
    try:
        # A watch begins with a marker; so does this stream.
        await receivers.open(
            floor.target, floors.STREAM, [floors.stream_request(count, b"\x1a\x00", message)] * streams
        )
        cpu, first = floor.meter(), receivers.messages
        cpu.start()
        begin = time.perf_counter()
        await go.call(b"")
        await receivers.until_events(streams * count)
        seconds, used = time.perf_counter() - begin, cpu.stop()
        _check(receivers, count)
        return Measured(receivers.events, receivers.messages - first, seconds, used)
    finally:
        await receivers.close()
        await go.close()


async def watched(server: Server, ids: list[str], watchers: int, bodies: list[bytes], rounds: int) -> Measured:
    """`watchers` watches of each session while `bodies`, together a write to each, are written `rounds` times."""
    receivers = Receivers()
    path = requests.BATCH_WRITE if len(ids) > 1 else requests.WRITE
    writer = await connect(Caller(path, server.target), server.target)
    try:
        opened = [requests.watch_body(session_id) for session_id in ids for _ in range(watchers)]
        await receivers.open(server.target, requests.WATCH, opened)
        cpu, first = server.meter(), receivers.messages
        cpu.start()
        begin = time.perf_counter()
        answers = await _write(writer, receivers, bodies * rounds, len(opened) // len(bodies))
        await receivers.until_events(len(opened) * rounds)
        seconds, used = time.perf_counter() - begin, cpu.stop()
        _check(receivers, rounds)
        if path == requests.BATCH_WRITE:
            for answer in answers:
                requests.check_batch(answer)
        return Measured(receivers.events, receivers.messages - first, seconds, used)
    finally:
        await receivers.close()
        await writer.close()


async def _write(writer: Caller, receivers: Receivers, bodies: list[bytes], deliveries: int) -> list[bytes]:
    """Write the bodies in order, never more than AHEAD ahead of what was delivered (`deliveries` for each body)."""
    calls = []
    for number, body in enumerate(bodies):
        await receivers.until_events((number - AHEAD) * deliveries)
        calls.append(asyncio.create_task(writer.call(body)))
        await asyncio.sleep(0)
    return await asyncio.gather(*calls)


def _check(receivers: Receivers, each: int) -> None:
    counts = receivers.per_stream()
    if set(counts) != {each}:
        raise BenchError(f"streams delivered from {min(counts)} to {max(counts)} events, each should have {each}")


def _row(name: str, results: list[Measured], bases: list[tuple[str, float]]) -> Row:
    rates = [result.rate for result in results]
    deliveries = sum(result.deliveries for result in results)
    details = {
        "server_cpu_us_per_call": 1e6 * sum(result.cpu.server for result in results) / deliveries,
        "engine_cpu_us_per_call": 1e6 * sum(result.cpu.engine for result in results) / deliveries,
        "server_cpu_share": median([result.cpu.server_share for result in results]),
        "load_cpu_share": median([result.cpu.load_share for result in results]),
        "events_per_message": deliveries / (sum(result.messages for result in results) or 1),
    }
    ratios = [against(label, median(rates), value) for label, value in bases]
    return Row("fanout", name, "deliveries/s", median(rates), "higher", None, ratios, details, rates)


async def run(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """Both shapes and their floors, alternating."""
    count = max(1, plan.deliveries // plan.watchers)
    one = requests.session_ids("fanout-one", 1)
    many = requests.session_ids("fanout-many", plan.watchers)
    await requests.create_sessions(server.target, one + many)
    message = await _message(server)
    single: list[Measured] = []
    shaped: list[Measured] = []
    wide: list[Measured] = []
    narrow: list[Measured] = []
    for _ in range(plan.rounds):
        single.append(await bare(floor, 1, plan.deliveries, message))
        shaped.append(await bare(floor, plan.watchers, count, message))
        wide.append(await watched(server, one, plan.watchers, [requests.write_body(one[0])], count))
        narrow.append(await watched(server, many, 1, requests.batch_bodies(many), count))
    bases = [
        (f"{plan.watchers} bare streams", median([result.rate for result in shaped])),
        ("1 bare stream", median([result.rate for result in single])),
    ]
    return [
        _row("1 bare stream", single, []),
        _row(f"{plan.watchers} bare streams", shaped, []),
        _row(f"1 session x {plan.watchers} watchers", wide, bases),
        _row(f"{plan.watchers} sessions x 1 watcher", narrow, bases),
    ]


async def _message(server: Server) -> bytes:
    """What a watcher really gets for one write; the floor streams the same bytes."""
    ids = requests.session_ids("fanout-sample", 1)
    await requests.create_sessions(server.target, ids)
    receivers = Receivers()
    try:
        await receivers.open(server.target, requests.WATCH, [requests.watch_body(ids[0])])
        record = receivers.connections[0].record = []
        await requests.sample(server.target, requests.WRITE, requests.write_body(ids[0]))
        await receivers.until_events(1)
        return next(message for _, message in record if message[0] == 0x0A)
    finally:
        await receivers.close()
