"""Requests of the service, encoded once, and the sessions they are about."""

import asyncio
import itertools
import os
from collections.abc import Iterator

from bench.connection import BenchError, connect
from bench.frames import grpc_message
from bench.h2load import Caller
from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as service_pb2

SERVICE = "/sojourn.v1.SessionService"
CREATE = f"{SERVICE}/CreateSession"
GET = f"{SERVICE}/GetSession"
WRITE = f"{SERVICE}/WriteSession"
BATCH_WRITE = f"{SERVICE}/BatchWriteSessions"
WATCH = f"{SERVICE}/WatchSession"

MESSAGE_BYTES = 200
MESSAGES_READ = 20
# Below a fresh stream's flow-control window, whatever the ids are.
BATCH_ITEMS = 128

_KEY_BYTES = 16


def session_ids(prefix: str, count: int) -> list[str]:
    """Ids of `count` sessions."""
    return [f"bench-{prefix}-{number}" for number in range(count)]


def write(session_id: str) -> service_pb2.WriteSessionRequest:
    """One message of 200 bytes appended, without a precondition or an idempotency key."""
    message = event_pb2.MessageAppended(role=event_pb2.MESSAGE_ROLE_USER, content="m" * MESSAGE_BYTES)
    return service_pb2.WriteSessionRequest(session_id=session_id, changes=[event_pb2.Change(message_appended=message)])


def write_body(session_id: str) -> bytes:
    """A serialized `write`."""
    return write(session_id).SerializeToString()


def writes(ids: list[str]) -> Iterator[bytes]:
    """Writes to the sessions in turn, for ever, framed."""
    return itertools.cycle([grpc_message(write_body(session_id)) for session_id in ids])


def keyed_writes(ids: list[str]) -> Iterator[bytes]:
    """The same, each with an idempotency key of its own."""
    # The field comes last and has a fixed length, so a key is appended to bytes that are ready.
    field = bytes([service_pb2.WriteSessionRequest.IDEMPOTENCY_KEY_FIELD_NUMBER << 3 | 2, _KEY_BYTES])
    run = os.urandom(4).hex().encode()
    bodies = [write_body(session_id) + field for session_id in ids]
    framed = [grpc_message(body + bytes(_KEY_BYTES))[:-_KEY_BYTES] for body in bodies]
    for number in itertools.count():
        yield framed[number % len(framed)] + run + b"%08d" % number


def gets(ids: list[str]) -> Iterator[bytes]:
    """Reads of the sessions in turn, for ever, framed."""
    bodies = (service_pb2.GetSessionRequest(session_id=session_id).SerializeToString() for session_id in ids)
    return itertools.cycle([grpc_message(body) for body in bodies])


def watch_body(session_id: str, *, marker_seconds: int = 60) -> bytes:
    """A watch of everything that is committed from now on, with few markers; 0 seconds: as often as the server does."""
    request = service_pb2.WatchSessionRequest(session_id=session_id)
    if marker_seconds:
        request.progress_interval.seconds = marker_seconds
    return request.SerializeToString()


def batch_bodies(ids: list[str]) -> list[bytes]:
    """One write to each session, as few batch requests as the bounds allow."""
    return [
        service_pb2.BatchWriteSessionsRequest(
            writes=[write(session_id) for session_id in ids[start : start + BATCH_ITEMS]]
        ).SerializeToString()
        for start in range(0, len(ids), BATCH_ITEMS)
    ]


async def create_sessions(target: str, ids: list[str], *, state: bool = False) -> int:
    """Create the sessions, with a small state or none; returns the bytes of the requests."""
    values = {"step": b"3", "plan": b'["search","book"]', "user": b'{"name":"Ada","tier":"gold"}'} if state else {}
    bodies = [
        service_pb2.CreateSessionRequest(
            session_id=session_id, state={key: session_pb2.Value(json=value) for key, value in values.items()}
        ).SerializeToString()
        for session_id in ids
    ]
    caller = await connect(Caller(CREATE, target), target)
    for start in range(0, len(bodies), 64):
        await asyncio.gather(*(caller.call(body) for body in bodies[start : start + 64]))
    await caller.close()
    return sum(map(len, bodies))


async def append_messages(target: str, ids: list[str], count: int) -> int:
    """Append `count` messages of 200 bytes to each session, a write for each; returns the bytes of the requests."""
    bodies = batch_bodies(ids)
    caller = await connect(Caller(BATCH_WRITE, target), target)
    for _ in range(count):
        for answer in await asyncio.gather(*(caller.call(body) for body in bodies)):
            check_batch(answer)
    await caller.close()
    return count * sum(map(len, bodies))


def check_batch(answer: bytes) -> None:
    """Raise BenchError unless every item of a batch was committed."""
    for item in service_pb2.BatchWriteSessionsResponse.FromString(answer).items:
        if item.WhichOneof("outcome") != "result":
            raise BenchError(f"a write of a batch failed: {item}")


async def sample(target: str, path: str, body: bytes) -> bytes:
    """The answer's message to one call."""
    caller = await connect(Caller(path, target), target)
    answer = await caller.call(body)
    await caller.close()
    return answer
