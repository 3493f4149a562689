"""Requests of the SessionService as the domain's inputs. Everything a caller sends is checked here, before anything
happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from google.protobuf.duration_pb2 import Duration

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..domain.changes import ChangeKind
from ..domain.cursor import SessionCursor, decode_session_cursor, decode_shard_cursor
from ..domain.effects import effects_of
from ..domain.errors import ConflictError, InvalidFieldError, SojournError, TooLargeError
from ..domain.events import NO_PRECONDITION, Precondition, Write
from ..domain.filters import SessionFilter
from ..domain.limits import Limits, check_count, check_kind, check_label, check_session_id, check_text
from ..domain.session import SessionKey, SessionStatus, Tier
from ..domain.template import check_template_name
from ..ports import EventQuery
from ..usecases.sessions import NewSession
from ..usecases.watching import TenantWatchQuery, WatchQuery
from . import fields
from .changes import encode_body, parse_changes
from .pages import decode_offset, digest

INFO_ONLY = 1 << ChangeKind.INFO_UPDATED
MOST_METADATA = 16
ENDINGS = (SessionStatus.COMPLETED, SessionStatus.FAILED, SessionStatus.ABANDONED, SessionStatus.CANCELLED)


def session_key(tenant: str, session_id: str) -> SessionKey:
    """Names a session of the caller's tenant."""
    return SessionKey(tenant, check_session_id(session_id))


def session_keys(tenant: str, session_ids: Sequence[str], limits: Limits) -> list[SessionKey]:
    """The sessions of a batch."""
    check_count(len(session_ids), "session_ids", limits.batch_items, "items")
    return [
        SessionKey(tenant, check_session_id(session_id, f"session_ids[{i}]"))
        for i, session_id in enumerate(session_ids)
    ]


def full_view(view: session_pb2.SessionView) -> bool:
    """Whether a read returns state and results."""
    if view not in session_pb2.SessionView.values():
        raise InvalidFieldError("view", "BASIC or FULL")
    return view != session_pb2.SESSION_VIEW_BASIC


def new_session(request: pb.CreateSessionRequest, limits: Limits) -> NewSession:
    """What CreateSession asks for."""
    if request.if_exists not in pb.IfExists.values():
        raise InvalidFieldError("if_exists", "ERROR or RETURN")
    if request.max_concurrent_requests < 0:
        raise InvalidFieldError("max_concurrent_requests", "zero or more")
    return NewSession(
        session_id=check_session_id(request.session_id) if request.session_id else "",
        kind=check_kind(request.kind) if request.kind else "" if request.template else "session",
        user_id=check_label(request.user_id, "user_id", limits.label_bytes),
        project=check_label(request.project, "project", limits.label_bytes),
        purpose=check_text(request.purpose, "purpose", limits.purpose_bytes),
        parent=check_session_id(request.parent, "parent") if request.parent else "",
        tags=fields.tags(request.tags, "tags", limits),
        metadata=fields.values(request.metadata, "metadata", limits),
        state=fields.values(request.state, "state", limits),
        idle_timeout_ms=_given_ms(request, "idle_timeout"),
        max_lifetime_ms=_given_ms(request, "max_lifetime"),
        max_concurrent_requests=request.max_concurrent_requests,
        writer=check_label(request.writer, "writer", limits.writer_bytes),
        idempotency_key=idempotency_key(request.idempotency_key),
        or_get=request.if_exists == pb.IF_EXISTS_RETURN,
    )


def template_name(request: pb.CreateSessionRequest) -> str:
    """The template that CreateSession begins with; empty for none."""
    return check_template_name(request.template, "template") if request.template else ""


def _given_ms(request: pb.CreateSessionRequest, field: Literal["idle_timeout", "max_lifetime"]) -> int | None:
    """None where the caller leaves it to the server."""
    return fields.milliseconds(getattr(request, field), field) if request.HasField(field) else None


def write(tenant: str, request: pb.WriteSessionRequest, limits: Limits) -> Write:
    """One write, ready for the store."""
    key = SessionKey(tenant, check_session_id(request.session_id))
    check_count(len(request.changes), "changes", limits.changes_per_write, "changes")
    try:
        effects = effects_of(parse_changes(request.changes, limits))
    except ConflictError as error:  # refused before any session was looked at: its revision is not known
        error.metadata["session_id"] = request.session_id
        raise
    size = len(effects.sets) + len(effects.deletes) + len(effects.state_increments)
    if size > limits.fields_per_write:
        raise TooLargeError("changes", actual=size, limit=limits.fields_per_write, unit="fields")
    writer = check_label(request.writer, "writer", limits.writer_bytes) if request.writer else ""
    return Write(
        key,
        effects,
        encode_body(request.changes, writer, limits),
        precondition(request.precondition) if request.HasField("precondition") else NO_PRECONDITION,
        idempotency_key(request.idempotency_key),
        effects.mask == INFO_ONLY,
    )


def writes(tenant: str, requests: Sequence[pb.WriteSessionRequest], limits: Limits) -> list[Write | SojournError]:
    """The writes of a batch; a malformed one is its own error."""
    check_count(len(requests), "writes", limits.batch_items, "items")
    found: list[Write | SojournError] = []
    for request in requests:
        try:
            found.append(write(tenant, request, limits))
        except SojournError as error:
            found.append(error)
    return found


def precondition(message: pb.Precondition, field: str = "") -> Precondition:
    """What must hold for a write; `field` is put before the names of its fields."""
    expected = message.expected_revision if message.HasField("expected_revision") else None
    token = message.fencing_token if message.HasField("fencing_token") else None
    if expected is not None and expected < 1:
        raise InvalidFieldError(f"{field}precondition.expected_revision", "1 or more")
    if token is not None and token < 1:
        raise InvalidFieldError(f"{field}precondition.fencing_token", "1 or more")
    status = None
    if message.required_status:
        status = fields.enum(SessionStatus, message.required_status, f"{field}precondition.required_status")
    known = decode_session_cursor(message.known.token, f"{field}precondition.known") if message.known.token else None
    return Precondition(expected, status, token, known)


def expected_revision(request: pb.DeleteSessionRequest) -> int | None:
    """At which revision DeleteSession may delete."""
    if not request.HasField("expected_revision"):
        return None
    if request.expected_revision < 1:
        raise InvalidFieldError("expected_revision", "1 or more")
    return request.expected_revision


def ending(request: pb.CompleteSessionRequest) -> SessionStatus:
    """How CompleteSession ends the session."""
    if not request.status:
        return SessionStatus.COMPLETED
    status = fields.enum(SessionStatus, request.status, "status")
    if status not in ENDINGS:
        raise InvalidFieldError("status", "COMPLETED, FAILED, ABANDONED or CANCELLED")
    return status


def idempotency_key(text: str) -> str:
    """A caller's idempotency key."""
    return check_label(text, "idempotency_key", 128) if text else ""


def session_filter(message: session_pb2.SessionFilter, limits: Limits) -> SessionFilter:
    """Which sessions a caller means."""
    return SessionFilter(
        user_id=check_label(message.user_id, "filter.user_id", limits.label_bytes),
        project=check_label(message.project, "filter.project", limits.label_bytes),
        statuses=frozenset(
            fields.enum(SessionStatus, status, f"filter.statuses[{i}]") for i, status in enumerate(message.statuses)
        ),
        all_tags=frozenset(fields.tags(message.all_tags, "filter.all_tags", limits)),
        any_tags=frozenset(fields.tags(message.any_tags, "filter.any_tags", limits)),
        kind=check_kind(message.kind) if message.kind else "",
        parent=check_session_id(message.parent, "filter.parent") if message.parent else "",
        created_from_us=fields.time_us(message.created_from, "filter.created_from"),
        created_before_us=fields.time_us(message.created_before, "filter.created_before"),
        updated_from_us=fields.time_us(message.updated_from, "filter.updated_from"),
        updated_before_us=fields.time_us(message.updated_before, "filter.updated_before"),
        ended_from_us=fields.time_us(message.ended_from, "filter.ended_from"),
        ended_before_us=fields.time_us(message.ended_before, "filter.ended_before"),
        metadata=_wanted_metadata(message, limits),
        tiers=frozenset(fields.enum(Tier, tier, f"filter.tiers[{i}]") for i, tier in enumerate(message.tiers)),
        text=check_text(message.text, "filter.text", 1024),
    )


def _wanted_metadata(message: session_pb2.SessionFilter, limits: Limits) -> dict[str, bytes]:
    if len(message.metadata) > MOST_METADATA:
        raise TooLargeError("filter.metadata", actual=len(message.metadata), limit=MOST_METADATA, unit="keys")
    return fields.values(message.metadata, "filter.metadata", limits)


def page_size(asked: int, limits: Limits) -> int:
    """Items on a page."""
    if asked < 0:
        raise InvalidFieldError("page_size", "zero or more")
    return min(asked or limits.default_page_size, limits.page_size)


def position(message: pb.Position, field: str) -> int | SessionCursor | None:
    """A place in a log; None when none is given."""
    match message.WhichOneof("at"):
        case "cursor":
            return decode_session_cursor(message.cursor.token, f"{field}.cursor")
        case "revision":
            if message.revision < 0:
                raise InvalidFieldError(f"{field}.revision", "zero or more")
            return message.revision
        case _:
            return None


def events_query(tenant: str, request: pb.ListEventsRequest, limits: Limits) -> tuple[EventQuery, bytes]:
    """Which events ListEvents reads, and the digest its next token is bound to."""
    bare = pb.ListEventsRequest()
    bare.CopyFrom(request)
    bare.page_token, bare.page_size = "", 0
    bound = digest(tenant, bare)
    after = position(request.after, "after") or 0
    before = position(request.before, "before")
    if request.page_token:
        scanned = decode_offset(request.page_token, bound)
        if request.reverse:
            before = scanned
        else:
            after = after._replace(revision=scanned, commit_us=0) if isinstance(after, SessionCursor) else scanned
    query = EventQuery(
        after, before, fields.kind_mask(request.kinds), page_size(request.page_size, limits), request.reverse
    )
    return query, bound


def watch_query(request: pb.WatchSessionRequest) -> WatchQuery:
    """How to watch one session."""
    after = position(request.after, "after")
    if after is not None and request.snapshot:
        raise InvalidFieldError("after", "no position together with snapshot")
    return WatchQuery(
        after,
        request.snapshot,
        fields.kind_mask(request.kinds),
        request.until_ended,
        _interval(request.progress_interval),
    )


def tenant_watch_query(request: pb.WatchSessionsRequest, limits: Limits, shards: int) -> TenantWatchQuery:
    """How to watch many sessions."""
    after = decode_shard_cursor(request.after.token, "after", shards) if request.after.token else None
    if after and request.snapshot:
        raise InvalidFieldError("after", "no cursor together with snapshot")
    if request.filter.text or request.filter.tiers:
        # A watch sees events of live sessions; texts and tiers are the catalog's.
        raise InvalidFieldError("filter", "neither text nor tiers in a watch")
    return TenantWatchQuery(
        session_filter(request.filter, limits),
        after,
        request.snapshot,
        fields.kind_mask(request.kinds),
        _interval(request.progress_interval),
    )


def _interval(message: Duration) -> float:
    ms = fields.milliseconds(message, "progress_interval", minimum=100)
    return ms / 1000 if ms else 10.0
