"""The domain's results as responses of the SessionService."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from sojourn.v1 import event_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb

from ..domain.cursor import SessionCursor
from ..domain.errors import SojournError, TooLargeError
from ..domain.events import Committed, Durability, StoredEvent
from ..domain.session import Session, SessionStatus
from ..ports import ArchivedSession, DeletedSession
from ..usecases.watching import GoingAway, Message, Progress
from .encoding import varint
from .status import code_of

_STATUSES = {status: session_pb2.SessionStatus.Value(f"SESSION_STATUS_{status.name}") for status in SessionStatus}


def fill_session(message: session_pb2.Session, found: Session, *, full: bool = True) -> None:
    """Fills an empty message in place; `full` says whether state and results were read. Absent parts are not
    touched: it costs."""
    message.id = found.id
    message.uid = found.uid
    message.kind = found.kind
    message.user_id = found.user_id
    message.project = found.project
    message.purpose = found.purpose
    message.status = _STATUSES[found.status]  # type: ignore[assignment]
    message.error = found.error
    message.revision = found.revision
    message.parent = found.parent
    message.storage.tier = found.tier  # type: ignore[assignment]
    if found.snapshot_path:
        message.storage.snapshot_path = found.snapshot_path
    if found.archive_path:
        message.storage.archive_path = found.archive_path
    message.cursor.token = SessionCursor(found.uid, found.incarnation, found.revision, found.updated_us).encode()
    _set_time(message.create_time, found.created_us)
    _set_time(message.update_time, found.updated_us)
    if found.tags:
        message.tags.extend(found.tags)
    for name, count in found.counters.items():
        setattr(message.counters, name, count)
    for name, count in found.usage.items():
        setattr(message.usage, name, count)
    for tool, count in found.tools.items():
        message.tools[tool] = count
    for key, raw in found.metadata.items():
        message.metadata[key].json = raw
    if full:
        for key, raw in found.state.items():
            message.state[key].json = raw
        for key, raw in found.results.items():
            message.results[key].json = raw
    if found.steps:
        _add_steps(message, found)
    if found.ended_us is not None:
        _set_time(message.end_time, found.ended_us)
    if found.max_concurrent_requests:
        message.max_concurrent_requests = found.max_concurrent_requests
    if found.admitted_requests:
        message.admitted_requests = found.admitted_requests
    if found.queued_requests:
        message.queued_requests = found.queued_requests
    if found.connection_count:
        message.connection_count = found.connection_count
    if found.idle_timeout_ms or found.max_lifetime_ms:
        _add_timeouts(message, found)


def _set_time(message: Timestamp, us: int) -> None:
    message.seconds, nanos = divmod(us, 1_000_000)
    message.nanos = nanos * 1000


def timestamp(us: int) -> Timestamp:
    """Microseconds since the epoch."""
    return Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1000)


def duration(us: int) -> Duration:
    """Microseconds."""
    return Duration(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1000)


def durability(level: Durability) -> session_pb2.Durability:
    """What a write is sure to survive."""
    return int(level)  # type: ignore[return-value]


def written(committed: Committed, level: Durability) -> pb.WriteSessionResponse:
    """What a write became."""
    response = pb.WriteSessionResponse()
    fill_written(response, committed, level)
    return response


def fill_written(message: pb.WriteSessionResponse, committed: Committed, level: Durability) -> None:
    """Fills an empty message in place."""
    message.revision = committed.revision
    _set_time(message.commit_time, committed.commit_us)
    message.cursor.token = committed.cursor.encode()
    message.durability = level  # type: ignore[assignment]
    if committed.replayed:
        message.replayed = True


def batch_written(results: Iterable[Committed | SojournError], level: Durability) -> pb.BatchWriteSessionsResponse:
    """What the writes of a batch became."""
    response = pb.BatchWriteSessionsResponse()
    add = response.items.add
    for result in results:
        if isinstance(result, Committed):
            fill_written(add().result, result, level)
        else:
            add().status.CopyFrom(item_status(result))
    return response


def batch_read(results: Iterable[Session | SojournError], *, full: bool) -> pb.BatchGetSessionsResponse:
    """What the reads of a batch found."""
    response = pb.BatchGetSessionsResponse()
    add = response.items.add
    for result in results:
        if isinstance(result, Session):
            fill_session(add().session, result, full=full)
        else:
            add().status.CopyFrom(item_status(result))
    if (size := response.ByteSize()) > BATCH_BYTES:
        raise TooLargeError("session_ids", actual=size, limit=BATCH_BYTES)
    return response


def item_status(error: SojournError) -> pb.ItemStatus:
    """The error of one item of a batch."""
    return pb.ItemStatus(
        code=code_of(error).value[0],
        message=error.message,
        reason=f"ERROR_REASON_{error.reason}",
        metadata=error.metadata,
    )


def events(found: Iterable[StoredEvent]) -> bytes:
    """Events as field 1 of a response: concatenating encoded fields is the encoding of the repeated field."""
    return b"".join([event.wire or _encode(event) for event in found])


def events_page(found: Iterable[StoredEvent], next_page_token: str) -> bytes:
    """A ListEventsResponse, encoded."""
    return events(found) + pb.ListEventsResponse(next_page_token=next_page_token).SerializeToString()


BATCH_BYTES = 8 << 20
"""Most bytes of a batch of reads: whoever asks for more splits the batch."""
PIECE_EVENTS, PIECE_BYTES = 256, 1 << 20
"""Most events, and bytes of events, in one message of a watch; a single event may be larger."""


def watch_messages(message: Message) -> Iterable[bytes]:
    """A message of a watch as encoded responses: events in pieces of a bearable size, anything else alone.

    WatchSessionResponse and WatchSessionsResponse have the same fields, so that one encoding serves both.
    """
    if not isinstance(message, list):
        return (_marker(message),)
    if len(message) == 1:
        return (message[0].wire or _encode(message[0]),)
    return _in_pieces(message)


def place_after(response: bytes) -> str:
    """The cursor after an encoded message of a watch of one session; empty after a deletion."""
    message = pb.WatchSessionResponse.FromString(response)
    if message.events:
        return str(message.events[-1].cursor.token)
    marker = message.WhichOneof("marker")
    return "" if marker in (None, "deleted") else str(getattr(message, marker).cursor.token)


def _in_pieces(found: list[StoredEvent]) -> Iterator[bytes]:
    piece: list[bytes] = []
    size = 0
    for event in found:
        wire = event.wire or _encode(event)
        if piece and (len(piece) == PIECE_EVENTS or size + len(wire) > PIECE_BYTES):
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(wire)
        size += len(wire)
    yield b"".join(piece)


def _marker(message: Session | Progress | DeletedSession | ArchivedSession | GoingAway) -> bytes:
    if isinstance(message, Session):
        response = pb.WatchSessionResponse()
        fill_session(response.snapshot, message)
    elif isinstance(message, DeletedSession):
        response = pb.WatchSessionResponse(
            deleted=pb.SessionDeleted(session_id=message.session_id, uid=message.uid, revision=message.revision)
        )
    elif isinstance(message, ArchivedSession):
        archived = pb.SessionArchived(session_id=message.session_id, revision=message.revision)
        response = pb.WatchSessionResponse(archived=archived)
    else:
        cursor = session_pb2.Cursor(token=message.cursor.encode())
        match message:
            case Progress():
                response = pb.WatchSessionResponse(progress=pb.Progress(cursor=cursor, revision=message.revision))
            case GoingAway():
                response = pb.WatchSessionResponse(going_away=pb.GoingAway(cursor=cursor))
    return response.SerializeToString()


def _encode(event: StoredEvent) -> bytes:
    """Encodes an event once for all its readers: what the store knows, then the body as the writer's edge encoded
    it."""
    head = event_pb2.Event(
        session_id=event.session_id,
        revision=event.revision,
        commit_time=timestamp(event.commit_us),
        cursor=session_pb2.Cursor(token=event.cursor.encode()),
    ).SerializeToString()
    event.wire = b"\x0a" + varint(len(head) + len(event.body)) + head + event.body
    return event.wire


def _add_steps(message: session_pb2.Session, found: Session) -> None:
    for name, step in found.steps.items():
        summary = message.steps[name]
        summary.run, summary.status = step.run, int(step.status)  # type: ignore[assignment]
        if step.duration_us is not None:
            summary.duration.CopyFrom(duration(step.duration_us))


def _add_timeouts(message: session_pb2.Session, found: Session) -> None:
    if found.idle_timeout_ms:
        message.idle_timeout.CopyFrom(duration(found.idle_timeout_ms * 1000))
    if found.max_lifetime_ms:
        message.max_lifetime.CopyFrom(duration(found.max_lifetime_ms * 1000))
    if found.expires_us is not None:
        message.expire_time.CopyFrom(timestamp(found.expires_us))
