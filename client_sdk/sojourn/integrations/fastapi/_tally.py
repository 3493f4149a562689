"""Counting what becomes of an application's sessions, whoever does it: this back end, another, or the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from sojourn import Client
from sojourn.changes import Forked, SessionCreated, StatusChanged
from sojourn.enums import ChangeKind, SessionStatus
from sojourn.errors import SojournError
from sojourn.models import Event, Session, SessionArchived, SessionDeleted

_logger = logging.getLogger("sojourn.fastapi")

_KINDS = (ChangeKind.SESSION_CREATED, ChangeKind.FORKED, ChangeKind.STATUS_CHANGED)
_PAUSE = 1.0
"""Seconds before a watch that could not be resumed is begun anew."""


class Tally:
    """Sessions of a kind, and of a project if one is given, counted from `start` on by a watch of them."""

    def __init__(self, client: Client, *, kind: str, project: str | None, gone: Callable[[str], object]) -> None:
        self.created = 0
        """How many came to be."""
        self.expired = 0
        """How many ended because their time was over."""
        self.cleaned = 0
        """How many are gone: ended in whatever way, or deleted while they were active."""
        self.watching = False
        """Whether the watch stands; else what happens now is counted once it stands again, as far as it shows."""
        self._client = client
        self._kind = kind
        self._project = project
        self._tell = gone  # told the id of each session that is gone
        self._active: set[str] | None = None  # ids; None before the first snapshot
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; whatever happens after this is counted. Raises SojournError when the watch cannot be opened."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(ready))
        await ready

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, ready: asyncio.Future[None]) -> None:
        while True:
            try:
                async with self._client.watch_sessions(
                    kind=self._kind, project=self._project, kinds=_KINDS, snapshot=True
                ) as watch:
                    self._compare(watch.snapshots)
                    self.watching = True
                    if not ready.done():
                        ready.set_result(None)
                    async for item in watch:
                        self._count(item)
            except SojournError as error:
                if not ready.done():
                    return ready.set_exception(error)
                _logger.warning("the sessions' watch broke and begins anew: %s", error)
            finally:
                self.watching = False
            await asyncio.sleep(_PAUSE)

    def _compare(self, sessions: Iterable[Session]) -> None:
        """What the snapshot says: where counting begins, or what was missed while there was no watch."""
        active = {session.id for session in sessions if session.is_active}
        if self._active is not None:
            self.created += len(active - self._active)
            self.cleaned += len(self._active - active)
        self._active = active

    def _count(self, item: Event | SessionDeleted | SessionArchived) -> None:
        assert self._active is not None
        if isinstance(item, SessionDeleted):
            self._gone(item.session_id)
        for change in item.changes:
            match change:
                case SessionCreated() | Forked():
                    self.created += item.session_id not in self._active
                    self._active.add(item.session_id)
                case StatusChanged(status=SessionStatus.ACTIVE):
                    self._active.add(item.session_id)
                case StatusChanged(status=status):
                    self._gone(item.session_id)
                    # The service can be set to end those whose time is over as abandoned; then nobody signs it.
                    by_itself = isinstance(item, Event) and not item.writer
                    expired = status is SessionStatus.EXPIRED or (status is SessionStatus.ABANDONED and by_itself)
                    self.expired += expired

    def _gone(self, session_id: str) -> None:
        assert self._active is not None
        self._tell(session_id)
        if session_id in self._active:
            self._active.remove(session_id)
            self.cleaned += 1
