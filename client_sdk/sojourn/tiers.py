"""What moving sessions between the tiers, and cleaning up, tells: frozen pydantic models."""

from __future__ import annotations

from .changes import Model
from .enums import SessionStatus, Tier

__all__ = ["CleanedSession", "CleanupProgress"]


class CleanedSession(Model):
    """A session that a cleanup dealt with, as it was before."""

    id: str
    status: SessionStatus
    tier: Tier


class CleanupProgress(Model):
    """How far a cleanup is."""

    selected: int = 0
    """Sessions that were selected so far."""
    cleaned: int = 0
    """Of these, sessions for which the action was done; with `dry_run`, would be."""
    skipped: int = 0
    """Of these, sessions left alone: with a live request, written to meanwhile, or of a status that the action is not
    for."""
    sessions: tuple[CleanedSession, ...] = ()
    """Those that the action was done for since the last of these."""
    done: bool = False
    """Whether this is the last."""
