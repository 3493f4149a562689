"""QASessionManager: the sessions of QA tests, of all clients."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._transport.values import invalid
from ..changes import LogAppended
from ..client import Client
from ..config import TLS, Seconds
from ..enums import ChangeKind, CleanupAction, SessionStatus
from ..errors import SessionNotFoundError
from .connections import Connected, Place
from .ids import SESSION_KIND
from .models import QASessionObject, QASessionSummary, SessionCount
from .record import TEST_NAME, SessionRecord
from .settings import QASettings

_logger = logging.getLogger("QASessionManager")


class QASessionManager(Connected):
    """Finds, reads, saves and cleans up the sessions of QA tests.

    Nothing needs closing; as an `async with` block it keeps its connection for several calls.

    Args:
        memory_dir: data directory of the embedded server, where that is used. None: QA_MEMORY_DIR, else `memory`.
        results_base_dir: where runs have their directories. None: QA_RESULTS_DIR, else `results`.
        target, api_key, tls, client: as for `QAClient`.
    """

    def __init__(
        self,
        memory_dir: str | os.PathLike[str] | None = None,
        results_base_dir: str | os.PathLike[str] | None = None,
        *,
        target: str | None = None,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        client: Client | None = None,
    ) -> None:
        settings = QASettings.from_environment()
        self.max_active_sessions = settings.max_active_sessions
        self.memory_dir = Path(memory_dir or settings.memory_dir).absolute()
        self.results_base_dir = Path(results_base_dir or settings.results_dir)
        self.memory = SessionMemory(self)
        """What is kept, as plain JSON."""
        super().__init__(Place(target, self.memory_dir, api_key, tls), client)

    async def create_session(self, test_name: str, *, user_id: str | None = None, project: str | None = None) -> str:
        """Make a session for a test; its id, for `QAClient(session_uuid=...)`."""
        async with self._connected() as client:
            session = await client.create_session(
                kind=SESSION_KIND, user_id=user_id, project=project, purpose=test_name, metadata={TEST_NAME: test_name}
            )
        _logger.debug("created %s for %s", session.id, test_name)
        return session.id

    async def list_active_sessions(
        self, limit: int | None = None, *, user_id: str | None = None, project: str | None = None
    ) -> list[QASessionSummary]:
        """The sessions that have not ended, newest first."""
        return await self.list_all_sessions(limit, user_id=user_id, project=project, status=SessionStatus.ACTIVE)

    async def list_all_sessions(
        self,
        limit: int | None = None,
        *,
        user_id: str | None = None,
        project: str | None = None,
        status: SessionStatus | str | None = None,
        test_name: str | None = None,
    ) -> list[QASessionSummary]:
        """The sessions that match every condition given, newest first, at most `limit` of them."""
        async with self._connected() as client:
            listed = client.list_sessions(
                kind=SESSION_KIND,
                limit=limit,
                user_id=user_id,
                project=project,
                status=status,
                metadata={TEST_NAME: test_name} if test_name is not None else None,
            )
            found = [QASessionSummary.of(info) async for info in listed]
        _logger.debug("listed %d sessions", len(found))
        return found

    async def get_session(self, session_uuid: str) -> QASessionObject | None:
        """The session with all that its test left; None when there is none."""
        async with self._connected() as client:
            try:
                session = await client.get_session(session_uuid)
                record = await SessionRecord.read(session)
            except SessionNotFoundError:
                _logger.debug("there is no session %s", session_uuid)
                return None
            return QASessionObject.of(session.info, record)

    async def save_session(self, session_uuid: str) -> bool:
        """Write a snapshot of the session to the blob store now, and verify it; False when there is no such session.

        Every session is kept without it, from its first write on.
        """
        async with self._connected() as client:
            try:
                storage = await client.session(session_uuid).save()
            except SessionNotFoundError:
                return False
        _logger.debug("saved %s: %s", session_uuid, storage.snapshot_path)
        return True

    async def cleanup_old_sessions(
        self,
        max_active_sessions: int | None = None,
        *,
        older_than: Seconds | None = None,
        user_id: str | None = None,
        project: str | None = None,
    ) -> int:
        """End active sessions, all but those written to last; how many.

        They end as abandoned, are kept, and can be resumed. One that is being run is never touched.

        Args:
            max_active_sessions: how many to leave. None: QA_MAX_ACTIVE_SESSIONS, else 10.
            older_than: only sessions whose last write is at least so long ago.
            user_id, project: only those of this user, of this project.
        """
        keep = self.max_active_sessions if max_active_sessions is None else max_active_sessions
        cleaned = 0
        async with self._connected() as client:
            async for progress in client.cleanup(
                kind=SESSION_KIND,
                user_id=user_id,
                project=project,
                status=SessionStatus.ACTIVE,
                keep_newest=keep,
                older_than=older_than,
                action=CleanupAction.ABANDON,
            ):
                cleaned = progress.cleaned
        _logger.debug("ended %d sessions, kept %d", cleaned, keep)
        return cleaned

    async def get_session_count(self, *, user_id: str | None = None, project: str | None = None) -> SessionCount:
        """How many sessions there are, and how many of them have not ended."""
        async with self._connected() as client:
            active, total = await asyncio.gather(
                client.count_sessions(kind=SESSION_KIND, user_id=user_id, project=project, status=SessionStatus.ACTIVE),
                client.count_sessions(kind=SESSION_KIND, user_id=user_id, project=project),
            )
        return SessionCount(active_sessions=active, total_sessions=total)

    async def get_session_logs(self, session_uuid: str, lines: int = 100) -> str:
        """The newest lines of a session's log, the oldest first. Raises SessionNotFoundError."""
        if lines < 0:
            raise invalid("lines", "0 or more")
        found: list[str] = []
        async with self._connected() as client:
            events = client.session(session_uuid).events(kinds=ChangeKind.LOG_APPENDED, reverse=True)
            async for event in events:
                for change in reversed(event.changes):
                    if isinstance(change, LogAppended):
                        found.append(f"{event.commit_time:%Y-%m-%d %H:%M:%S} {change.level.upper():7} {change.text}")
                if len(found) >= lines:
                    break
        return "\n".join(reversed(found[:lines]))


class SessionMemory:
    """What is kept of sessions, as plain JSON."""

    def __init__(self, manager: QASessionManager) -> None:
        self._manager = manager

    async def load_session(self, session_uuid: str) -> Mapping[str, Any] | None:
        """The fields of a QASessionObject; None when there is no such session."""
        session = await self._manager.get_session(session_uuid)
        return None if session is None else session.model_dump(mode="json")


async def get_session_logs(
    session_id: str,
    lines: int = 100,
    *,
    target: str | None = None,
    api_key: str | None = None,
    tls: TLS | bool | None = None,
    client: Client | None = None,
    memory_dir: str | os.PathLike[str] | None = None,
) -> str:
    """The newest lines of a session's log, the oldest first; the rest is as for `QAClient`.

    Raises SessionNotFoundError.
    """
    manager = QASessionManager(memory_dir, target=target, api_key=api_key, tls=tls, client=client)
    return await manager.get_session_logs(session_id, lines)
