"""What became of sessions between the tiers, as responses."""

from __future__ import annotations

from sojourn.v1 import session_pb2
from sojourn.v1 import tiers_pb2 as pb

from ..domain.session import Session, Tier
from ..usecases.cleanup import CleanupProgress
from ..usecases.resuming import Resumed
from ..usecases.saving import Saved
from . import render


def tier(found: Tier) -> session_pb2.Tier:
    """A tier; the numbers are the same."""
    return int(found)  # type: ignore[return-value]


def saved(found: Saved) -> pb.SaveSessionResponse:
    """Where a session was saved."""
    storage = session_pb2.Storage(
        tier=tier(found.tier), snapshot_path=found.snapshot_path, archive_path=found.archive_path
    )
    return pb.SaveSessionResponse(storage=storage, revision=found.revision, size_bytes=found.size)


def resumed(found: Resumed) -> pb.ResumeSessionResponse:
    """A session that is ACTIVE again."""
    response = pb.ResumeSessionResponse(resumed=found.resumed, from_tier=tier(found.tier))
    render.fill_session(response.session, found.session)
    return response


def forked(found: Session) -> pb.ForkSessionResponse:
    """A fork."""
    response = pb.ForkSessionResponse()
    render.fill_session(response.session, found)
    return response


def cleaned(progress: CleanupProgress) -> bytes:
    """How far a cleanup is, encoded. A page of sessions is less than a message may hold."""
    response = pb.CleanupSessionsResponse(
        selected=progress.selected, cleaned=progress.cleaned, skipped=progress.skipped, done=progress.done
    )
    for session in progress.sessions:
        cleaned = response.sessions.add(session_id=session.id, tier=tier(session.tier))
        cleaned.status = int(session.status)  # type: ignore[assignment]
    return response.SerializeToString()
