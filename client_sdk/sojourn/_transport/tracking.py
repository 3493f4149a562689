"""The calls about tracked requests and pools: one bidirectional stream for each request, and unary calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from sojourn.v1 import admin_service_pb2 as admin
from sojourn.v1 import session_service_pb2 as pb

from .. import models
from ..errors import ServerUnreachableError
from . import faults, parse_requests
from .parse_requests import TrackMessage

if TYPE_CHECKING:
    from .calls import Calls


_STATUS_LOST = "Internal error from Core"
"""What gRPC says instead of the status, and of messages not read yet, when a stream had ended before a write to it."""


class TrackStream:
    """An open stream of a tracked request. One task may send and one may read at a time."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Any, Any], calls: Calls) -> None:
        self._call = call
        self._calls = calls
        self._cancelled = False

    async def send(self, message: pb.TrackRequestRequest) -> bool:
        """Send a message; False when the stream has ended: reading tells why."""
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        except asyncio.CancelledError:
            if not self._ended_here():
                raise
            return False
        return True

    async def read(self) -> TrackMessage | None:
        """The next message; None when either side ended the stream in good order. Raises SojournError."""
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            if error.details() == _STATUS_LOST:
                raise ServerUnreachableError("the stream ended when it was written to") from None
            raise faults.from_rpc(error) from None
        except asyncio.CancelledError:
            self._calls.raise_if_closed()
            if not self._ended_here():
                raise
            return None
        return None if message is grpc.aio.EOF else parse_requests.track_message(message)

    def cancel(self) -> None:
        """End the stream now: a read under way returns None. Safe to repeat."""
        self._cancelled = True
        self._call.cancel()

    def _ended_here(self) -> bool:
        """Whether a CancelledError means that the call was cancelled, and not the task that uses it."""
        task = asyncio.current_task()
        return (self._cancelled or self._calls.closed) and (task is None or not task.cancelling())


class TrackingCalls:
    """The methods about tracked requests and pools, on the channel of `Calls`."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], calls: Calls) -> None:
        self._metadata = metadata
        self._calls = calls
        self._track: Any = channel.stream_stream(
            calls.path("TrackRequest"),
            request_serializer=pb.TrackRequestRequest.SerializeToString,
            response_deserializer=pb.TrackRequestResponse.FromString,
        )
        self._finish = calls.unary("FinishRequest", pb.FinishRequestRequest, pb.FinishRequestResponse)
        self._cancel = calls.unary("CancelRequest", pb.CancelRequestRequest, pb.CancelRequestResponse)
        self._list = calls.unary("ListRequests", pb.ListRequestsRequest, pb.ListRequestsResponse)
        self._set_pool = calls.unary("SetPool", admin.SetPoolRequest, admin.SetPoolResponse)
        self._list_pools = calls.unary("ListPools", admin.ListPoolsRequest, admin.ListPoolsResponse)

    def track(self) -> TrackStream:
        """Open a stream; its first message must be the beginning. Raises ClientClosedError."""
        self._calls.raise_if_closed()
        return TrackStream(self._track(metadata=self._metadata), self._calls)

    async def finish_request(self, request: pb.FinishRequestRequest, timeout: float) -> None:
        """End a request."""
        await self._calls.call(self._finish, request, timeout)

    async def cancel_request(self, request: pb.CancelRequestRequest, timeout: float) -> bool:
        """Ask a request to stop; whether it has ended."""
        response = await self._calls.call(self._cancel, request, timeout)
        return bool(response.ended)

    async def list_requests(self, request: pb.ListRequestsRequest, timeout: float) -> tuple[list[models.Request], str]:
        """One page of live requests, and the token of the next."""
        response = await self._calls.call(self._list, request, timeout)
        return [parse_requests.request(item) for item in response.requests], response.next_page_token

    async def set_pool(self, request: admin.SetPoolRequest, timeout: float) -> models.Pool:
        """Make, resize or remove a pool; the pool as it is now."""
        response = await self._calls.call(self._set_pool, request, timeout)
        return parse_requests.pool(response.pool)

    async def list_pools(self, timeout: float) -> list[models.Pool]:
        """The pools by name."""
        response = await self._calls.call(self._list_pools, admin.ListPoolsRequest(), timeout)
        return [parse_requests.pool(item) for item in response.pools]
