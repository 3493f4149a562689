"""Progress of tracked requests: the latest wins, and the log is told as often as the store allows."""

from __future__ import annotations

import asyncio

import structlog

from ..domain.errors import SojournError
from ..ports import RequestStore
from .admission import AWAY
from .background import Background
from .tracked import Tracked

log = structlog.get_logger()

AGAIN_SECONDS = 0.5
"""After how long progress that the store did not take is told again."""


class Notes:
    """Passes progress on. However chatty a client is, its request has one note on its way, and one that waits.

    Args:
        interval_ms: least time between two events of a request's progress.
    """

    def __init__(self, requests: RequestStore, background: Background, interval_ms: int) -> None:
        self._requests = requests
        self._background = background
        self._interval_ms = interval_ms

    def put(self, tracked: Tracked, fraction: float, text: str) -> None:
        """The request is so far. Nothing is told of one that is not admitted."""
        if not tracked.admitted:
            return
        tracked.note = (fraction, text)
        if not tracked.noting:
            tracked.noting = True
            self._background.spawn(self._pass_on(tracked), "progress")

    async def flush(self, tracked: Tracked) -> None:
        """Hands what waits to the store, where the request's end brings it along. Raises nothing of the store's."""
        note, tracked.note = tracked.note, None
        if note is not None:
            await self._tell(tracked, note)

    async def _pass_on(self, tracked: Tracked) -> None:
        try:
            while (note := tracked.note) is not None and tracked.live:
                tracked.note = None
                wait = await self._tell(tracked, note)
                if wait is None:
                    return
                if wait:
                    await asyncio.sleep(wait)
                    tracked.note = tracked.note or note
        finally:
            tracked.noting = False

    async def _tell(self, tracked: Tracked, note: tuple[float, str]) -> float | None:
        """After how many seconds the note can become an event; 0 when it is one, None when the request is gone."""
        try:
            ms = await self._requests.progress(tracked.request.key, *note, interval_ms=self._interval_ms)
        except AWAY:
            return AGAIN_SECONDS
        except SojournError as error:
            log.debug("progress of a request that is gone", reason=error.reason)
            return None
        return ms / 1000
