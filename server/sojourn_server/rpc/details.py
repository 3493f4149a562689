"""Reading out of encoded events what the catalog keeps of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.duration_pb2 import Duration

from sojourn.v1 import event_pb2

from ..domain import details as dt
from ..domain.changes import InvocationStatus, MessageRole
from ..domain.session import StepStatus


def details(body: bytes) -> list[dt.Detail]:
    """What the catalog keeps of an event besides its body, in the order of its changes."""
    found: list[dt.Detail] = []
    for change in event_pb2.Event.FromString(body).changes:
        kind = change.WhichOneof("kind")
        read = _READ.get(kind or "")
        if read is not None and (detail := read(getattr(change, kind))) is not None:
            found.append(detail)
    return found


def _message(m: event_pb2.MessageAppended) -> dt.Detail:
    return dt.MessageDetail(MessageRole(m.role), m.content, m.tool_name, m.invocation_id)


def _started(m: event_pb2.InvocationStarted) -> dt.Detail:
    return dt.StartDetail(m.invocation_id, m.tool, _json(m, "arguments"), m.request_id)


def _finished(m: event_pb2.InvocationFinished) -> dt.Detail:
    return dt.FinishDetail(
        m.invocation_id,
        m.tool,
        InvocationStatus(m.status),
        _json(m, "result"),
        m.error,
        _us(m.duration) if m.HasField("duration") else None,
        m.usage.cost_micros,
    )


def _step(m: event_pb2.StepFinished) -> dt.Detail:
    duration = _us(m.duration) if m.HasField("duration") else None
    return dt.StepDetail(m.name, m.run or 1, StepStatus(m.status), duration, _json(m, "output"), m.error)


def _artifact(m: event_pb2.ArtifactAttached) -> dt.Detail:
    return dt.ArtifactDetail(m.name, m.version, m.content_type, m.size_bytes, m.sha256, m.phase, dict(m.labels), m.uri)


def _log(m: event_pb2.LogAppended) -> dt.Detail:
    return dt.LogDetail(int(m.level), m.text)


def _created(m: event_pb2.SessionCreated) -> dt.Detail | None:
    return dt.PurposeDetail(m.purpose) if m.purpose else None


def _info(m: event_pb2.InfoUpdated) -> dt.Detail | None:
    return dt.PurposeDetail(m.purpose) if m.HasField("purpose") else None


def _json(message: Any, field: str) -> str | None:
    """A value's JSON as text: it was checked to be UTF-8 when it was written."""
    return getattr(message, field).json.decode() if message.HasField(field) else None


def _us(message: Duration) -> int:
    return message.seconds * 1_000_000 + message.nanos // 1000


_READ: dict[str, Callable[[Any], dt.Detail | None]] = {
    "message_appended": _message,
    "invocation_started": _started,
    "invocation_finished": _finished,
    "step_finished": _step,
    "artifact_attached": _artifact,
    "log_appended": _log,
    "session_created": _created,
    "info_updated": _info,
}
