"""The calls of the service: each sends one request once, with a deadline, and raises errors of this package.

Retrying is up to the caller of this module (`retrying.py`, `_batching.py`, `_watching.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from sojourn.v1 import admin_service_pb2, artifact_service_pb2, session_pb2
from sojourn.v1 import session_service_pb2 as pb

from .. import models
from ..errors import ClientClosedError, ProtocolError, SojournError
from . import faults, parse
from .artifacts import ArtifactCalls
from .diagnosis import DiagnosisCalls
from .finding import FindingCalls
from .insight import InsightCalls
from .templates import TemplateCalls
from .tiers import TierCalls
from .tracking import TrackingCalls
from .transfer import TransferCalls

R = TypeVar("R")
_SERVICES = (
    pb.DESCRIPTOR.services_by_name["SessionService"],
    admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
    artifact_service_pb2.DESCRIPTOR.services_by_name["ArtifactService"],
)


class Written:
    """A committed write. Only the revision is read at once: most callers want nothing else."""

    __slots__ = ("_message", "revision")

    def __init__(self, message: pb.WriteSessionResponse) -> None:
        self._message = message
        self.revision: int = message.revision

    @property
    def cursor(self) -> str:
        """Position of the write."""
        return self._message.cursor.token

    def result(self) -> models.WriteResult:
        """All of it."""
        return parse.write_result(self._message)


@dataclass(slots=True)
class WatchMessage:
    """One message of a watch: events, or one of the rest."""

    events: list[models.Event]
    snapshot: models.Session | None = None
    progress: str | None = None
    """Cursor of a progress marker."""
    revision: int = 0
    """Revision of a progress marker; 0 for watches of many sessions."""
    deleted: models.SessionDeleted | None = None
    archived: models.SessionArchived | None = None
    going_away: str | None = None
    """Cursor to resume with on another worker."""


class WatchStream:
    """An open watch."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[Any, Any], calls: Calls) -> None:
        self._call = call
        self._calls = calls

    async def read(self) -> WatchMessage | None:
        """The next message; None when the server ended the stream in good order. Raises SojournError."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise faults.from_rpc(error) from None
        except asyncio.CancelledError:
            self._calls.raise_if_closed()
            raise
        if message is grpc.aio.EOF:
            return None
        return _watch_message(message)

    def cancel(self) -> None:
        """End the stream now. Safe to repeat."""
        self._call.cancel()


class Calls:
    """The service's methods on one channel."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._channel = channel
        self._metadata = metadata
        self._closed = False
        # The batches are handled as bytes: see `render_changes`.
        self._write_batch: Any = channel.unary_unary(
            self.path("BatchWriteSessions"), response_deserializer=pb.BatchWriteSessionsResponse.FromString
        )
        self._get_batch: Any = channel.unary_unary(
            self.path("BatchGetSessions"), response_deserializer=pb.BatchGetSessionsResponse.FromString
        )
        self._create = self.unary("CreateSession", pb.CreateSessionRequest, pb.CreateSessionResponse)
        self._complete = self.unary("CompleteSession", pb.CompleteSessionRequest, pb.CompleteSessionResponse)
        self._delete = self.unary("DeleteSession", pb.DeleteSessionRequest, pb.DeleteSessionResponse)
        self._list_events = self.unary("ListEvents", pb.ListEventsRequest, pb.ListEventsResponse)
        self._watch_session = channel.unary_stream(
            self.path("WatchSession"),
            request_serializer=pb.WatchSessionRequest.SerializeToString,
            response_deserializer=pb.WatchSessionResponse.FromString,
        )
        self._watch_sessions = channel.unary_stream(
            self.path("WatchSessions"),
            request_serializer=pb.WatchSessionsRequest.SerializeToString,
            response_deserializer=pb.WatchSessionsResponse.FromString,
        )
        self.finding = FindingCalls(self)
        self.insight = InsightCalls(self)
        self.diagnosis = DiagnosisCalls(self)
        self.templates = TemplateCalls(self)
        self.tiers = TierCalls(channel, metadata, self)
        self.tracking = TrackingCalls(channel, metadata, self)
        self.transfer = TransferCalls(channel, metadata, self)
        self.artifacts = ArtifactCalls(channel, metadata, self)

    async def create_session(self, request: pb.CreateSessionRequest, timeout: float) -> models.Session:
        """Create a session; the session, new or found."""
        response = await self.call(self._create, request, timeout)
        return parse.session(response.session)

    async def complete_session(self, request: pb.CompleteSessionRequest, timeout: float) -> Written:
        """End a session."""
        response = await self.call(self._complete, request, timeout)
        return Written(response.write)

    async def delete_session(self, request: pb.DeleteSessionRequest, timeout: float) -> int:
        """Delete a session; its last revision."""
        response = await self.call(self._delete, request, timeout)
        return int(response.revision)

    async def list_events(self, request: pb.ListEventsRequest, timeout: float) -> tuple[list[models.Event], str]:
        """One page of events, and the token of the next."""
        response = await self.call(self._list_events, request, timeout)
        return [parse.event(item) for item in response.events], response.next_page_token

    async def write_batch(self, writes: Sequence[bytes], timeout: float) -> list[Written | SojournError]:
        """Send encoded writes as one batch; an outcome for each, in their order."""
        response = await self.call(self._write_batch, b"".join(writes), timeout)
        outcomes: list[Written | SojournError] = [
            faults.from_item(item.status) if item.HasField("status") else Written(item.result)
            for item in response.items
        ]
        return _checked(outcomes, len(writes))

    async def get_batch(self, reads: Sequence[bytes], timeout: float) -> list[models.Session | SojournError]:
        """Send encoded reads as one batch; an outcome for each, in their order."""
        response = await self.call(self._get_batch, b"".join(reads), timeout)
        outcomes: list[models.Session | SojournError] = [
            faults.from_item(item.status) if item.HasField("status") else parse.session(item.session)
            for item in response.items
        ]
        return _checked(outcomes, len(reads))

    def watch_session(self, request: pb.WatchSessionRequest) -> WatchStream:
        """Open a watch of one session."""
        return WatchStream(self._watch_session(request, metadata=self._metadata), self)

    def watch_sessions(self, request: pb.WatchSessionsRequest) -> WatchStream:
        """Open a watch of many sessions."""
        return WatchStream(self._watch_sessions(request, metadata=self._metadata), self)

    def unary(self, method: str, request: type[Message], response: type[Message]) -> Any:
        """A unary method of the service."""
        return self._channel.unary_unary(
            self.path(method), request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )

    @staticmethod
    def path(method: str) -> str:
        """Where a method is found."""
        service = next(service for service in _SERVICES if method in service.methods_by_name)
        return f"/{service.full_name}/{method}"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def close(self) -> None:
        """Close the channel; calls and watches under way raise ClientClosedError."""
        self._closed = True
        await self._channel.close()

    def raise_if_closed(self) -> None:
        """Raise ClientClosedError when a call was ended by `close`, and not by its task's cancellation."""
        task = asyncio.current_task()
        if self._closed and (task is None or not task.cancelling()):
            raise ClientClosedError("the client was closed while the call was under way") from None

    async def call(self, method: Any, request: Any, timeout: float) -> Any:
        """Make a unary call. Raises SojournError."""
        try:
            return await method(request, timeout=timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise faults.from_rpc(error) from None
        except asyncio.CancelledError:
            self.raise_if_closed()
            raise


def encode_read(session_id: str) -> bytes:
    """The read of one whole session, as it goes into any batch."""
    return pb.BatchGetSessionsRequest(session_ids=[session_id], view=session_pb2.SESSION_VIEW_FULL).SerializeToString()


def _checked(outcomes: list[R], expected: int) -> list[R]:
    if len(outcomes) != expected:
        raise ProtocolError(f"the server answered {len(outcomes)} of {expected} items of a batch")
    return outcomes


def _watch_message(message: Any) -> WatchMessage:
    result = WatchMessage([parse.event(item) for item in message.events])
    marker = message.WhichOneof("marker")
    if marker == "progress":
        result.progress, result.revision = message.progress.cursor.token, message.progress.revision
    elif marker == "snapshot":
        result.snapshot = parse.session(message.snapshot)
    elif marker == "deleted":
        result.deleted = parse.deleted(message.deleted)
    elif marker == "archived":
        result.archived = parse.archived(message.archived)
    elif marker == "going_away":
        result.going_away = message.going_away.cursor.token
    return result
