"""Where watches write: one message at a time, and an end for watchers that stopped reading.

A write waits while HTTP/2 flow control is closed, for ever if the watcher never reads again. One ticker looks at
all outlets, because a timer per message costs more than the message.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from ..domain.errors import PositionError


class Outlet:
    """The writing end of one watch; a context manager inside the handler's task."""

    def __init__(self, outlets: Outlets, context: Any) -> None:
        self._outlets = outlets
        self._context = context
        self._clock = asyncio.get_running_loop().time
        self._task = asyncio.current_task()
        self._since = 0.0
        self._late = False

    def __enter__(self) -> Self:
        self._outlets.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outlets.remove(self)

    async def write(self, message: bytes) -> None:
        """Sends one encoded message.

        Raises:
            PositionError: SLOW_CONSUMER, the watcher did not take it in time.
        """
        self._since = self._clock()
        try:
            await self._context.write(message)
        except asyncio.CancelledError:
            if self._late and self._task is not None:
                self._task.uncancel()
                raise PositionError("the watcher stopped reading", reason="SLOW_CONSUMER") from None
            raise
        finally:
            self._since = 0.0

    def check(self, now: float, patience: float) -> None:
        """Ends the watch if its present write has waited longer than `patience` seconds."""
        if self._since and now - self._since > patience and self._task is not None and not self._late:
            self._late = True
            self._task.cancel()


class Outlets:
    """All outlets of this server.

    Args:
        patience: seconds a watcher may take for one message.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._open: set[Outlet] = set()
        self._ticker: asyncio.Task[None] | None = None

    def open(self, context: Any) -> Outlet:
        """The outlet of a call, to be entered in its handler."""
        return Outlet(self, context)

    def add(self, outlet: Outlet) -> None:
        self._open.add(outlet)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name="outlets")

    def remove(self, outlet: Outlet) -> None:
        self._open.discard(outlet)
        if not self._open and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._patience / 10)
            now = asyncio.get_running_loop().time()
            for outlet in list(self._open):
                outlet.check(now, self._patience)
