"""Requests that begin and finish as fast as they can, against bare gRPC with as many and as large messages."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from bench import floors, requests, tracked
from bench.bidi import BidiConnection
from bench.connection import BenchError, connect
from bench.frames import grpc_message
from bench.h2load import Load, LoadResult
from bench.processes import Server
from bench.results import Plan, Row, against, load_row, median
from bench.rounds import Messages, pair_load, trip_load
from sojourn.v1 import request_pb2
from sojourn.v1 import session_service_pb2 as service_pb2


@dataclass(frozen=True)
class Sizes:
    """Bytes of a round's messages: the first, its answer, the last, its answer."""

    first: int
    first_answer: int
    last: int
    last_answer: int

    def bare(self) -> Messages:
        """The same sizes for the floor."""
        first = grpc_message(floors.reply_request(max(4, self.first), self.first_answer))
        last = grpc_message(floors.reply_request(max(4, self.last), self.last_answer))
        return itertools.repeat((first, last))


@dataclass(frozen=True)
class Subject:
    """A round of the service and its floor; both make a load for so many callers."""

    name: str
    load: Callable[[int], Load]
    floor_name: str
    floor: Callable[[int], Load]


class _OneStream(BidiConnection):
    """Keeps what comes."""

    def __init__(self, path: str, authority: str) -> None:
        super().__init__(path, authority)
        self.messages: list[bytes] = []

    def on_message(self, stream: int, message: bytes) -> None:
        self.messages.append(message)


async def _pair_sizes(server: Server, session_id: str) -> Sizes:
    request_id = next(tracked.request_ids())
    first, last = tracked.begin(session_id, request_id), tracked.finish(session_id, request_id)
    begun = await requests.sample(server.target, tracked.BEGIN, first)
    if service_pb2.BeginRequestResponse.FromString(begun).request.state != request_pb2.REQUEST_STATE_ADMITTED:
        raise BenchError("a request of an idle session was not admitted")
    finished = await requests.sample(server.target, tracked.FINISH, last)
    return Sizes(len(first), len(begun), len(last), len(finished))


async def _trip_sizes(server: Server, session_id: str) -> Sizes:
    first = tracked.track(session_id, next(tracked.request_ids()))
    connection = await connect(_OneStream(tracked.TRACK, server.target), server.target)
    try:
        stream = connection.begin(first)
        connection.flush()
        await connection.until(lambda: len(connection.messages) == 1, "an admission")
        connection.finish(stream, grpc_message(tracked.LAST))
        connection.flush()
        await connection.until(lambda: not connection.ending, "a request to finish")
    finally:
        connection.ending.clear()
        await connection.close()
    admitted, finished = connection.messages
    return Sizes(len(first), len(admitted), len(tracked.LAST), len(finished))


async def _subjects(server: Server, floor: Server, plan: Plan) -> list[Subject]:
    ids = requests.session_ids("trips", plan.sessions)
    await requests.create_sessions(server.target, ids)
    pair, trip = await _pair_sizes(server, ids[0]), await _trip_sizes(server, ids[0])
    answers = (tracked.ADMITTED, tracked.FINISHED)
    return [
        Subject(
            "Begin + FinishRequest",
            lambda callers: pair_load(
                server.target, (tracked.BEGIN, tracked.FINISH), lambda: tracked.pairs(ids), callers
            ),
            "two bare echoes",
            lambda callers: pair_load(floor.target, (floors.REPLY, floors.REPLY), pair.bare, callers),
        ),
        Subject(
            "TrackRequest, begin to end",
            lambda callers: trip_load(server.target, tracked.TRACK, lambda: tracked.trips(ids), callers, answers),
            "bare stream",
            lambda callers: trip_load(floor.target, floors.ECHO, trip.bare, callers),
        ),
    ]


async def rates(server: Server, floor: Server, plan: Plan) -> list[Row]:
    """All rows; in each round a subject comes right after its floor."""
    rows = []
    found = await _subjects(server, floor, plan)
    for callers in plan.trips_concurrency:
        for subject in found:
            bare: list[LoadResult] = []
            real: list[LoadResult] = []
            for _ in range(plan.rounds):
                for load, of, results in ((subject.floor, floor, bare), (subject.load, server, real)):
                    measured = load(callers).measure(plan.seconds, warmup=plan.warmup, cpu=of.meter())
                    results.append(await measured)
            base, rate = (median([result.rate for result in results]) for results in (bare, real))
            floors_ = [against(subject.floor_name, rate, base)]
            rows.append(load_row("tracking", subject.floor_name, callers, bare, [], "rounds/s"))
            rows.append(load_row("tracking", subject.name, callers, real, floors_, "rounds/s"))
    return rows
