"""What sessions and invocations are found by, from arguments to the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sojourn.v1 import search_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb

from .. import enums
from ..config import Seconds
from . import vocabulary
from .render import fill_values, texts
from .values import invalid, to_duration, to_timestamp

R = TypeVar("R", pb.ListSessionsRequest, search_pb2.SearchSessionsRequest, search_pb2.ListInvocationsRequest)
F = TypeVar("F", session_pb2.SessionFilter, search_pb2.InvocationFilter)


def session_filter(
    *,
    user_id: str | None = None,
    project: str | None = None,
    status: str | Iterable[str] | None = None,
    tags: Iterable[str] = (),
    any_tags: Iterable[str] = (),
    kind: str | None = None,
    parent: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    tiers: str | Iterable[str] | None = None,
    text: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    updated_after: datetime | None = None,
    updated_before: datetime | None = None,
    ended_after: datetime | None = None,
    ended_before: datetime | None = None,
) -> session_pb2.SessionFilter:
    """A SessionFilter; what is None or empty selects everything."""
    message = session_pb2.SessionFilter(
        user_id=user_id or "",
        project=project or "",
        statuses=vocabulary.SESSION_STATUS.write_all(status, "status"),
        all_tags=texts(tags, "tags"),
        any_tags=texts(any_tags, "any_tags"),
        kind=kind or "",
        parent=parent or "",
        tiers=vocabulary.TIER.write_all(tiers, "tiers"),
        text=text or "",
    )
    fill_values(message.metadata, metadata, "metadata")
    return _in_time(
        message,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
        ended_after=ended_after,
        ended_before=ended_before,
    )


def invocation_filter(
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    project: str | None = None,
    tool: str | None = None,
    status: str | Iterable[str] | None = None,
    running: bool = False,
    started_after: datetime | None = None,
    started_before: datetime | None = None,
    min_duration: Seconds | None = None,
    max_duration: Seconds | None = None,
) -> search_pb2.InvocationFilter:
    """An InvocationFilter; what is None or empty selects everything. Running is a status here, not on the wire."""
    statuses = [status] if isinstance(status, str) else list(status or ())
    ended = [each for each in statuses if each != enums.InvocationStatus.RUNNING]
    message = search_pb2.InvocationFilter(
        session_id=session_id or "",
        user_id=user_id or "",
        project=project or "",
        tool=tool or "",
        statuses=vocabulary.INVOCATION_STATUS.write_all(ended, "status"),
        running=running or len(ended) < len(statuses),
    )
    if min_duration is not None:
        message.min_duration.CopyFrom(to_duration(min_duration, "min_duration"))
    if max_duration is not None:
        message.max_duration.CopyFrom(to_duration(max_duration, "max_duration"))
    return _in_time(message, started_after=started_after, started_before=started_before)


def list_sessions(filter_: session_pb2.SessionFilter, consistency: str) -> pb.ListSessionsRequest:
    """A ListSessionsRequest."""
    return pb.ListSessionsRequest(filter=filter_, consistency=_consistency(consistency))


def search_sessions(
    query: str, filter_: session_pb2.SessionFilter, sources: str | Iterable[str] | None, consistency: str
) -> search_pb2.SearchSessionsRequest:
    """A SearchSessionsRequest."""
    if not isinstance(query, str) or not query.strip():
        raise invalid("query", "at least one word")
    return search_pb2.SearchSessionsRequest(
        query=query,
        filter=filter_,
        sources=vocabulary.TEXT_SOURCE.write_all(sources, "sources"),
        consistency=_consistency(consistency),
    )


def count_sessions(filter_: session_pb2.SessionFilter, consistency: str) -> search_pb2.CountSessionsRequest:
    """A CountSessionsRequest."""
    return search_pb2.CountSessionsRequest(filter=filter_, consistency=_consistency(consistency))


def list_invocations(filter_: search_pb2.InvocationFilter, consistency: str) -> search_pb2.ListInvocationsRequest:
    """A ListInvocationsRequest."""
    return search_pb2.ListInvocationsRequest(filter=filter_, consistency=_consistency(consistency))


def get_invocation(session_id: str, invocation_id: str) -> search_pb2.GetInvocationRequest:
    """A GetInvocationRequest."""
    return search_pb2.GetInvocationRequest(session_id=session_id, invocation_id=invocation_id)


def page(request: R, page_size: int, page_token: str) -> R:
    """The request for one page."""
    message = type(request)(page_size=page_size, page_token=page_token)
    message.MergeFrom(request)
    return message


def _consistency(text: str) -> Any:
    return vocabulary.CONSISTENCY.write(text, "consistency")


def _in_time(message: F, **times: datetime | None) -> F:
    """The message with its times: `x_after` is the field `x_from`."""
    for name, time in times.items():
        if time is not None:
            field = name.replace("_after", "_from")
            getattr(message, field).CopyFrom(to_timestamp(time, name))
    return message
