"""Changes from the wire to models, one function for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sojourn.v1 import event_pb2, request_pb2, session_pb2

from .. import changes
from . import vocabulary
from .values import from_json, from_micros, to_timedelta


def change(message: event_pb2.Change) -> changes.Change:
    """The change; `UnknownChange` for a kind that is newer than this SDK."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return changes.UnknownChange()
    return _READERS[kind](getattr(message, kind))


def values(entries: Mapping[str, session_pb2.Value]) -> dict[str, Any]:
    """The JSON values of a map."""
    return {key: from_json(value.json) for key, value in entries.items()}


def optional(message: Any, field: str) -> Any:
    """The JSON value of a field; None when it is unset."""
    return from_json(getattr(message, field).json) if message.HasField(field) else None


def usage(message: session_pb2.Usage) -> changes.Usage:
    """Token usage and cost."""
    return changes.Usage(
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        total_tokens=message.total_tokens,
        cost=from_micros(message.cost_micros),
    )


def pool_slot(message: request_pb2.PoolSlot) -> changes.PoolSlot:
    """A slot of a pool."""
    return changes.PoolSlot(pool=message.pool, slot=message.slot, fencing_token=message.fencing_token)


def _state_set(message: event_pb2.StateSet) -> changes.StateSet:
    return changes.StateSet(values=values(message.values))


def _state_deleted(message: event_pb2.StateDeleted) -> changes.StateDeleted:
    return changes.StateDeleted(keys=tuple(message.keys))


def _state_incremented(message: event_pb2.StateIncremented) -> changes.StateIncremented:
    return changes.StateIncremented(key=message.key, delta=message.delta)


def _message_appended(message: event_pb2.MessageAppended) -> changes.MessageAppended:
    return changes.MessageAppended(
        role=vocabulary.MESSAGE_ROLE.read(message.role),
        content=message.content if message.HasField("content") else None,
        parts=tuple([from_json(part.json) for part in message.parts]),
        tool_name=message.tool_name,
        invocation_id=message.invocation_id,
        usage=usage(message.usage) if message.HasField("usage") else None,
    )


def _invocation_started(message: event_pb2.InvocationStarted) -> changes.InvocationStarted:
    return changes.InvocationStarted(
        invocation_id=message.invocation_id,
        tool=message.tool,
        arguments=optional(message, "arguments"),
        request_id=message.request_id,
    )


def _invocation_finished(message: event_pb2.InvocationFinished) -> changes.InvocationFinished:
    return changes.InvocationFinished(
        invocation_id=message.invocation_id,
        tool=message.tool,
        status=vocabulary.INVOCATION_STATUS.read(message.status),
        result=optional(message, "result"),
        error=message.error,
        duration=to_timedelta(message.duration) if message.HasField("duration") else None,
        usage=usage(message.usage) if message.HasField("usage") else None,
    )


def _step_finished(message: event_pb2.StepFinished) -> changes.StepFinished:
    return changes.StepFinished(
        name=message.name,
        run=message.run or 1,
        status=vocabulary.STEP_STATUS.read(message.status),
        duration=to_timedelta(message.duration) if message.HasField("duration") else None,
        output=optional(message, "output"),
        error=message.error,
    )


def _result_set(message: event_pb2.ResultSet) -> changes.ResultSet:
    return changes.ResultSet(name=message.name, value=optional(message, "value"))


def _artifact_attached(message: event_pb2.ArtifactAttached) -> changes.ArtifactAttached:
    return changes.ArtifactAttached(
        name=message.name,
        version=message.version,
        content_type=message.content_type,
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        phase=message.phase,
        labels=dict(message.labels),
        uri=message.uri,
    )


def _log_appended(message: event_pb2.LogAppended) -> changes.LogAppended:
    return changes.LogAppended(level=vocabulary.LOG_LEVEL.read(message.level), text=message.text)


def _info_updated(message: event_pb2.InfoUpdated) -> changes.InfoUpdated:
    return changes.InfoUpdated(
        purpose=message.purpose if message.HasField("purpose") else None,
        add_tags=tuple(message.add_tags),
        remove_tags=tuple(message.remove_tags),
        set_metadata=values(message.set_metadata),
        remove_metadata=tuple(message.remove_metadata),
    )


def _custom(message: event_pb2.Custom) -> changes.Custom:
    return changes.Custom(type=message.type, payload=optional(message, "payload"))


def _session_created(message: event_pb2.SessionCreated) -> changes.SessionCreated:
    return changes.SessionCreated(
        uid=message.uid,
        session_kind=message.kind,
        user_id=message.user_id,
        project=message.project,
        purpose=message.purpose,
        tags=tuple(message.tags),
        metadata=values(message.metadata),
        state=values(message.state),
        parent=message.parent,
        idle_timeout=to_timedelta(message.idle_timeout) if message.HasField("idle_timeout") else None,
        max_lifetime=to_timedelta(message.max_lifetime) if message.HasField("max_lifetime") else None,
        max_concurrent_requests=message.max_concurrent_requests,
    )


def _status_changed(message: event_pb2.StatusChanged) -> changes.StatusChanged:
    return changes.StatusChanged(status=vocabulary.SESSION_STATUS.read(message.status), error=message.error)


def _request_queued(message: event_pb2.RequestQueued) -> changes.RequestQueued:
    return changes.RequestQueued(
        request_id=message.request_id,
        name=message.name,
        priority=message.priority,
        exclusive=message.exclusive,
        pool=message.pool,
        interrupts=message.interrupts,
    )


def _request_admitted(message: event_pb2.RequestAdmitted) -> changes.RequestAdmitted:
    return changes.RequestAdmitted(
        request_id=message.request_id,
        name=message.name,
        fencing_token=message.fencing_token,
        exclusive=message.exclusive,
        pool_slot=pool_slot(message.pool_slot) if message.HasField("pool_slot") else None,
        priority=message.priority,
    )


def _request_progressed(message: event_pb2.RequestProgressed) -> changes.RequestProgressed:
    return changes.RequestProgressed(request_id=message.request_id, fraction=message.fraction, text=message.text)


def _request_finished(message: event_pb2.RequestFinished) -> changes.RequestFinished:
    return changes.RequestFinished(
        request_id=message.request_id,
        outcome=vocabulary.REQUEST_OUTCOME.read(message.outcome),
        error=message.error,
    )


def _request_lost(message: event_pb2.RequestLost) -> changes.RequestLost:
    return changes.RequestLost(request_id=message.request_id, fencing_token=message.fencing_token, cause=message.cause)


def _request_cancel_requested(message: event_pb2.RequestCancelRequested) -> changes.RequestCancelRequested:
    return changes.RequestCancelRequested(request_id=message.request_id, reason=message.reason)


def _forked(message: event_pb2.Forked) -> changes.Forked:
    return changes.Forked(parent_id=message.parent_id, parent_revision=message.parent_revision)


def _restored(message: event_pb2.Restored) -> changes.Restored:
    return changes.Restored(restored_revision=message.restored_revision)


_READERS: dict[str, Callable[[Any], changes.Change]] = {
    "state_set": _state_set,
    "state_deleted": _state_deleted,
    "state_incremented": _state_incremented,
    "message_appended": _message_appended,
    "invocation_started": _invocation_started,
    "invocation_finished": _invocation_finished,
    "step_finished": _step_finished,
    "result_set": _result_set,
    "artifact_attached": _artifact_attached,
    "log_appended": _log_appended,
    "info_updated": _info_updated,
    "custom": _custom,
    "session_created": _session_created,
    "status_changed": _status_changed,
    "request_queued": _request_queued,
    "request_admitted": _request_admitted,
    "request_progressed": _request_progressed,
    "request_finished": _request_finished,
    "request_lost": _request_lost,
    "forked": _forked,
    "restored": _restored,
    "request_cancel_requested": _request_cancel_requested,
}
