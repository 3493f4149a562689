"""The calls about artifacts: bytes up, bytes down, and what there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc

from sojourn.v1 import artifact_service_pb2 as pb

from .. import models
from ..errors import DeadlineExceededError, ProtocolError, ServerUnreachableError
from . import faults
from .values import to_datetime

if TYPE_CHECKING:
    from .calls import Calls

PUT_SECONDS = 900.0
"""How long the server may take from the last byte to its answer: it may have to read all it stored."""
_ACCEPTED = "sojourn-accepted"
_STATUS_LOST = "Internal error from Core"


class Sent(NamedTuple):
    """What became of a stream of bytes: an artifact, or so many bytes of an upload."""

    artifact: models.Artifact | None
    stored_bytes: int


class ArtifactCalls:
    """The methods about artifacts, on the channel of `Calls`. `timeout` of streams is for each step, not for all."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], calls: Calls) -> None:
        self._metadata = metadata
        self._calls = calls
        self._put: Any = channel.stream_unary(
            calls.path("PutArtifact"),
            request_serializer=pb.PutArtifactRequest.SerializeToString,
            response_deserializer=pb.PutArtifactResponse.FromString,
        )
        self._get: Any = channel.unary_stream(
            calls.path("GetArtifact"),
            request_serializer=pb.GetArtifactRequest.SerializeToString,
            response_deserializer=pb.GetArtifactResponse.FromString,
        )
        self._begin = calls.unary("BeginUpload", pb.BeginUploadRequest, pb.BeginUploadResponse)
        self._upload = calls.unary("GetUpload", pb.GetUploadRequest, pb.GetUploadResponse)
        self._list = calls.unary("ListArtifacts", pb.ListArtifactsRequest, pb.ListArtifactsResponse)

    async def put(self, header: pb.ArtifactHeader, pieces: AsyncIterator[bytes], timeout: float) -> Sent:
        """Send bytes, once the server wants them."""
        self._calls.raise_if_closed()
        call = self._put(metadata=self._metadata)
        clock = asyncio.get_running_loop().time
        with self._translated():
            try:
                async with asyncio.timeout(timeout) as patience:
                    await call.write(pb.PutArtifactRequest(header=header))
                    if _ACCEPTED in dict(await call.initial_metadata()):
                        async for piece in pieces:
                            await call.write(pb.PutArtifactRequest(data=piece))
                            patience.reschedule(clock() + timeout)
                        await call.done_writing()
                        patience.reschedule(clock() + PUT_SECONDS)
                    response = await call
            except asyncio.InvalidStateError:
                response = await call  # it is over: this says why
            finally:
                call.cancel()
        artifact = _artifact(response.artifact) if response.HasField("artifact") else None
        return Sent(artifact, response.stored_bytes)

    async def get(
        self, request: pb.GetArtifactRequest, timeout: float
    ) -> AsyncGenerator[models.Artifact | bytes, None]:
        """What is known of an artifact, then its bytes in pieces."""
        self._calls.raise_if_closed()
        call = self._get(request, metadata=self._metadata)
        try:
            with self._translated():
                async with asyncio.timeout(timeout):
                    message = await call.read()
            if message is grpc.aio.EOF or message.WhichOneof("kind") != "artifact":
                raise ProtocolError("the server sent bytes and did not say of what")
            yield _artifact(message.artifact)
            while True:
                with self._translated():
                    async with asyncio.timeout(timeout):
                        message = await call.read()
                if message is grpc.aio.EOF:
                    return
                yield message.data
        finally:
            call.cancel()

    async def begin_upload(self, session_id: str, timeout: float) -> str:
        """Open an upload; its id."""
        response = await self._calls.call(self._begin, pb.BeginUploadRequest(session_id=session_id), timeout)
        return str(response.upload_id)

    async def stored_bytes(self, session_id: str, upload_id: str, timeout: float) -> int:
        """How much of an upload is stored."""
        request = pb.GetUploadRequest(session_id=session_id, upload_id=upload_id)
        response = await self._calls.call(self._upload, request, timeout)
        return int(response.stored_bytes)

    async def list(self, request: pb.ListArtifactsRequest, timeout: float) -> tuple[list[models.Artifact], str]:
        """One page of artifacts, and the token of the next."""
        response = await self._calls.call(self._list, request, timeout)
        return [_artifact(item) for item in response.artifacts], response.next_page_token

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if error.details() == _STATUS_LOST:
                raise ServerUnreachableError("the stream ended when it was written to") from None
            raise faults.from_rpc(error) from None
        except TimeoutError:
            raise DeadlineExceededError("the server took too long for a part of the artifact") from None
        except asyncio.CancelledError:
            self._calls.raise_if_closed()
            raise


def _artifact(message: pb.Artifact) -> models.Artifact:
    return models.Artifact(
        session_id=message.session_id,
        name=message.name,
        version=message.version,
        content_type=message.content_type,
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        phase=message.phase,
        labels=dict(message.labels),
        uri=message.uri,
        revision=message.revision,
        create_time=to_datetime(message.create_time),
    )
