"""Changes between protobuf and the domain.

The domain's changes hold what moves a session's head; the rest of a change (a message's content, an invocation's
arguments) is checked here and rests in the encoded body of the event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sojourn.v1 import event_pb2

from ..domain import changes as ch
from ..domain.errors import InvalidFieldError, TooLargeError
from ..domain.limits import Limits, check_label, check_name
from ..domain.session import StepStatus
from . import fields
from .codec import ProtoCodec
from .encoding import varint

__all__ = ["ProtoCodec", "encode_body", "parse_changes"]


def parse_changes(messages: Sequence[event_pb2.Change], limits: Limits) -> list[ch.Change]:
    """Checks and parses a caller's changes. Raises InvalidFieldError, TooLargeError."""
    found: list[ch.Change] = []
    for i, message in enumerate(messages):
        name = message.WhichOneof("kind")
        parse = _PARSE.get(name or "")
        if parse is None:
            what = "a change of a kind that callers may write" if name else "exactly one kind of change"
            raise InvalidFieldError(f"changes[{i}]", what)
        found.append(parse(getattr(message, name), f"changes[{i}].{name}", limits))
    return found


def encode_body(messages: Sequence[event_pb2.Change], writer: str, limits: Limits) -> bytes:
    """The body of an event: the rest of it (id, revision, time, cursor) is put before it when it is read.

    Deterministic, because idempotency compares bodies.
    """
    body = event_pb2.Event(writer=writer).SerializeToString() if writer else b""
    for message in messages:
        encoded = message.SerializeToString(deterministic=True)
        body += _CHANGES_TAG + varint(len(encoded)) + encoded
    if len(body) > limits.write_bytes:
        raise TooLargeError("changes", actual=len(body), limit=limits.write_bytes)
    return body


def _state_set(m: event_pb2.StateSet, field: str, limits: Limits) -> ch.Change:
    if not m.values:
        raise InvalidFieldError(f"{field}.values", "at least one key")
    return ch.StateSet(fields.values(m.values, f"{field}.values", limits))


def _state_deleted(m: event_pb2.StateDeleted, field: str, limits: Limits) -> ch.Change:
    if not m.keys:
        raise InvalidFieldError(f"{field}.keys", "at least one key")
    return ch.StateDeleted(fields.keys(m.keys, f"{field}.keys", limits))


def _state_incremented(m: event_pb2.StateIncremented, field: str, limits: Limits) -> ch.Change:
    return ch.StateIncremented(check_name(m.key, f"{field}.key", limits.key_bytes), m.delta)


def _message(m: event_pb2.MessageAppended, field: str, limits: Limits) -> ch.Change:
    plain = _PLAIN_MESSAGES.get(m.role)
    if plain is None:
        raise fields.unknown(ch.MessageRole, f"{field}.role")
    fields.text(m.content, f"{field}.content", limits)
    for i, part in enumerate(m.parts):
        fields.value(part, f"{field}.parts[{i}]", limits)
    if m.tool_name:
        check_label(m.tool_name, f"{field}.tool_name", limits.key_bytes)
    if m.invocation_id:
        check_label(m.invocation_id, f"{field}.invocation_id", limits.key_bytes)
    return ch.MessageAppended(plain.role, fields.usage(m.usage, f"{field}.usage")) if m.HasField("usage") else plain


def _invocation_started(m: event_pb2.InvocationStarted, field: str, limits: Limits) -> ch.Change:
    check_name(m.invocation_id, f"{field}.invocation_id", limits.key_bytes)
    check_name(m.tool, f"{field}.tool", limits.key_bytes)
    check_label(m.request_id, f"{field}.request_id", limits.key_bytes)
    if m.HasField("arguments"):
        fields.value(m.arguments, f"{field}.arguments", limits)
    return ch.InvocationStarted(m.invocation_id, m.tool, m.request_id)


def _invocation_finished(m: event_pb2.InvocationFinished, field: str, limits: Limits) -> ch.Change:
    check_name(m.invocation_id, f"{field}.invocation_id", limits.key_bytes)
    check_label(m.tool, f"{field}.tool", limits.key_bytes)
    status = fields.enum(ch.InvocationStatus, m.status, f"{field}.status")
    if m.HasField("result"):
        fields.value(m.result, f"{field}.result", limits)
    fields.text(m.error, f"{field}.error", limits)
    if m.HasField("duration"):
        fields.microseconds(m.duration, f"{field}.duration")
    usage = fields.usage(m.usage, f"{field}.usage") if m.HasField("usage") else None
    return ch.InvocationFinished(m.invocation_id, status, usage)


def _step_finished(m: event_pb2.StepFinished, field: str, limits: Limits) -> ch.Change:
    check_name(m.name, f"{field}.name", limits.key_bytes)
    if m.run < 0:
        raise InvalidFieldError(f"{field}.run", "zero or more")
    if m.HasField("output"):
        fields.value(m.output, f"{field}.output", limits)
    fields.text(m.error, f"{field}.error", limits)
    duration = fields.microseconds(m.duration, f"{field}.duration") if m.HasField("duration") else None
    return ch.StepFinished(m.name, m.run or 1, fields.enum(StepStatus, m.status, f"{field}.status"), duration)


def _result_set(m: event_pb2.ResultSet, field: str, limits: Limits) -> ch.Change:
    name = check_name(m.name, f"{field}.name", limits.key_bytes)
    return ch.ResultSet(name, fields.value(m.value, f"{field}.value", limits))


def _artifact_attached(m: event_pb2.ArtifactAttached, field: str, limits: Limits) -> ch.Change:
    name = check_name(m.name, f"{field}.name", limits.key_bytes)
    if m.version < 0 or m.size_bytes < 0:
        raise InvalidFieldError(field, "a version and a size of zero or more")
    for label in ("content_type", "sha256", "phase"):
        check_label(getattr(m, label), f"{field}.{label}", limits.label_bytes)
    check_label(m.uri, f"{field}.uri", 4096)
    for key, label in m.labels.items():
        check_name(key, f"{field}.labels key", limits.key_bytes)
        check_label(label, f'{field}.labels["{key}"]', limits.label_bytes)
    return ch.ArtifactAttached(name, m.version)


def _log_appended(m: event_pb2.LogAppended, field: str, limits: Limits) -> ch.Change:
    if m.level not in event_pb2.LogLevel.values():
        raise InvalidFieldError(f"{field}.level", "a known level")
    fields.text(m.text, f"{field}.text", limits)
    return ch.LogAppended()


def _info_updated(m: event_pb2.InfoUpdated, field: str, limits: Limits) -> ch.Change:
    purpose = m.purpose if m.HasField("purpose") else None
    if purpose and len(purpose.encode()) > limits.purpose_bytes:
        raise TooLargeError(f"{field}.purpose", actual=len(purpose.encode()), limit=limits.purpose_bytes)
    return ch.InfoUpdated(
        purpose,
        fields.tags(m.add_tags, f"{field}.add_tags", limits),
        fields.tags(m.remove_tags, f"{field}.remove_tags", limits),
        fields.values(m.set_metadata, f"{field}.set_metadata", limits),
        fields.keys(m.remove_metadata, f"{field}.remove_metadata", limits),
    )


def _custom(m: event_pb2.Custom, field: str, limits: Limits) -> ch.Change:
    if m.HasField("payload"):
        fields.value(m.payload, f"{field}.payload", limits)
    return ch.Custom(check_name(m.type, f"{field}.type", limits.key_bytes))


_PLAIN_MESSAGES = {int(role): ch.MessageAppended(role) for role in ch.MessageRole}
"""Messages without usage, by role: what most writes append, made once."""
_CHANGES_TAG = bytes([event_pb2.Event.CHANGES_FIELD_NUMBER << 3 | 2])

_PARSE: dict[str, Callable[[Any, str, Limits], ch.Change]] = {
    "state_set": _state_set,
    "state_deleted": _state_deleted,
    "state_incremented": _state_incremented,
    "message_appended": _message,
    "invocation_started": _invocation_started,
    "invocation_finished": _invocation_finished,
    "step_finished": _step_finished,
    "result_set": _result_set,
    "artifact_attached": _artifact_attached,
    "log_appended": _log_appended,
    "info_updated": _info_updated,
    "custom": _custom,
}
