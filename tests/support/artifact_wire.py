"""The ArtifactService's wire without the SDK."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from sojourn.v1 import artifact_service_pb2 as pb
from sojourn.v1.artifact_service_pb2_grpc import ArtifactServiceStub

from . import wire
from .request_wire import LOST_STATUS

PIECE = 1 << 20


@asynccontextmanager
async def connect(target: str) -> AsyncIterator[ArtifactServiceStub]:
    """A stub on a connection of its own."""
    async with wire.channel(target) as channel:
        yield ArtifactServiceStub(channel)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def messages(header: pb.ArtifactHeader, data: bytes, *, end: bool = True) -> list[pb.PutArtifactRequest]:
    """A whole stream."""
    stream = [pb.PutArtifactRequest(header=header)]
    stream += [pb.PutArtifactRequest(data=data[at : at + PIECE]) for at in range(0, len(data), PIECE)]
    return [*stream, pb.PutArtifactRequest(end=pb.PutArtifactRequest.End())] if end else stream


async def put(
    stub: ArtifactServiceStub, sid: str, name: str, data: bytes, *, end: bool = True, **header: Any
) -> pb.PutArtifactResponse:
    """Puts an artifact, with whatever else is in the header."""
    head = pb.ArtifactHeader(session_id=sid, name=name, **header)
    while True:
        try:
            response: pb.PutArtifactResponse = await stub.PutArtifact(iter(messages(head, data, end=end)))
        except grpc.aio.AioRpcError as error:
            # The server refused the stream while it was written to, and grpc.aio lost its answer.
            if error.details() != LOST_STATUS:
                raise
        else:
            return response


async def get(stub: ArtifactServiceStub, sid: str, name: str, **request: Any) -> tuple[pb.Artifact, bytes]:
    """What is known of an artifact, and the bytes asked for."""
    return unpacked(await read(stub, sid, name, **request))


async def read(stub: ArtifactServiceStub, sid: str, name: str, **request: Any) -> list[pb.GetArtifactResponse]:
    """All messages of a download."""
    call = stub.GetArtifact(pb.GetArtifactRequest(session_id=sid, name=name, **request))
    found = []
    while (message := await call.read()) is not grpc.aio.EOF:
        found.append(message)
    return found


def unpacked(found: Iterable[pb.GetArtifactResponse]) -> tuple[pb.Artifact, bytes]:
    first, *rest = found
    assert first.WhichOneof("kind") == "artifact"
    assert all(message.WhichOneof("kind") == "data" and len(message.data) <= PIECE for message in rest)
    return first.artifact, b"".join(message.data for message in rest)


async def listed(stub: ArtifactServiceStub, sid: str, **request: Any) -> list[tuple[str, int]]:
    """Names and versions."""
    page = await stub.ListArtifacts(pb.ListArtifactsRequest(session_id=sid, **request))
    return [(one.name, one.version) for one in page.artifacts]
