"""The lease of a tracked request by this process's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Lease:
    """Counts as lost once no renewal was confirmed for its time.

    That time begins when the last renewal that was confirmed was *sent*, so it never ends later here than in the store.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._renewed_at = 0.0
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self.ttl = 0.0
        """Seconds it lasts after each renewal; 0 while it is not known."""

    def renewed(self, sent_at: float) -> None:
        """A renewal was confirmed."""
        self._renewed_at = max(self._renewed_at, sent_at)

    def watch(self) -> None:
        """From now on somebody works under the lease."""
        self._watching = True
        if self._timer is None and self.ttl:
            self._timer = self._loop.call_at(self._renewed_at + self.ttl, self._check)

    def release(self) -> None:
        """Nobody works under the lease any more."""
        self._watching = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if not self._watching:
            return
        if self._loop.time() < self._renewed_at + self.ttl:
            self.watch()
        else:
            self._on_lost()
