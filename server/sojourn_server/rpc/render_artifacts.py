"""Artifacts as messages."""

from __future__ import annotations

from collections.abc import Iterable

from sojourn.v1 import artifact_service_pb2 as pb
from sojourn.v1 import event_pb2

from ..domain.artifacts import Artifact
from ..usecases.artifacts import Stored


def attached(artifact: Artifact, writer: str) -> bytes:
    """The body of the event that attaches an artifact. Deterministic, because retries are known by it."""
    change = event_pb2.ArtifactAttached(
        name=artifact.name, version=artifact.version, content_type=artifact.content_type,
        size_bytes=artifact.size_bytes, sha256=artifact.sha256, phase=artifact.phase, labels=artifact.labels,
    )  # fmt: skip
    event = event_pb2.Event(writer=writer, changes=[event_pb2.Change(artifact_attached=change)])
    return event.SerializeToString(deterministic=True)


def stored(result: Stored) -> pb.PutArtifactResponse:
    """What became of a stream."""
    artifact = message(result.artifact) if result.artifact else None
    return pb.PutArtifactResponse(artifact=artifact, deduplicated=result.deduplicated, stored_bytes=result.bytes)


def first(artifact: Artifact) -> bytes:
    """The first message of a download."""
    return pb.GetArtifactResponse(artifact=message(artifact)).SerializeToString()


def data(piece: bytes) -> bytes:
    """A further message of a download."""
    return pb.GetArtifactResponse(data=piece).SerializeToString()


def page(artifacts: Iterable[Artifact], token: str) -> pb.ListArtifactsResponse:
    """A page of a list."""
    return pb.ListArtifactsResponse(artifacts=map(message, artifacts), next_page_token=token)


def message(artifact: Artifact) -> pb.Artifact:
    """What is known of an artifact."""
    found = pb.Artifact(
        session_id=artifact.session_id, name=artifact.name, version=artifact.version,
        content_type=artifact.content_type, size_bytes=artifact.size_bytes, sha256=artifact.sha256,
        phase=artifact.phase, labels=artifact.labels, uri=artifact.uri, revision=artifact.revision,
    )  # fmt: skip
    found.create_time.FromMicroseconds(artifact.created_us)
    return found
