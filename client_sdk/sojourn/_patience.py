"""How long to go on with what takes as long as it takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .config import seconds
from .errors import SojournError

if TYPE_CHECKING:
    from ._core import Core


class Patience:
    """How long to go on when nothing gets on: the client's total deadline, anew with each bit of progress."""

    def __init__(self, core: Core) -> None:
        self._clock = asyncio.get_running_loop().time
        self._policy = core.behaviour.retry
        self._total = seconds(core.behaviour.timeouts.total)
        self.step = seconds(core.behaviour.timeouts.attempt)
        """Seconds for one message."""
        self.renew()

    def renew(self) -> None:
        """It got on."""
        self._deadline, self._retries = self._clock() + self._total, 0

    async def wait(self, error: SojournError) -> None:
        """Waits until trying again makes sense. Raises the error when there is no time left for that."""
        self._retries += 1
        wait = self._policy.delay(self._retries)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after.total_seconds())
        if self._clock() + wait >= self._deadline:
            raise error
        await asyncio.sleep(wait)
