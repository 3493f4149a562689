"""From arguments to the wire: the requests of SessionService.

Everything that is wrong on its face (no JSON, an unknown role, a negative duration) raises InvalidFieldError here,
before anything is sent; limits and syntax are the server's to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..config import Seconds, seconds
from ..models import Event
from . import vocabulary
from .values import invalid, to_duration, to_json


def create_session(
    *,
    session_id: str | None,
    return_existing: bool,
    kind: str,
    user_id: str | None,
    project: str | None,
    purpose: str | None,
    tags: Iterable[str],
    metadata: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    parent: str | None,
    idle_timeout: Seconds | None,
    max_lifetime: Seconds | None,
    max_concurrent_requests: int | None,
    writer: str,
    idempotency_key: str,
    template: str | None = None,
) -> pb.CreateSessionRequest:
    """A CreateSessionRequest."""
    request = pb.CreateSessionRequest(
        session_id=session_id or "",
        if_exists=pb.IF_EXISTS_RETURN if return_existing else pb.IF_EXISTS_ERROR,
        kind=kind,
        user_id=user_id or "",
        project=project or "",
        purpose=purpose or "",
        tags=texts(tags, "tags"),
        parent=parent or "",
        max_concurrent_requests=max_concurrent_requests or 0,
        writer=writer,
        idempotency_key=idempotency_key,
        template=template or "",
    )
    fill_values(request.metadata, metadata, "metadata")
    fill_values(request.state, state, "state")
    if idle_timeout is not None:
        request.idle_timeout.CopyFrom(to_duration(idle_timeout, "idle_timeout"))
    if max_lifetime is not None:
        request.max_lifetime.CopyFrom(to_duration(max_lifetime, "max_lifetime"))
    return request


def complete_session(
    session_id: str,
    *,
    status: str,
    error: str | None,
    expected_revision: int | None,
    fencing_token: int | None,
    known: str,
    writer: str,
    idempotency_key: str,
) -> pb.CompleteSessionRequest:
    """A CompleteSessionRequest."""
    request = pb.CompleteSessionRequest(
        session_id=session_id,
        status=vocabulary.SESSION_STATUS.write(status, "status"),
        error=error or "",
        writer=writer,
        idempotency_key=idempotency_key,
    )
    fill_precondition(request, expected_revision, None, fencing_token, known)
    return request


def delete_session(session_id: str, *, expected_revision: int | None, idempotency_key: str) -> pb.DeleteSessionRequest:
    """A DeleteSessionRequest."""
    return pb.DeleteSessionRequest(
        session_id=session_id, expected_revision=expected_revision, idempotency_key=idempotency_key
    )


def list_events(
    session_id: str,
    *,
    after: Event | str | int | None,
    before: Event | str | int | None,
    kinds: str | Iterable[str] | None,
    page_size: int,
    page_token: str,
    reverse: bool,
) -> pb.ListEventsRequest:
    """A ListEventsRequest for one page."""
    request = pb.ListEventsRequest(
        session_id=session_id,
        after=position(after, "after"),
        before=position(before, "before"),
        page_size=page_size,
        page_token=page_token,
        reverse=reverse,
    )
    request.kinds.extend(vocabulary.CHANGE_KIND.write_all(kinds, "kinds"))
    return request


def watch_session(
    session_id: str,
    *,
    after: Event | str | int | None,
    snapshot: bool,
    kinds: str | Iterable[str] | None,
    until_ended: bool,
    progress_interval: Seconds,
) -> pb.WatchSessionRequest:
    """A WatchSessionRequest."""
    request = pb.WatchSessionRequest(
        session_id=session_id,
        after=position(after, "after"),
        snapshot=snapshot,
        until_ended=until_ended,
        progress_interval=to_duration(seconds(progress_interval), "progress_interval"),
    )
    request.kinds.extend(vocabulary.CHANGE_KIND.write_all(kinds, "kinds"))
    return request


def watch_sessions(
    filter_: session_pb2.SessionFilter,
    *,
    after: str | None,
    snapshot: bool,
    kinds: str | Iterable[str] | None,
    progress_interval: Seconds,
) -> pb.WatchSessionsRequest:
    """A WatchSessionsRequest."""
    request = pb.WatchSessionsRequest(
        filter=filter_,
        after=session_pb2.Cursor(token=after) if after else None,
        snapshot=snapshot,
        progress_interval=to_duration(seconds(progress_interval), "progress_interval"),
    )
    request.kinds.extend(vocabulary.CHANGE_KIND.write_all(kinds, "kinds"))
    return request


def position(at: Event | str | int | None, field: str) -> pb.Position | None:
    """A place in a session's log: after or before an event, a cursor or a revision. None: unset."""
    if at is None:
        return None
    if isinstance(at, Event):
        at = at.cursor
    if isinstance(at, str):
        if not at:
            raise invalid(field, "a cursor that is not empty")
        return pb.Position(cursor=session_pb2.Cursor(token=at))
    if isinstance(at, bool) or not isinstance(at, int) or at < 0:
        raise invalid(field, "an event, a cursor or a revision of zero or more")
    return pb.Position(revision=at)


def fill_precondition(
    request: pb.WriteSessionRequest | pb.CompleteSessionRequest | pb.BeginRequestRequest,
    expected_revision: int | None,
    required_status: str | None,
    fencing_token: int | None,
    known: str = "",
) -> None:
    """Set what must hold; what is None, or empty, holds."""
    if expected_revision is not None:
        request.precondition.expected_revision = expected_revision
    if required_status is not None:
        request.precondition.required_status = vocabulary.SESSION_STATUS.write(required_status, "required_status")
    if fencing_token is not None:
        request.precondition.fencing_token = fencing_token
    if known:
        request.precondition.known.token = known


def fill_values(target: Any, values: Mapping[str, Any] | None, field: str) -> None:
    """Put JSON values into a map field."""
    for key, value in (values or {}).items():
        if not isinstance(key, str):
            raise invalid(field, f"text keys, not {key!r}")
        target[key].json = to_json(value, f'{field}["{key}"]')


def texts(items: Iterable[str], field: str) -> list[str]:
    """The texts. Raises InvalidFieldError for a single one: its letters are never what was meant."""
    if isinstance(items, str):
        raise invalid(field, "a list of texts, not one text")
    found = list(items)
    for item in found:
        if not isinstance(item, str):
            raise invalid(field, f"texts, not {item!r}")
    return found
