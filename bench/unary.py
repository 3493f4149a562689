"""Unary WriteSession and GetSession against a bare echo of the same message sizes."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import floors, requests
from bench.frames import grpc_message
from bench.h2load import LoadResult, UnaryLoad
from bench.processes import Server
from bench.results import Plan, Row, against, load_row, median


@dataclass(frozen=True)
class Subject:
    """A call to measure and the size of its messages."""

    name: str
    path: str
    messages: Callable[[], Iterator[bytes]]
    request_bytes: int
    reply_bytes: int


async def subjects(server: Server, plan: Plan, *, prefix: str = "unary") -> list[Subject]:
    """The three calls, on sessions of their own: `<prefix>-write` and `<prefix>-read`."""
    written = requests.session_ids(f"{prefix}-write", plan.sessions)
    read = requests.session_ids(f"{prefix}-read", plan.sessions)
    await requests.create_sessions(server.target, written)
    await requests.create_sessions(server.target, read, state=True)
    await requests.append_messages(server.target, read, requests.MESSAGES_READ)
    calls: list[tuple[str, str, Callable[[], Iterator[bytes]]]] = [
        ("WriteSession", requests.WRITE, lambda: requests.writes(written)),
        ("WriteSession with key", requests.WRITE, lambda: requests.keyed_writes(written)),
        ("GetSession", requests.GET, lambda: requests.gets(read)),
    ]
    found = []
    for name, path, messages in calls:
        request = next(messages())
        answer = await requests.sample(server.target, path, request[5:])
        found.append(Subject(name, path, messages, len(request) - 5, len(answer)))
    return found


async def echo(floor: Server, request: int, reply: int, concurrency: int, plan: Plan) -> LoadResult:
    """The floor: the same bytes each way."""
    message = grpc_message(floors.reply_request(request, reply))
    load = UnaryLoad(floor.target, floors.REPLY, lambda: itertools.repeat(message), concurrency)
    return await load.measure(plan.seconds, warmup=plan.warmup, cpu=floor.meter())


async def run(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """All rows; in each round a call comes right after its floor."""
    rows = []
    found = await subjects(server, plan)
    for concurrency in plan.concurrency:
        for subject in found:
            bare: list[LoadResult] = []
            real: list[LoadResult] = []
            for _ in range(plan.rounds):
                bare.append(await echo(floor, subject.request_bytes, subject.reply_bytes, concurrency, plan))
                load = UnaryLoad(server.target, subject.path, subject.messages, concurrency)
                real.append(await load.measure(plan.seconds, warmup=plan.warmup, cpu=server.meter()))
            base = median([result.rate for result in bare])
            rows.append(load_row("unary", f"echo of {subject.name}", concurrency, bare, []))
            rate = median([result.rate for result in real])
            rows.append(load_row("unary", subject.name, concurrency, real, [against("bare echo", rate, base)]))
    return rows
