"""From a write to its watcher at a steady rate, against a bare unary round trip at the same rate."""

import asyncio
import time

from bench import floors, requests
from bench.connection import BenchError, connect
from bench.h2load import Caller
from bench.processes import Server
from bench.results import Plan, Row, against, percentile
from bench.streams import Receivers
from sojourn.v1 import session_service_pb2 as service_pb2

# Paced writes in flight; more means the server does not keep up and the figure would be a queue's length.
IN_FLIGHT = 2000


async def _paced(caller: Caller, body: bytes, plan: Plan) -> list[tuple[float, float, bytes]]:
    """(sent, answered, answer) of calls started `plan.latency_rate` times a second whatever the answers do."""
    done: list[tuple[float, float, bytes]] = []

    async def one(due: float) -> None:
        answer = await caller.call(body)
        # From when it was due: a late start is waiting too.
        done.append((due, time.monotonic(), answer))

    begin = time.monotonic()
    tasks = []
    for number in range(int(plan.latency_seconds * plan.latency_rate)):
        due = begin + number / plan.latency_rate
        if (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        if number - len(done) > IN_FLIGHT:
            raise BenchError(f"{plan.latency_rate} calls/s are more than the server takes")
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return done


async def _echo(floor: Server, request: int, reply: int, plan: Plan) -> list[float]:
    caller = await connect(Caller(floors.REPLY, floor.target), floor.target)
    try:
        calls = await _paced(caller, floors.reply_request(request, reply), plan)
    finally:
        await caller.close()
    return [1e3 * (answered - sent) for sent, answered, _ in calls]


async def _watched(server: Server, session_id: str, plan: Plan) -> tuple[list[float], list[float]]:
    """Milliseconds from sending a write to its event, and from its commit (by the store's clock) to its event."""
    receivers = Receivers()
    caller = await connect(Caller(requests.WRITE, server.target), server.target)
    try:
        await receivers.open(server.target, requests.WATCH, [requests.watch_body(session_id)])
        record = receivers.connections[0].record = []
        wall = time.time() - time.monotonic()
        calls = await _paced(caller, requests.write_body(session_id), plan)
        await receivers.until_events(len(calls))
    finally:
        await receivers.close()
        await caller.close()
    sent = {service_pb2.WriteSessionResponse.FromString(answer).revision: at for at, _, answer in calls}
    from_send, from_commit = [], []
    for arrived, message in record:
        for event in service_pb2.WatchSessionResponse.FromString(message).events:
            commit = event.commit_time.seconds + event.commit_time.nanos / 1e9
            from_send.append(1e3 * (arrived - sent.pop(event.revision)))
            from_commit.append(1e3 * (arrived + wall - commit))
    if sent:
        raise BenchError(f"{len(sent)} of {len(calls)} writes never reached the watcher")
    return from_send, from_commit


async def run(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """Medians and 99th percentiles. The commit comes after the sending, so that row bounds it from above."""
    (session_id,) = requests.session_ids("latency", 1)
    await requests.create_sessions(server.target, [session_id])
    body = requests.write_body(session_id)
    answer = await requests.sample(server.target, requests.WRITE, body)
    await _watched(server, session_id, _warm(plan))
    bare = await _echo(floor, len(body), len(answer), plan)
    sent, committed = await _watched(server, session_id, plan)
    rows = []
    for label, values in (("write sent to watcher", sent), ("commit to watcher", committed)):
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            value, base = percentile(values, share), percentile(bare, share)
            floors_ = [against(f"echo {name} at {plan.latency_rate}/s", value, base)]
            rows.append(Row("latency", f"{label}, {name}", "ms", value, "lower", None, floors_))
    return rows


def _warm(plan: Plan) -> Plan:
    return Plan(latency_seconds=min(1.0, plan.latency_seconds), latency_rate=plan.latency_rate)
