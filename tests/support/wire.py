"""The service's wire without the SDK: raw stubs, and what a failed call says."""

import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.session_service_pb2_grpc import SessionServiceStub

DETAILS = "grpc-status-details-bin"
AWAY = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED")
"""Codes of calls whose server went away under them."""
METADATA = {
    "INVALID_FIELD": "field expected",
    "TOO_LARGE": "field limit actual unit",
    "STATE_LIMIT_EXCEEDED": "session_id limit actual unit revision",
    "NOT_AN_INTEGER": "session_id key revision",
    "INTEGER_OVERFLOW": "session_id key revision",
    "SESSION_NOT_FOUND": "session_id",
    "SESSION_DELETED": "session_id revision",
    "SESSION_ALREADY_EXISTS": "session_id revision",
    "SESSION_ENDED": "session_id status revision",
    "REVISION_CONFLICT": "session_id expected_revision revision",
    "STATUS_CONFLICT": "session_id required_status status revision",
    "FENCING_TOKEN_REJECTED": "session_id fencing_token revision",
    "REQUEST_NOT_FOUND": "session_id request_id",
    "REQUEST_ENDED": "session_id request_id outcome error",
    "POOL_NOT_FOUND": "pool",
    "TEMPLATE_NOT_FOUND": "template",
    "TEMPLATE_ALREADY_EXISTS": "template",
    "LEASE_LOST": "session_id request_id cause",
    "REQUEST_NOT_ADMITTED": "session_id request_id revision",
    "REQUEST_SUPERSEDED": "session_id request_id",
    "QUEUE_TIMEOUT": "session_id request_id",
    "IDEMPOTENCY_KEY_REUSED": "session_id idempotency_key revision",
    "LIMIT_EXCEEDED": "limit_name limit",
}
"""The metadata keys that the reasons' examples in the protos show."""


@asynccontextmanager
async def connect(target: str, *options: tuple[str, int]) -> AsyncIterator[SessionServiceStub]:
    """A stub on a connection of its own."""
    async with channel(target, *options) as found:
        yield SessionServiceStub(found)


def channel(target: str, *options: tuple[str, int]) -> grpc.aio.Channel:
    """A channel that shares its connection with no other and tries again soon after a failure."""
    own = (
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 200),
    )
    return grpc.aio.insecure_channel(target, options=[*own, *options])


@dataclass(frozen=True)
class Failure:
    """A failed call: its status and the details that came with it."""

    code: str
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    """Fields of the BadRequest, if there is one."""
    retry_after: float | None = None
    """Seconds of the RetryInfo, if there is one."""


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Decodes the details; they must agree with the status itself."""
    metadata = dict(error.trailing_metadata() or ())
    if DETAILS not in metadata:
        return Failure(error.code().name, error.details() or "")
    status = status_pb2.Status.FromString(metadata[DETAILS])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    delay: float | None = None
    for detail in status.details:
        if detail.Unpack(retry):
            delay = retry.retry_delay.ToNanoseconds() / 1e9
        else:
            assert detail.Unpack(info) or detail.Unpack(bad), detail.type_url
    return Failure(
        error.code().name, status.message, info.reason, info.domain, dict(info.metadata),
        [violation.field for violation in bad.field_violations], delay,
    )  # fmt: skip


async def failure(call: Awaitable[Any]) -> Failure:
    """What the call, which must fail, fails with."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError(f"the call did not fail: {answer}")


async def messages(call: Any) -> AsyncIterator[Any]:
    """The messages of a watch. Unlike iterating over the call itself this may be begun and left again and again."""
    while (found := await call.read()) is not grpc.aio.EOF:
        yield found


async def watch_failure(call: Any) -> Failure:
    """What the watch, which must fail, fails with; its messages before that are dropped."""
    try:
        async for _ in messages(call):
            pass
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError("the watch ended without an error")


def check(found: Failure, code: str, reason: str) -> None:
    """The failure is the documented one, whole."""
    assert (found.code, found.reason, found.domain) == (code, reason, "sojourn.dev"), found
    assert set(found.metadata) == set(METADATA[reason].split())
    assert found.fields == ([found.metadata["field"]] if "field" in found.metadata else [])


def pass_over(error: grpc.aio.AioRpcError) -> None:
    """Raises the error unless it says that the server or its store is away."""
    if error.code().name not in AWAY:
        raise error


def value(document: Any) -> session_pb2.Value:
    return session_pb2.Value(json=json.dumps(document).encode())


def state_set(**values: Any) -> event_pb2.Change:
    return event_pb2.Change(state_set=event_pb2.StateSet(values={key: value(v) for key, v in values.items()}))


def incremented(key: str, delta: int = 1) -> event_pb2.Change:
    return event_pb2.Change(state_incremented=event_pb2.StateIncremented(key=key, delta=delta))


def message(text: str) -> event_pb2.Change:
    return event_pb2.Change(message_appended=event_pb2.MessageAppended(role=event_pb2.MESSAGE_ROLE_USER, content=text))


def write(session_id: str, *changes: event_pb2.Change, key: str = "", **precondition: Any) -> pb.WriteSessionRequest:
    """A write of these changes, of one increment of `n` when none are given."""
    return pb.WriteSessionRequest(
        session_id=session_id,
        changes=changes or [incremented("n")],
        precondition=pb.Precondition(**precondition) if precondition else None,
        idempotency_key=key,
    )


def after(place: str | int) -> pb.Position:
    """The position of a cursor's token or a revision."""
    if isinstance(place, int):
        return pb.Position(revision=place)
    return pb.Position(cursor=session_pb2.Cursor(token=place))


def interval(seconds: float) -> Duration | None:
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9)) if seconds else None


def watch(session_id: str, place: str | int | None = None, *, progress: float = 0, **rest: Any) -> Any:
    """A watch of one session; `progress` in seconds."""
    return pb.WatchSessionRequest(
        session_id=session_id,
        after=None if place is None else after(place),
        progress_interval=interval(progress),
        **rest,
    )


async def create(stub: SessionServiceStub, session_id: str, **rest: Any) -> session_pb2.Session:
    response = await stub.CreateSession(pb.CreateSessionRequest(session_id=session_id, **rest))
    return response.session


async def revision(stub: SessionServiceStub, session_id: str) -> int:
    response = await stub.GetSession(pb.GetSessionRequest(session_id=session_id, view=session_pb2.SESSION_VIEW_BASIC))
    return int(response.session.revision)


async def log_of(stub: SessionServiceStub, session_id: str) -> list[event_pb2.Event]:
    """The whole event log."""
    events: list[event_pb2.Event] = []
    token = ""
    while True:
        page = await stub.ListEvents(pb.ListEventsRequest(session_id=session_id, page_size=1000, page_token=token))
        events += page.events
        token = page.next_page_token
        if not token:
            return events


def revisions(events: list[event_pb2.Event]) -> list[int]:
    return [event.revision for event in events]
