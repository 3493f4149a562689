"""Calls about artifacts as messages."""

from __future__ import annotations

from collections.abc import Mapping

from sojourn.v1 import artifact_service_pb2 as pb

from .values import invalid


def header(
    session_id: str,
    name: str,
    *,
    content_type: str,
    phase: str,
    labels: Mapping[str, str],
    writer: str,
    idempotency_key: str,
    fencing_token: int | None,
) -> pb.ArtifactHeader:
    """What bytes are to become."""
    message = pb.ArtifactHeader(
        session_id=session_id,
        name=name,
        content_type=content_type,
        phase=phase,
        writer=writer,
        idempotency_key=idempotency_key,
    )
    for key, label in labels.items():
        if not isinstance(key, str) or not isinstance(label, str):
            raise invalid("labels", "text by text")
        message.labels[key] = label
    if fencing_token is not None:
        message.fencing_token = fencing_token
    return message


def whole(header: pb.ArtifactHeader, size: int, sha256: str) -> pb.ArtifactHeader:
    """The header, with what all bytes are."""
    message = pb.ArtifactHeader()
    message.CopyFrom(header)
    message.size_bytes, message.sha256 = size, sha256
    return message


def part(header: pb.ArtifactHeader, upload_id: str, offset: int, *, more: bool) -> pb.ArtifactHeader:
    """The header of a stream of an upload."""
    message = pb.ArtifactHeader()
    message.CopyFrom(header)
    message.upload_id, message.offset, message.more = upload_id, offset, more
    return message


def get_artifact(
    session_id: str, name: str, version: int | None, *, offset: int = 0, length: int | None = None
) -> pb.GetArtifactRequest:
    """Which bytes of an artifact."""
    request = pb.GetArtifactRequest(session_id=session_id, name=name, version=version or 0, offset=offset)
    if length is not None:
        request.length = length
    return request


def list_artifacts(
    session_id: str, *, name: str, phase: str, content_type: str, newest_only: bool, page_size: int, page_token: str
) -> pb.ListArtifactsRequest:
    """A page of artifacts."""
    return pb.ListArtifactsRequest(
        session_id=session_id,
        name=name,
        phase=phase,
        content_type=content_type,
        newest_only=newest_only,
        page_size=page_size,
        page_token=page_token,
    )
