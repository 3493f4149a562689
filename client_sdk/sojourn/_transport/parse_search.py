"""What was found, from the wire to models."""

from __future__ import annotations

from typing import Any

from sojourn.v1 import search_pb2

from .. import models
from ..enums import InvocationStatus
from . import vocabulary
from .parse import session
from .parse_changes import optional
from .values import from_micros, to_datetime, to_timedelta


def found_session(message: search_pb2.FoundSession) -> models.FoundSession:
    """A session with the fragments of it that matched."""
    fragments = (
        models.Fragment(
            source=vocabulary.TEXT_SOURCE.read(fragment.source),
            revision=fragment.revision,
            text=fragment.text,
            highlights=tuple((span.begin, span.end) for span in fragment.highlights),
        )
        for fragment in message.fragments
    )
    return models.FoundSession(session=session(message.session), fragments=tuple(fragments))


def invocation(message: search_pb2.Invocation) -> models.Invocation:
    """An invocation."""
    return models.Invocation(**_facts(message))


def found_invocation(message: search_pb2.GetInvocationResponse) -> models.FoundInvocation:
    """An invocation and its session."""
    return models.FoundInvocation(**_facts(message.invocation), session=session(message.session))


def _facts(message: search_pb2.Invocation) -> dict[str, Any]:
    running = message.status == 0  # unspecified
    return {
        "session_id": message.session_id,
        "id": message.id,
        "tool": message.tool,
        "arguments": optional(message, "arguments"),
        "result": optional(message, "result"),
        "status": InvocationStatus.RUNNING if running else vocabulary.INVOCATION_STATUS.read(message.status),
        "error": message.error,
        "duration": to_timedelta(message.duration) if message.HasField("duration") else None,
        "cost": from_micros(message.cost_micros),
        "request_id": message.request_id,
        "started_time": to_datetime(message.start_time) if message.HasField("start_time") else None,
        "finished_time": to_datetime(message.end_time) if message.HasField("end_time") else None,
    }
