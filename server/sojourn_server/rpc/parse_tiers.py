"""Calls that move sessions between the tiers as the domain's inputs."""

from __future__ import annotations

from sojourn.v1 import tiers_pb2 as pb

from ..domain.errors import InvalidFieldError
from ..domain.limits import Limits, check_label, check_session_id
from ..usecases.cleanup import CleanupAction, CleanupQuery
from ..usecases.forking import NewFork
from . import fields
from .parse import idempotency_key, session_filter, session_key

key = idempotency_key


def writer(text: str, limits: Limits) -> str:
    """Label of who asks."""
    return check_label(text, "writer", limits.writer_bytes)


def fork(tenant: str, request: pb.ForkSessionRequest, limits: Limits) -> NewFork:
    """What ForkSession asks for."""
    if request.at_revision < 0:
        raise InvalidFieldError("at_revision", "zero or more")
    new_id = request.new_session_id
    if new_id and check_session_id(new_id, "new_session_id") == request.session_id:
        raise InvalidFieldError("new_session_id", "another id than that of the session")
    return NewFork(
        session_key(tenant, request.session_id),
        at_revision=request.at_revision,
        session_id=new_id,
        writer=writer(request.writer, limits),
        idempotency_key=key(request.idempotency_key),
    )


def cleanup(request: pb.CleanupSessionsRequest, limits: Limits) -> CleanupQuery:
    """Which sessions CleanupSessions selects, and what it does with them."""
    wanted = session_filter(request.filter, limits)
    older_us = fields.microseconds(request.older_than, "older_than") if request.HasField("older_than") else None
    keep_newest = request.keep_newest if request.HasField("keep_newest") else None
    if keep_newest is not None and keep_newest < 0:
        raise InvalidFieldError("keep_newest", "zero or more")
    if not request.filter.ByteSize() and older_us is None and keep_newest is None:
        raise InvalidFieldError("filter", "a condition, or older_than, or keep_newest")
    action = fields.enum(CleanupAction, request.action, "action") if request.action else CleanupAction.DELETE
    return CleanupQuery(wanted, action, older_us, keep_newest, request.dry_run)
