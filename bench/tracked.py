"""Messages of tracked requests, encoded once but for the id of each."""

import itertools
import os
from collections.abc import Callable, Iterator

from bench.frames import grpc_message
from bench.requests import SERVICE
from sojourn.v1 import event_pb2
from sojourn.v1 import session_service_pb2 as service_pb2

TRACK = f"{SERVICE}/TrackRequest"
BEGIN = f"{SERVICE}/BeginRequest"
FINISH = f"{SERVICE}/FinishRequest"

SUCCEEDED = event_pb2.REQUEST_OUTCOME_SUCCEEDED
HEARTBEAT = service_pb2.TrackRequestRequest(heartbeat=service_pb2.Heartbeat()).SerializeToString()
LAST = service_pb2.TrackRequestRequest(finish=event_pb2.RequestFinished(outcome=SUCCEEDED)).SerializeToString()


def _tag(number: int) -> bytes:
    return bytes([number << 3 | 2])


# What a TrackRequestResponse of each kind begins with.
QUEUED = _tag(service_pb2.TrackRequestResponse.QUEUED_FIELD_NUMBER)
ADMITTED = _tag(service_pb2.TrackRequestResponse.ADMITTED_FIELD_NUMBER)
RENEWED = _tag(service_pb2.TrackRequestResponse.RENEWED_FIELD_NUMBER)
FINISHED = _tag(service_pb2.TrackRequestResponse.FINISHED_FIELD_NUMBER)

_PLACE = "0" * 16


def begin(session_id: str, request_id: str = _PLACE, *, pool: str = "", lease_seconds: int = 0) -> bytes:
    """A serialized BeginRequestRequest; 0 seconds leave the lease to the server's default."""
    request = service_pb2.BeginRequestRequest(session_id=session_id, request_id=request_id, name="bench", pool=pool)
    if lease_seconds:
        request.lease_ttl.seconds = lease_seconds
    return request.SerializeToString()


def track(session_id: str, request_id: str = _PLACE, *, pool: str = "", lease_seconds: int = 0) -> bytes:
    """The same as the first message of a stream."""
    request = service_pb2.BeginRequestRequest.FromString(
        begin(session_id, request_id, pool=pool, lease_seconds=lease_seconds)
    )
    return service_pb2.TrackRequestRequest(begin=request).SerializeToString()


def finish(session_id: str, request_id: str = _PLACE) -> bytes:
    """A serialized FinishRequestRequest."""
    return service_pb2.FinishRequestRequest(
        session_id=session_id, request_id=request_id, outcome=SUCCEEDED
    ).SerializeToString()


def request_ids() -> Iterator[str]:
    """Ids that no other call of this gives, for ever, all of one length."""
    run = os.urandom(4).hex()
    for number in itertools.count():
        yield f"{run}{number:08d}"


def _template(body: bytes) -> Callable[[bytes], bytes]:
    """The framed message with another id, of the same length."""
    head, _, tail = grpc_message(body).partition(_PLACE.encode())
    return lambda request_id: head + request_id + tail


def pairs(ids: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """Unary begin and finish of requests of the sessions in turn, for ever, framed."""
    templates = itertools.cycle([(_template(begin(name)), _template(finish(name))) for name in ids])
    for request_id, (first, last) in zip(request_ids(), templates, strict=False):
        yield first(request_id.encode()), last(request_id.encode())


def trips(ids: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """First and last message of streams of the sessions in turn, for ever, framed."""
    templates = itertools.cycle([_template(track(name)) for name in ids])
    last = grpc_message(LAST)
    for request_id, first in zip(request_ids(), templates, strict=False):
        yield first(request_id.encode()), last
