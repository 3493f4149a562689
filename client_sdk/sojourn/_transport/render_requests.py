"""Tracked requests and pools from arguments to the wire."""

from __future__ import annotations

import math

from sojourn.v1 import admin_service_pb2, event_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..config import Seconds, seconds
from . import vocabulary
from .render import fill_precondition
from .values import invalid, to_duration

Begin = pb.BeginRequestRequest
"""What a request begins with."""
FirstMessage = pb.TrackRequestRequest
"""The message that begins it on a stream."""

_MAX_ERROR_BYTES = 16_384
_MAX_PROGRESS_BYTES = 4_096


def begin(
    session_id: str,
    request_id: str,
    name: str,
    *,
    priority: int,
    policy: str,
    exclusive: bool,
    timeout: Seconds | None,
    pool: str | None,
    lease_ttl: Seconds | None,
    expected_revision: int | None,
    required_status: str | None,
    writer: str,
) -> Begin:
    """A BeginRequestRequest."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 9:
        raise invalid("priority", "a number from 0 (last) to 9 (first)")
    message = Begin(
        session_id=session_id,
        request_id=request_id,
        name=name,
        priority=priority,
        policy=vocabulary.REQUEST_POLICY.write(policy, "policy"),
        exclusive=exclusive,
        pool=pool or "",
        writer=writer,
    )
    if timeout is not None:
        if seconds(timeout) <= 0:
            raise invalid("timeout", "more than zero; the policy 'reject' does not wait")
        message.queue_timeout.CopyFrom(to_duration(timeout, "timeout"))
    if lease_ttl is not None:
        message.lease_ttl.CopyFrom(to_duration(lease_ttl, "lease_ttl"))
    fill_precondition(message, expected_revision, required_status, None)
    return message


def in_session(message: Begin, session_id: str) -> None:
    """Set the session of a request whose session was not known before."""
    message.session_id = session_id


def has_expected_revision(message: Begin) -> bool:
    """Whether the request may only begin at a certain revision."""
    return message.precondition.HasField("expected_revision")


def first_message(message: Begin, *, resume: bool, queue_timeout: float | None) -> FirstMessage:
    """The first message of a stream. `queue_timeout` is what is left of it, in seconds."""
    request = FirstMessage(begin=message)
    request.begin.resume = resume
    if queue_timeout is not None:
        request.begin.queue_timeout.CopyFrom(to_duration(max(queue_timeout, 0.001), "timeout"))
    return request


def heartbeat() -> pb.TrackRequestRequest:
    """The news that the caller is alive."""
    return pb.TrackRequestRequest(heartbeat=pb.Heartbeat())


def progress(fraction: float, text: str) -> pb.TrackRequestRequest:
    """How far a request is. A text too long for the server is cut: news of progress never end a request."""
    if not isinstance(fraction, int | float) or math.isnan(fraction) or not 0 <= fraction <= 1:
        raise invalid("fraction", "a number from 0.0 to 1.0")
    message = event_pb2.RequestProgressed(fraction=fraction, text=_cut(text, _MAX_PROGRESS_BYTES))
    return pb.TrackRequestRequest(progress=message)


def finish_message(request_id: str, outcome: str, error: str) -> pb.TrackRequestRequest:
    """The last message of a stream."""
    message = event_pb2.RequestFinished(
        request_id=request_id,
        outcome=vocabulary.REQUEST_OUTCOME.write(outcome, "outcome"),
        error=_cut(error, _MAX_ERROR_BYTES),
    )
    return pb.TrackRequestRequest(finish=message)


def finish_request(session_id: str, request_id: str, outcome: str, error: str) -> pb.FinishRequestRequest:
    """A FinishRequestRequest."""
    return pb.FinishRequestRequest(
        session_id=session_id,
        request_id=request_id,
        outcome=vocabulary.REQUEST_OUTCOME.write(outcome, "outcome"),
        error=_cut(error, _MAX_ERROR_BYTES),
    )


def cancel_request(
    session_id: str, request_id: str, *, reason: str, force: bool, writer: str
) -> pb.CancelRequestRequest:
    """A CancelRequestRequest."""
    return pb.CancelRequestRequest(
        session_id=session_id, request_id=request_id, reason=reason, force=force, writer=writer
    )


def list_requests(
    *,
    session_id: str | None,
    user_id: str | None,
    project: str | None,
    pool: str | None,
    state: str | None,
) -> pb.ListRequestsRequest:
    """A ListRequestsRequest; what is None or empty selects everything."""
    message = pb.ListRequestsRequest(
        session_id=session_id or "", user_id=user_id or "", project=project or "", pool=pool or ""
    )
    if state is not None:
        message.state = vocabulary.REQUEST_STATE.write(state, "state")
    return message


def page_of_requests(message: pb.ListRequestsRequest, *, page_size: int, page_token: str) -> pb.ListRequestsRequest:
    """The request for one page."""
    page = pb.ListRequestsRequest(page_size=page_size, page_token=page_token)
    page.MergeFrom(message)
    return page


def set_pool(name: str, size: int) -> admin_service_pb2.SetPoolRequest:
    """A SetPoolRequest."""
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**31:
        raise invalid("size", "a number of slots, zero to remove the pool")
    return admin_service_pb2.SetPoolRequest(name=name, size=size)


def _cut(text: str, max_bytes: int) -> str:
    """At most so many bytes of the text; what UTF-8 cannot say is replaced."""
    return text.encode(errors="replace")[:max_bytes].decode(errors="ignore")
