"""What was found as responses."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from sojourn.v1 import search_pb2 as spb

from ..domain.session import Session
from ..ports.catalog import Invocation
from ..usecases.finding import Found
from .render import duration, fill_session, timestamp


def lag(seconds: float) -> Duration:
    """For how long the catalog may have been behind."""
    return duration(int(seconds * 1_000_000))


def found(sessions: Iterable[Found], seconds: float, token: str) -> spb.SearchSessionsResponse:
    """A page of a search."""
    response = spb.SearchSessionsResponse(next_page_token=token, lag=lag(seconds))
    for session, fragments in sessions:
        message = response.found.add()
        fill_session(message.session, session, full=False)
        for fragment in fragments:
            piece = message.fragments.add(
                source=int(fragment.source),
                revision=fragment.revision,
                text=fragment.text,
            )
            for begin, end in fragment.spans:
                piece.highlights.add(begin=begin, end=end)
    return response


def invocations(found: Iterable[Invocation], seconds: float, token: str) -> spb.ListInvocationsResponse:
    """A page of invocations."""
    response = spb.ListInvocationsResponse(next_page_token=token, lag=lag(seconds))
    for invocation in found:
        fill_invocation(response.invocations.add(), invocation)
    return response


def one_invocation(invocation: Invocation, session: Session) -> spb.GetInvocationResponse:
    """An invocation and its session."""
    response = spb.GetInvocationResponse()
    fill_invocation(response.invocation, invocation)
    fill_session(response.session, session, full=False)
    return response


def fill_invocation(message: spb.Invocation, found: Invocation) -> None:
    """Fills an empty message in place."""
    message.session_id = found.session.session_id
    message.id = found.invocation_id
    message.tool = found.tool
    message.request_id = found.request_id
    message.start_time.CopyFrom(timestamp(found.started_us))
    if found.status is not None:
        message.status = int(found.status)  # type: ignore[assignment]
    if found.finished_us is not None:
        message.end_time.CopyFrom(timestamp(found.finished_us))
    if found.duration_us is not None:
        message.duration.CopyFrom(duration(found.duration_us))
    message.cost_micros = found.cost_micros
    if found.arguments is not None:
        message.arguments.json = found.arguments
    if found.result is not None:
        message.result.json = found.result
    message.error = found.error
