"""Positions in the logs of sessions that are not in the active store: the errors are those of `ActiveStore.events`."""

from __future__ import annotations

from ..domain.cursor import SessionCursor
from ..domain.errors import PositionError
from ..domain.session import Session

Position = int | SessionCursor


def revision_at(position: Position) -> int:
    """The revision of a position."""
    return position.revision if isinstance(position, SessionCursor) else position


def head_of(session: Session) -> SessionCursor:
    """The position of a session's last event."""
    return SessionCursor(session.uid, session.incarnation, session.revision, session.updated_us)


def rolled_back(session_id: str, revision: int) -> PositionError:
    """History that a reader or a writer had seen is lost; the session is at `revision` now."""
    return PositionError(
        f"the store lost history of session {session_id!r} that was read before",
        reason="HISTORY_ROLLED_BACK", session_id=session_id, revision=str(revision),
    )  # fmt: skip


def check_position(session: Session, position: Position) -> None:
    """Raises PositionError (SESSION_REPLACED, HISTORY_ROLLED_BACK, CURSOR_IN_FUTURE) unless a position may be one of
    the session's log; whether its event is the one that was read, only the event tells."""
    sid = session.id
    cursor = position if isinstance(position, SessionCursor) else None
    if cursor and cursor.uid != session.uid:
        raise PositionError(
            f"the cursor is of another session than the present {sid!r}", reason="SESSION_REPLACED", session_id=sid
        )
    if cursor and cursor.incarnation != session.incarnation:
        raise rolled_back(sid, session.revision)
    if revision_at(position) <= session.revision:
        return
    if cursor and cursor.commit_us:
        raise rolled_back(sid, session.revision)
    raise PositionError(
        f"session {sid!r} is at revision {session.revision}; {revision_at(position)} is in the future",
        reason="CURSOR_IN_FUTURE", session_id=sid, after_revision=str(revision_at(position)),
        revision=str(session.revision),
    )  # fmt: skip
