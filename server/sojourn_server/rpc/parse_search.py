"""Calls that find sessions and invocations as the domain's inputs."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from sojourn.v1 import search_pb2 as spb
from sojourn.v1 import session_service_pb2 as pb

from ..domain.changes import InvocationStatus
from ..domain.errors import InvalidFieldError
from ..domain.limits import Limits, check_label, check_name, check_session_id, check_text
from ..ports.catalog import InvocationFilter, TextSource
from ..usecases.finding import Consistency, InvocationPlace, Place
from . import fields
from .pages import decode_invocation_token, decode_list_token, decode_offset, digest

MOST_FOUND, DEFAULT_FOUND = 100, 20
MOST_OFFSET = 2_000

M = TypeVar("M", bound=Message)


def consistency(number: int) -> Consistency:
    """What the call may miss."""
    return fields.enum(Consistency, number, "consistency") if number else Consistency.EVENTUAL


def query(request: spb.SearchSessionsRequest) -> str:
    """What to look for."""
    if request.filter.text:
        raise InvalidFieldError("filter.text", "no text beside the query")
    return check_text(request.query, "query", 1024)


def sources(request: spb.SearchSessionsRequest) -> frozenset[TextSource]:
    """Which texts to look through; empty for all."""
    return frozenset(fields.enum(TextSource, source, f"sources[{i}]") for i, source in enumerate(request.sources))


def search_page(tenant: str, request: spb.SearchSessionsRequest) -> tuple[int, int, bytes]:
    """Where a search goes on, how much it returns, and the digest its next token is bound to."""
    if request.page_size < 0:
        raise InvalidFieldError("page_size", "zero or more")
    bound = digest(tenant, _bare(request))
    offset = decode_offset(request.page_token, bound) if request.page_token else 0
    return min(offset, MOST_OFFSET), min(request.page_size or DEFAULT_FOUND, MOST_FOUND), bound


def list_place(tenant: str, request: pb.ListSessionsRequest) -> tuple[Place | None, bytes]:
    """Where a list goes on, and the digest its next token is bound to."""
    bound = digest(tenant, request.filter)
    return (decode_list_token(request.page_token, bound) if request.page_token else None), bound


def invocation_place(tenant: str, request: spb.ListInvocationsRequest) -> tuple[InvocationPlace | None, bytes]:
    """Where a list goes on, and the digest its next token is bound to."""
    bound = digest(tenant, request.filter)
    return (decode_invocation_token(request.page_token, bound) if request.page_token else None), bound


def invocation_filter(message: spb.InvocationFilter, limits: Limits) -> InvocationFilter:
    """Which invocations a caller means."""
    return InvocationFilter(
        session_id=check_session_id(message.session_id, "filter.session_id") if message.session_id else "",
        user_id=check_label(message.user_id, "filter.user_id", limits.label_bytes),
        project=check_label(message.project, "filter.project", limits.label_bytes),
        tool=check_label(message.tool, "filter.tool", limits.key_bytes),
        statuses=frozenset(
            fields.enum(InvocationStatus, status, f"filter.statuses[{i}]") for i, status in enumerate(message.statuses)
        ),
        running=message.running,
        started_from_us=fields.time_us(message.started_from, "filter.started_from"),
        started_before_us=fields.time_us(message.started_before, "filter.started_before"),
        min_duration_us=fields.microseconds(message.min_duration, "filter.min_duration"),
        max_duration_us=fields.microseconds(message.max_duration, "filter.max_duration"),
    )


def invocation_id(text: str, limits: Limits) -> str:
    """The id of an invocation."""
    return check_name(text, "invocation_id", limits.key_bytes)


def _bare(request: M) -> M:
    """The request without what differs from page to page."""
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("page_token")
    bare.ClearField("page_size")
    return bare
