"""Calls about requests as the domain's inputs. Everything a caller sends is checked here, before anything happens."""

from __future__ import annotations

import math
import uuid
from typing import Any, NamedTuple

from sojourn.v1 import event_pb2, request_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..domain.errors import InvalidFieldError
from ..domain.limits import Limits, check_label, check_session_id, check_text
from ..domain.requests import NewRequest, RequestKey, RequestOutcome, RequestPolicy
from ..domain.session import SessionKey
from ..usecases.listing import Place, RequestFilter
from . import fields, parse
from .chain import Malformed
from .pages import decode_request_token, digest

LEAST_LEASE_MS, MOST_LEASE_MS = 1_000, 86_400_000
MOST_PRIORITY = 9
OUTCOMES = (RequestOutcome.SUCCEEDED, RequestOutcome.FAILED, RequestOutcome.CANCELLED)
PROGRESS_BYTES, REASON_BYTES = 4_096, 1_024


class Begin(NamedTuple):
    """What a call wants to begin."""

    new: NewRequest
    snapshot: bool
    """Whether the session is to come with the admission."""


class Progress(NamedTuple):
    """How far a request is."""

    fraction: float
    text: str


class Finish(NamedTuple):
    """How a request ended."""

    outcome: RequestOutcome
    error: str


class Heartbeat(NamedTuple):
    """The client is alive."""


def begin(tenant: str, request: pb.BeginRequestRequest, limits: Limits, lease_ms: int, field: str = "") -> Begin:
    """What a call asks to begin; `field` is put before the names of its fields, `lease_ms` the default."""
    if request.resume and not request.request_id:
        raise InvalidFieldError(f"{field}request_id", "the id of the request to resume")
    if not 0 <= request.priority <= MOST_PRIORITY:
        raise InvalidFieldError(f"{field}priority", f"0 to {MOST_PRIORITY}")
    if request.precondition.HasField("fencing_token"):
        raise InvalidFieldError(f"{field}precondition.fencing_token", "no fencing token when a request begins")
    precondition = parse.precondition(request.precondition, field)
    session = SessionKey(tenant, check_session_id(request.session_id, f"{field}session_id"))
    request_id = uuid.uuid4().hex
    if request.request_id:
        request_id = check_session_id(request.request_id, f"{field}request_id")
    new = NewRequest(
        key=RequestKey(session, request_id),
        name=check_label(request.name, f"{field}name", limits.label_bytes),
        priority=request.priority,
        policy=fields.enum(RequestPolicy, request.policy or RequestPolicy.QUEUE, f"{field}policy"),
        exclusive=request.exclusive,
        lease_ms=_lease_ms(request, field) if request.HasField("lease_ttl") else lease_ms,
        queue_ms=fields.milliseconds(request.queue_timeout, f"{field}queue_timeout"),
        pool=check_session_id(request.pool, f"{field}pool") if request.pool else "",
        expected_revision=precondition.expected_revision,
        required_status=precondition.required_status,
        known=precondition.known,
        resume=request.resume,
        writer=check_label(request.writer, f"{field}writer", limits.writer_bytes),
    )
    return Begin(new, request.snapshot)


def first(tenant: str, message: Any, limits: Limits, lease_ms: int) -> Begin:
    """The first message of a tracked stream; anything but a message stands for its end."""
    if isinstance(message, Malformed):
        raise _malformed()
    if not isinstance(message, pb.TrackRequestRequest) or message.WhichOneof("message") != "begin":
        raise InvalidFieldError("begin", "begin as the first message")
    return begin(tenant, message.begin, limits, lease_ms, "begin.")


def said(message: pb.TrackRequestRequest | Malformed, limits: Limits) -> Heartbeat | Progress | Finish:
    """A later message of a tracked stream."""
    if isinstance(message, Malformed):
        raise _malformed()
    match message.WhichOneof("message"):
        case "heartbeat":
            return Heartbeat()
        case "progress":
            return progress(message.progress)
        case "finish":
            return finish(message.finish.outcome, message.finish.error, limits, "finish.")
        case "begin":
            raise InvalidFieldError("begin", "begin as the first message only")
    raise InvalidFieldError("message", "exactly one of heartbeat, progress and finish")


def request_key(tenant: str, session_id: str, request_id: str) -> RequestKey:
    """Names a request of the caller's tenant."""
    return RequestKey(parse.session_key(tenant, session_id), check_session_id(request_id, "request_id"))


def progress(message: event_pb2.RequestProgressed) -> Progress:
    """How far a request says it is."""
    if not (math.isfinite(message.fraction) and 0 <= message.fraction <= 1):
        raise InvalidFieldError("progress.fraction", "a number from 0 to 1")
    return Progress(message.fraction, check_text(message.text, "progress.text", PROGRESS_BYTES))


def finish(outcome: int, error: str, limits: Limits, field: str = "") -> Finish:
    """How a request says it ended."""
    known = next((one for one in OUTCOMES if one == (outcome or RequestOutcome.SUCCEEDED)), None)
    if known is None:
        raise InvalidFieldError(f"{field}outcome", "SUCCEEDED, FAILED or CANCELLED")
    return Finish(known, check_text(error, f"{field}error", limits.error_bytes))


def reason(text: str) -> str:
    """Why a request is to stop."""
    return check_text(text, "reason", REASON_BYTES)


def listing(tenant: str, request: pb.ListRequestsRequest, limits: Limits) -> tuple[RequestFilter, Place | None, bytes]:
    """Which requests ListRequests lists, where it goes on, and the digest its next token is bound to."""
    if request.state not in request_pb2.RequestState.values():
        raise InvalidFieldError("state", "QUEUED or ADMITTED")
    wanted = RequestFilter(
        session_id=check_session_id(request.session_id) if request.session_id else "",
        user_id=check_label(request.user_id, "user_id", limits.label_bytes),
        project=check_label(request.project, "project", limits.label_bytes),
        pool=check_session_id(request.pool, "pool") if request.pool else "",
        waiting=request.state == request_pb2.REQUEST_STATE_QUEUED if request.state else None,
    )
    bare = pb.ListRequestsRequest()
    bare.CopyFrom(request)
    bare.page_token, bare.page_size = "", 0
    bound = digest(tenant, bare)
    after = Place(*decode_request_token(request.page_token, bound)) if request.page_token else None
    return wanted, after, bound


def _lease_ms(request: pb.BeginRequestRequest, field: str) -> int:
    ttl = request.lease_ttl
    ms = ttl.seconds * 1000 + -(-ttl.nanos // 1_000_000)
    if not LEAST_LEASE_MS <= ms <= MOST_LEASE_MS:
        raise InvalidFieldError(f"{field}lease_ttl", "a duration between 1 s and 24 h")
    return ms


def _malformed() -> InvalidFieldError:
    return InvalidFieldError("request", "a well-formed request message of TrackRequest")
