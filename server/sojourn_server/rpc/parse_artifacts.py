"""Calls of the ArtifactService as the domain's inputs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sojourn.v1 import artifact_service_pb2 as pb

from ..domain.artifacts import Artifact, is_sha256
from ..domain.errors import InvalidFieldError, TooLargeError
from ..domain.limits import Limits, check_label, check_name
from ..domain.session import SessionKey
from ..ports.artifacts import ArtifactFilter, ArtifactPlace
from ..usecases.artifacts import NewArtifact
from .chain import Malformed
from .pages import decode_event_place, digest
from .parse import idempotency_key, session_key

MOST_LABELS = 64


def header(message: Any) -> pb.ArtifactHeader:
    """The first message of PutArtifact."""
    if isinstance(message, Malformed):
        raise InvalidFieldError("request", "well-formed messages")
    if not isinstance(message, pb.PutArtifactRequest) or not message.HasField("header"):
        raise InvalidFieldError("header", "a header, before anything else")
    return message.header


def new_artifact(tenant: str, message: pb.ArtifactHeader, limits: Limits) -> NewArtifact:
    """What the bytes are to become."""
    size = message.size_bytes if message.HasField("size_bytes") else None
    token = message.fencing_token if message.HasField("fencing_token") else None
    if size is not None and size < 0:
        raise InvalidFieldError("header.size_bytes", "zero or more")
    if message.sha256 and not is_sha256(message.sha256):
        raise InvalidFieldError("header.sha256", "64 lower-case hexadecimal digits")
    if message.offset < 0 or (message.offset and not message.upload_id):
        raise InvalidFieldError("header.offset", "the stored bytes of an upload")
    if message.more and not message.upload_id:
        raise InvalidFieldError("header.more", "false without an upload")
    if token is not None and token < 1:
        raise InvalidFieldError("header.fencing_token", "1 or more")
    return NewArtifact(
        session_key(tenant, message.session_id),
        check_name(message.name, "header.name", limits.key_bytes),
        check_label(message.content_type, "header.content_type", limits.label_bytes),
        check_label(message.phase, "header.phase", limits.label_bytes),
        _labels(message, limits),
        size,
        message.sha256,
        check_label(message.upload_id, "header.upload_id", limits.key_bytes),
        message.offset,
        message.more,
        check_label(message.writer, "header.writer", limits.writer_bytes),
        idempotency_key(message.idempotency_key),
        token,
    )


def _labels(message: pb.ArtifactHeader, limits: Limits) -> dict[str, str]:
    if len(message.labels) > MOST_LABELS:
        raise TooLargeError("header.labels", actual=len(message.labels), limit=MOST_LABELS, unit="labels")
    for key, label in message.labels.items():
        check_name(key, "header.labels key", limits.key_bytes)
        check_label(label, f'header.labels["{key}"]', limits.label_bytes)
    return dict(message.labels)


async def pieces(read: Callable[[], Awaitable[Any | None]], new: NewArtifact) -> AsyncIterator[bytes]:
    """The data after the header. Raises InvalidFieldError when a stream that must say when it ends does not."""
    ended = new.size is not None or bool(new.sha256) or new.more
    while (message := await read()) is not None:
        if isinstance(message, Malformed) or message.WhichOneof("kind") not in ("data", "end"):
            raise InvalidFieldError("kind", "data, or the end, after the header")
        if message.HasField("end"):
            ended = True
        elif message.data:
            yield message.data
    if not ended:
        raise InvalidFieldError("end", "a last message with `end`, where neither size nor SHA-256 is announced")


def upload_id(text: str, limits: Limits) -> str:
    """The id of an upload; whether there is such a one is seen later."""
    return check_name(text, "upload_id", limits.key_bytes)


def artifact(tenant: str, request: pb.GetArtifactRequest, limits: Limits) -> tuple[SessionKey, str, int]:
    """Which artifact: its session, name and version."""
    for name in ("version", "offset", "length"):
        if getattr(request, name) < 0:
            raise InvalidFieldError(name, "zero or more")
    key = session_key(tenant, request.session_id)
    return key, check_name(request.name, "name", limits.key_bytes), request.version


def span(request: pb.GetArtifactRequest, found: Artifact) -> tuple[int, int]:
    """Which of its bytes: the first, and the one after the last."""
    if request.offset > found.size_bytes:
        raise InvalidFieldError("offset", f"0 to {found.size_bytes}, the size of the artifact")
    end = request.offset + request.length if request.HasField("length") else found.size_bytes
    return request.offset, min(end, found.size_bytes)


def artifact_filter(request: pb.ListArtifactsRequest, limits: Limits) -> ArtifactFilter:
    """Which artifacts are listed."""
    return ArtifactFilter(
        check_label(request.name, "name", limits.key_bytes),
        check_label(request.phase, "phase", limits.label_bytes),
        check_label(request.content_type, "content_type", limits.label_bytes),
        request.newest_only,
    )


def artifact_place(tenant: str, request: pb.ListArtifactsRequest) -> tuple[ArtifactPlace | None, bytes]:
    """Where a list goes on, and the digest its next token is bound to."""
    bare = pb.ListArtifactsRequest()
    bare.CopyFrom(request)
    bare.page_token, bare.page_size = "", 0
    bound = digest(tenant, bare)
    return (decode_event_place(request.page_token, bound) if request.page_token else None), bound
