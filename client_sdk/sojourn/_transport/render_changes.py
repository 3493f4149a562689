"""Writes from arguments to the wire: one function for each kind of change a caller can make.

A write is encoded as a batch of its own. Protobuf messages of one type are merged by joining their bytes, so a batch of
many writes is nothing but the joined bytes of its writes: each is encoded once, whatever it is retried or batched with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..config import Seconds
from ..models import Usage
from . import vocabulary
from .render import fill_precondition, fill_values, texts
from .values import invalid, to_duration, to_json, to_micros

_INT64 = range(-(2**63), 2**63)

WriteBatch = pb.BatchWriteSessionsRequest
"""A batch that holds one write."""


def new_write(
    session_id: str,
    *,
    writer: str,
    idempotency_key: str,
    expected_revision: int | None = None,
    required_status: str | None = None,
    fencing_token: int | None = None,
    known: str = "",
) -> WriteBatch:
    """A write without changes yet. `known`: a cursor that the session's history must still hold; empty: any history."""
    batch = WriteBatch()
    request = batch.writes.add(session_id=session_id, idempotency_key=idempotency_key, writer=writer)
    fill_precondition(request, expected_revision, required_status, fencing_token, known)
    return batch


def is_empty(batch: WriteBatch) -> bool:
    """Whether the write has no changes."""
    return not batch.writes[0].changes


def idempotency_key(batch: WriteBatch) -> str:
    """The write's idempotency key."""
    return batch.writes[0].idempotency_key


def encode(batch: WriteBatch) -> bytes:
    """The write as it goes into any batch."""
    return batch.SerializeToString()


def set_state(batch: WriteBatch, values: Mapping[str, Any]) -> None:
    """StateSet."""
    message = event_pb2.StateSet()
    fill_values(message.values, values, "state")
    _add(batch, state_set=message)


def delete_state(batch: WriteBatch, keys: Iterable[str]) -> None:
    """StateDeleted."""
    _add(batch, state_deleted=event_pb2.StateDeleted(keys=texts(keys, "keys")))


def increment_state(batch: WriteBatch, key: str, delta: int) -> None:
    """StateIncremented."""
    if isinstance(delta, bool) or not isinstance(delta, int) or delta not in _INT64:
        raise invalid("delta", "a signed 64-bit integer")
    _add(batch, state_incremented=event_pb2.StateIncremented(key=key, delta=delta))


def add_message(
    batch: WriteBatch,
    role: str,
    content: str | None,
    *,
    parts: Iterable[Any],
    tool_name: str | None,
    invocation_id: str | None,
    usage: Usage | None,
) -> None:
    """MessageAppended."""
    message = event_pb2.MessageAppended(
        role=vocabulary.MESSAGE_ROLE.write(role, "role"),
        content=content,
        tool_name=tool_name or "",
        invocation_id=invocation_id or "",
    )
    for index, part in enumerate(parts):
        message.parts.add(json=to_json(part, f"parts[{index}]"))
    fill_usage(message.usage, usage, None)
    _add(batch, message_appended=message)


def start_invocation(
    batch: WriteBatch, invocation_id: str, tool: str, *, arguments: Any, request_id: str | None
) -> None:
    """InvocationStarted; `arguments` None: none."""
    _add(batch, invocation_started=_start(invocation_id, tool, arguments, request_id))


def finish_invocation(
    batch: WriteBatch,
    invocation_id: str,
    tool: str | None,
    *,
    status: str,
    result: Any,
    error: str | None,
    duration: Seconds | None,
    cost: float | Decimal | None,
    usage: Usage | None,
) -> None:
    """InvocationFinished; `result` None: nothing was returned."""
    _add(batch, invocation_finished=_finish(invocation_id, tool, status, result, error, duration, cost, usage))


def record_invocation(
    batch: WriteBatch,
    invocation_id: str,
    tool: str,
    *,
    arguments: Any,
    status: str,
    result: Any,
    error: str | None,
    duration: Seconds | None,
    cost: float | Decimal | None,
    usage: Usage | None,
    request_id: str | None,
) -> None:
    """InvocationStarted and InvocationFinished: both are made before either is added."""
    started = _start(invocation_id, tool, arguments, request_id)
    finished = _finish(invocation_id, None, status, result, error, duration, cost, usage)
    _add(batch, invocation_started=started)
    _add(batch, invocation_finished=finished)


def record_step(
    batch: WriteBatch,
    name: str,
    *,
    status: str,
    run: int,
    duration: Seconds | None,
    output: Any,
    error: str | None,
) -> None:
    """StepFinished; `output` None: nothing was produced."""
    _add(
        batch,
        step_finished=event_pb2.StepFinished(
            name=name,
            run=run,
            status=vocabulary.STEP_STATUS.write(status, "status"),
            duration=None if duration is None else to_duration(duration, "duration"),
            output=_value(output, "output"),
            error=error or "",
        ),
    )


def set_result(batch: WriteBatch, name: str, value: Any) -> None:
    """ResultSet; None is the JSON null."""
    _add(batch, result_set=event_pb2.ResultSet(name=name, value=session_pb2.Value(json=to_json(value, "value"))))


def log(batch: WriteBatch, text: str, *, level: str) -> None:
    """LogAppended."""
    _add(batch, log_appended=event_pb2.LogAppended(level=vocabulary.LOG_LEVEL.write(level, "level"), text=text))


def update(
    batch: WriteBatch,
    *,
    purpose: str | None,
    add_tags: Iterable[str],
    remove_tags: Iterable[str],
    metadata: Mapping[str, Any] | None,
    remove_metadata: Iterable[str],
) -> None:
    """InfoUpdated; `purpose` None: as it is."""
    message = event_pb2.InfoUpdated(
        purpose=purpose,
        add_tags=texts(add_tags, "add_tags"),
        remove_tags=texts(remove_tags, "remove_tags"),
        remove_metadata=texts(remove_metadata, "remove_metadata"),
    )
    fill_values(message.set_metadata, metadata, "metadata")
    _add(batch, info_updated=message)


def add_custom(batch: WriteBatch, type_: str, payload: Any) -> None:
    """Custom; `payload` None: none."""
    _add(batch, custom=event_pb2.Custom(type=type_, payload=_value(payload, "payload")))


def fill_usage(target: session_pb2.Usage, usage: Usage | None, cost: float | Decimal | None) -> None:
    """Set token usage and cost; `cost` takes the place of the cost in `usage`, which must then be 0."""
    if usage is not None:
        if cost is not None and usage.cost:
            raise invalid("cost", "either `cost` or a cost in `usage`, not both")
        target.input_tokens = usage.input_tokens
        target.output_tokens = usage.output_tokens
        target.total_tokens = usage.total_tokens
        target.cost_micros = to_micros(usage.cost, "usage.cost")
        target.SetInParent()
    if cost is not None:
        target.cost_micros = to_micros(cost, "cost")


def _start(invocation_id: str, tool: str, arguments: Any, request_id: str | None) -> event_pb2.InvocationStarted:
    return event_pb2.InvocationStarted(
        invocation_id=invocation_id,
        tool=tool,
        arguments=_value(arguments, "arguments"),
        request_id=request_id or "",
    )


def _finish(
    invocation_id: str,
    tool: str | None,
    status: str,
    result: Any,
    error: str | None,
    duration: Seconds | None,
    cost: float | Decimal | None,
    usage: Usage | None,
) -> event_pb2.InvocationFinished:
    message = event_pb2.InvocationFinished(
        invocation_id=invocation_id,
        tool=tool or "",
        status=vocabulary.INVOCATION_STATUS.write(status, "status"),
        result=_value(result, "result"),
        error=error or "",
        duration=None if duration is None else to_duration(duration, "duration"),
    )
    fill_usage(message.usage, usage, cost)
    return message


def _value(value: Any, field: str) -> session_pb2.Value | None:
    return None if value is None else session_pb2.Value(json=to_json(value, field))


def _add(batch: WriteBatch, **kind: Any) -> None:
    batch.writes[0].changes.add(**kind)
