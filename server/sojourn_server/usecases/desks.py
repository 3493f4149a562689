"""The desks of a worker, and the one ticker that looks after all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from math import ceil

from ..domain.requests import RequestState
from ..domain.session import SessionKey
from ..ports import Hub, RequestStore
from .admission import Admission
from .background import Background
from .desk import Desk
from .tracked import Tracked

TICK_SECONDS = 1.0
"""How often what no event tells is looked at, and slots of wider scopes are asked for again."""
IDLE_TICKS = 3
"""Ticks that a desk outlives its last stream: sequential requests of a session share it."""
DRIVES_A_TICK = 500
"""Most waiting requests that ask again in one tick; with more of them each asks less often."""


class Desks:
    """One desk for each session that has tracked streams here, or had them a moment ago."""

    def __init__(self, hub: Hub, requests: RequestStore, admission: Admission, background: Background) -> None:
        self._hub = hub
        self._requests = requests
        self._admission = admission
        self._background = background
        self._desks: dict[SessionKey, Desk] = {}
        self._ticks = 0
        self._ticker: asyncio.Task[None] | None = None

    def at(self, key: SessionKey) -> Desk:
        """The session's desk."""
        desk = self._desks.get(key)
        if desk is None or desk.closed:
            desk = self._desks[key] = Desk(key, self._hub, self._requests, self._admission, self._background)
            if self._ticker is None:
                self._ticker = asyncio.create_task(self._run(), name="desks")
        return desk

    def streams(self) -> Iterator[tuple[Desk, Tracked]]:
        """All streams with their desks."""
        for desk in list(self._desks.values()):
            for tracked in list(desk.streams.values()):
                yield desk, tracked

    async def close(self) -> None:
        """Lets go of all sessions."""
        for desk in self._desks.values():
            desk.close()
        self._desks.clear()
        if self._ticker:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            for desk in list(self._desks.values()):
                desk.tick(now)
                desk.idle = 0 if desk.users else desk.idle + 1
                if desk.idle > IDLE_TICKS or (desk.closed and not desk.users):
                    desk.close()
                    if self._desks.get(desk.key) is desk:
                        del self._desks[desk.key]
            self._drive_waiting()

    def _drive_waiting(self) -> None:
        """Asks again for the slots of wider scopes: whoever gave one to us may have died before it said so."""
        waiting = [
            (desk, tracked)
            for desk, tracked in self.streams()
            if tracked.request.state is RequestState.RESERVING and tracked.live and not tracked.driving
        ]
        self._ticks += 1
        turns = ceil(len(waiting) / DRIVES_A_TICK)
        for desk, tracked in waiting[self._ticks % turns :: turns] if turns else ():
            self._background.spawn(desk.drive(tracked), "drive")
