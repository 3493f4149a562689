"""Requests and pools as responses."""

from __future__ import annotations

from sojourn.v1 import request_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..domain.requests import Ended, Pool, Request, RequestState
from ..domain.session import Session
from ..usecases.tracked import (
    Admitted,
    CancelRequested,
    Finished,
    GoingAway,
    LeaseLost,
    Queued,
    Renewed,
    TrackMessage,
)
from .render import duration, fill_session, timestamp


def fill_request(message: request_pb2.Request, found: Request) -> None:
    """Fills an empty message in place."""
    message.session_id = found.key.session.session_id
    message.id = found.key.request_id
    message.name = found.name
    message.priority = found.priority
    message.policy = int(found.policy)  # type: ignore[assignment]
    message.exclusive = found.exclusive
    message.user_id = found.user_id
    message.project = found.project
    message.pool = found.pool
    message.lease_ttl.CopyFrom(duration(found.lease_ms * 1000))
    message.lease_expire_time.CopyFrom(timestamp(found.lease_deadline_us))
    message.begin_time.CopyFrom(timestamp(found.begin_us))
    message.progress = found.fraction
    message.progress_text = found.progress_text
    if found.cancel_reason is not None:
        message.cancel_requested, message.cancel_reason = True, found.cancel_reason
    if found.state is RequestState.ADMITTED:
        _fill_admission(message, found)
    else:
        message.state = request_pb2.REQUEST_STATE_QUEUED
        message.position, message.waiting_for = found.position, _waits_for(found)


def begun(found: Request, resumed: bool, snapshot: Session | None) -> pb.BeginRequestResponse:
    """A request that began."""
    response = pb.BeginRequestResponse(resumed=resumed)
    fill_request(response.request, found)
    if snapshot:
        fill_session(response.snapshot, snapshot)
    return response


def finished(ended: Ended) -> pb.FinishRequestResponse:
    """How a request ended."""
    return pb.FinishRequestResponse(outcome=int(ended.outcome), revision=ended.revision)  # type: ignore[arg-type]


def pool(found: Pool) -> request_pb2.Pool:
    """A pool as it is."""
    return request_pb2.Pool(name=found.name, size=found.size, used=found.used, queued=found.queued)


def track_message(message: TrackMessage, snapshot: Session | None = None) -> bytes:
    """A message of a tracked stream, encoded; `snapshot` goes with an admission."""
    response = pb.TrackRequestResponse()
    match message:
        case Renewed(deadline_us):
            response.renewed.lease_expire_time.CopyFrom(timestamp(deadline_us))
        case Queued(request):
            response.queued.request_id = request.key.request_id
            response.queued.position = request.position
            response.queued.waiting_for = _waits_for(request)
            response.queued.lease_ttl.CopyFrom(duration(request.lease_ms * 1000))
        case Admitted(request, resumed):
            fill_request(response.admitted.request, request)
            response.admitted.resumed = resumed
            if snapshot:
                fill_session(response.admitted.snapshot, snapshot)
        case CancelRequested(reason):
            response.cancel_requested.reason = reason
        case LeaseLost(cause):
            response.lease_lost.reason = cause
        case GoingAway(cursor):
            token = cursor.encode() if cursor else ""
            response.going_away.CopyFrom(pb.GoingAway(cursor=session_pb2.Cursor(token=token) if token else None))
        case Finished(ended):
            response.finished.CopyFrom(finished(ended))
    return response.SerializeToString()


def _fill_admission(message: request_pb2.Request, found: Request) -> None:
    message.state = request_pb2.REQUEST_STATE_ADMITTED
    message.fencing_token = found.token
    message.admit_time.CopyFrom(timestamp(found.admit_us))
    if found.slot and found.pool:
        message.pool_slot.pool = found.pool
        message.pool_slot.slot = found.slot.slot
        message.pool_slot.fencing_token = found.slot.token


def _waits_for(found: Request) -> str:
    """Where nobody asked the wider scopes, it is most often the first of them."""
    if not found.waiting_for and found.scopes:
        return found.scopes[0].kind.limit_name
    return found.waiting_for
