"""Keeps what `sojourn top` shows up to date: events at once, lists about once a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

from sojourn.enums import SessionStatus
from sojourn.errors import DeadlineExceededError, ResumeError, SessionNotFoundError, UnavailableError

from ._overview import Overview

if TYPE_CHECKING:
    from sojourn import Client, SessionHandle
    from sojourn.watch import SessionsWatch

_REQUESTS = 2_000
"""Requests that a list holds at most."""
_SESSIONS = 25
"""Sessions that are read anew: their connections are not in the events."""
_READ_EVERY = 3
"""Sessions are read with every so many lists."""
_SHARE = 0.1
"""Share of the time that lists may take, so that a busy server is asked less often."""
_LONGEST_PAUSE = 15.0
_OVERDUE = 2.5
"""Seconds after which an answer that has not come is told."""
_AGAIN = 1.0
"""Seconds before a watch that cannot be resumed is begun anew."""


class Feed:
    """Keeps an overview of the sessions of a user and a project (None: of all), asking every `interval` seconds."""

    def __init__(self, client: Client, *, user: str | None, project: str | None, interval: float) -> None:
        self.overview = Overview()
        self._client = client
        self._user = user
        self._project = project
        self._interval = interval
        self._clock = asyncio.get_running_loop().time
        self._asking_since: float | None = None
        self._error = ""

    @property
    def trouble(self) -> str:
        """What keeps the overview from being of now; empty for nothing."""
        if self._asking_since is None:
            return ""
        silent = self._clock() - self._asking_since
        if not self._error and silent < _OVERDUE:
            return ""
        return f"no answer for {silent:.0f} s, reconnecting; {self._error}".rstrip("; ")

    async def read(self) -> None:
        """Reads everything once. Raises UnavailableError, DeadlineExceededError."""
        async with self._watch() as watch:
            self.overview.begin(watch.snapshots)
        await self._list()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the overview up to date while the block runs; it is complete before the block begins."""
        async with self._watch() as watch:
            self.overview.begin(watch.snapshots)
            await self._list()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._follow(watch)), group.create_task(self._ask())]
                yield
                for task in tasks:
                    task.cancel()

    def _watch(self) -> SessionsWatch:
        return self._client.watch_sessions(
            status=SessionStatus.ACTIVE, user_id=self._user, project=self._project, snapshot=True
        )

    async def _follow(self, watch: SessionsWatch) -> None:
        while True:
            try:
                async with watch:
                    self.overview.begin(watch.snapshots)
                    async for item in watch:
                        self.overview.see(item)
            except (ResumeError, UnavailableError, DeadlineExceededError):
                # What the watch was at is gone, or the server was away when a new one began.
                await asyncio.sleep(_AGAIN)
            watch = self._watch()

    async def _ask(self) -> None:
        pause, last, events = self._interval, self._clock(), self.overview.events
        for number in count(1):
            await asyncio.sleep(pause)
            begun, seen = self._clock(), self.overview.events
            self.overview.rate, last, events = (seen - events) / (begun - last), begun, seen
            self._asking_since = self._asking_since or begun
            try:
                await self._list()
                if number % _READ_EVERY == 0:
                    await self._look()
            except (UnavailableError, DeadlineExceededError) as error:
                self._error, pause = str(error), self._interval
            else:
                self._asking_since, self._error = None, ""
                took = self._clock() - begun
                pause = max(self._interval, min(took * (1 / _SHARE - 1), _LONGEST_PAUSE))

    async def _list(self) -> None:
        self.overview.list_begins()
        found = self._client.requests(user_id=self._user, project=self._project, limit=_REQUESTS)
        requests = [request async for request in found]
        pools = await self._client.pools()
        self.overview.list_ends(requests, pools, partial=len(requests) >= _REQUESTS)

    async def _look(self) -> None:
        names = [row.session_id for row in self.overview.busiest(_SESSIONS)]
        for handle in await asyncio.gather(*map(self._get, names)):
            if handle is not None:
                self.overview.look(handle.info)

    async def _get(self, session_id: str) -> SessionHandle | None:
        try:
            return await self._client.get_session(session_id)
        except SessionNotFoundError:
            return None  # the watch tells
