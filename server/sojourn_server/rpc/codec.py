"""The EventCodec port: the server's own changes as bodies of events, and the bodies of all events as changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from sojourn.v1 import event_pb2, session_pb2

from ..domain import changes as ch
from ..domain.session import SessionStatus, StepStatus


class ProtoCodec:
    """The contract of each method is `ports.EventCodec`'s."""

    def encode(self, changes: Sequence[ch.Change], writer: str) -> bytes:
        messages = [_render(change) for change in changes]
        return event_pb2.Event(writer=writer, changes=messages).SerializeToString(deterministic=True)

    def decode(self, body: bytes) -> list[ch.Change]:
        try:
            event = event_pb2.Event.FromString(body)
        except DecodeError as error:
            raise ValueError("not the body of an event") from error
        named = ((message.WhichOneof("kind"), message) for message in event.changes)
        return [_DECODE[name](getattr(message, name)) for name, message in named if name]


def _render(change: ch.Change) -> event_pb2.Change:
    match change:
        case ch.StatusChanged():
            status: Any = int(change.status)
            return event_pb2.Change(status_changed=event_pb2.StatusChanged(status=status, error=change.error))
        case ch.SessionCreated():
            return event_pb2.Change(session_created=_created(change))
        case ch.Forked():
            forked = event_pb2.Forked(
                parent_id=change.parent_id, parent_revision=change.parent_revision, uid=change.uid
            )
            return event_pb2.Change(forked=forked)
        case ch.Restored():
            return event_pb2.Change(restored=event_pb2.Restored(restored_revision=change.restored_revision))
        case ch.InvocationFinished():
            how: Any = int(change.status)
            finished = event_pb2.InvocationFinished(
                invocation_id=change.invocation_id, tool=change.tool, status=how, error=change.error
            )
            return event_pb2.Change(invocation_finished=finished)
        case ch.RequestLost():
            lost = event_pb2.RequestLost(
                request_id=change.request_id, fencing_token=change.fencing_token, cause=change.cause
            )
            return event_pb2.Change(request_lost=lost)
    raise TypeError(f"the server does not write {type(change).__name__}")


def _created(change: ch.SessionCreated) -> event_pb2.SessionCreated:
    message = event_pb2.SessionCreated(
        uid=change.uid,
        kind=change.session_kind,
        user_id=change.user_id,
        project=change.project,
        purpose=change.purpose,
        tags=change.tags,
        parent=change.parent,
        max_concurrent_requests=change.max_concurrent_requests,
    )
    for key, raw in change.metadata.items():
        message.metadata[key].json = raw
    for key, raw in change.state.items():
        message.state[key].json = raw
    if change.idle_timeout_ms:
        message.idle_timeout.CopyFrom(_duration(change.idle_timeout_ms))
    if change.max_lifetime_ms:
        message.max_lifetime.CopyFrom(_duration(change.max_lifetime_ms))
    return message


def _duration(ms: int) -> Duration:
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def _microseconds(message: Duration) -> int:
    return message.seconds * 1_000_000 + message.nanos // 1000


def _values(entries: Mapping[str, session_pb2.Value]) -> dict[str, bytes]:
    return {key: message.json for key, message in entries.items()}


def _usage(m: event_pb2.MessageAppended | event_pb2.InvocationFinished) -> ch.Usage | None:
    if not m.HasField("usage"):
        return None
    return ch.Usage(m.usage.input_tokens, m.usage.output_tokens, m.usage.total_tokens, m.usage.cost_micros)


def _invocation_finished(m: event_pb2.InvocationFinished) -> ch.Change:
    return ch.InvocationFinished(m.invocation_id, ch.InvocationStatus(m.status), _usage(m), m.tool, m.error)


def _step_finished(m: event_pb2.StepFinished) -> ch.Change:
    duration = _microseconds(m.duration) if m.HasField("duration") else None
    return ch.StepFinished(m.name, m.run or 1, StepStatus(m.status), duration)


def _info_updated(m: event_pb2.InfoUpdated) -> ch.Change:
    return ch.InfoUpdated(
        m.purpose if m.HasField("purpose") else None,
        tuple(m.add_tags),
        tuple(m.remove_tags),
        _values(m.set_metadata),
        tuple(m.remove_metadata),
    )


def _session_created(m: event_pb2.SessionCreated) -> ch.Change:
    return ch.SessionCreated(
        uid=m.uid,
        session_kind=m.kind,
        user_id=m.user_id,
        project=m.project,
        purpose=m.purpose,
        tags=tuple(m.tags),
        metadata=_values(m.metadata),
        state=_values(m.state),
        parent=m.parent,
        idle_timeout_ms=_microseconds(m.idle_timeout) // 1000,
        max_lifetime_ms=_microseconds(m.max_lifetime) // 1000,
        max_concurrent_requests=m.max_concurrent_requests,
    )


_DECODE: dict[str, Callable[[Any], ch.Change]] = {
    "state_set": lambda m: ch.StateSet(_values(m.values)),
    "state_deleted": lambda m: ch.StateDeleted(tuple(m.keys)),
    "state_incremented": lambda m: ch.StateIncremented(m.key, m.delta),
    "message_appended": lambda m: ch.MessageAppended(ch.MessageRole(m.role), _usage(m)),
    "invocation_started": lambda m: ch.InvocationStarted(m.invocation_id, m.tool, m.request_id),
    "invocation_finished": _invocation_finished,
    "step_finished": _step_finished,
    "result_set": lambda m: ch.ResultSet(m.name, m.value.json),
    "artifact_attached": lambda m: ch.ArtifactAttached(m.name, m.version),
    "log_appended": lambda m: ch.LogAppended(),
    "info_updated": _info_updated,
    "custom": lambda m: ch.Custom(m.type),
    "session_created": _session_created,
    "status_changed": lambda m: ch.StatusChanged(SessionStatus(m.status), m.error),
    "request_queued": lambda m: ch.RequestQueued(m.request_id),
    "request_admitted": lambda m: ch.RequestAdmitted(m.request_id),
    "request_progressed": lambda m: ch.RequestProgressed(m.request_id),
    "request_cancel_requested": lambda m: ch.RequestCancelRequested(m.request_id),
    "request_finished": lambda m: ch.RequestFinished(m.request_id),
    "request_lost": lambda m: ch.RequestLost(m.request_id, m.fencing_token, m.cause),
    "forked": lambda m: ch.Forked(m.uid, m.parent_id, m.parent_revision),
    "restored": lambda m: ch.Restored(m.restored_revision),
}
