"""How many watches and tracked streams of each session are open at this worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import structlog

from ..domain.errors import SojournError
from ..domain.session import SessionKey
from ..ports import Occupancy

log = structlog.get_logger()

GATHER_SECONDS = 0.2
"""How long changes are gathered before they are told."""
REPEAT_SECONDS = 10.0
"""How often everything is told again, changed or not."""
LEASE_MS = 30_000
"""After how long what a dead worker told does not count any more."""


class Presence:
    """Counts connections and tells the store."""

    def __init__(self, occupancy: Occupancy, worker: str) -> None:
        self._occupancy = occupancy
        self._worker = worker
        self._counts: Counter[SessionKey] = Counter()
        self._dirty: set[SessionKey] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def at(self, key: SessionKey) -> Iterator[None]:
        """A watch or tracked stream of the session is open."""
        self._change(key, 1)
        try:
            yield
        finally:
            self._change(key, -1)

    def start(self) -> None:
        """Begins to tell."""
        self._task = asyncio.create_task(self._run(), name="presence")

    async def close(self) -> None:
        """Tells that nobody is connected here any more."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        known = set(self._counts) | self._dirty
        self._counts.clear()
        await self._tell(known)

    def _change(self, key: SessionKey, by: int) -> None:
        self._counts[key] += by
        if not self._counts[key]:
            del self._counts[key]
        self._dirty.add(key)
        self._changed.set()

    async def _run(self) -> None:
        repeat_at = monotonic() + REPEAT_SECONDS
        while True:
            try:
                async with asyncio.timeout(max(repeat_at - monotonic(), 0)):
                    await self._changed.wait()
                await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                self._dirty |= set(self._counts)
                repeat_at = monotonic() + REPEAT_SECONDS
            keys, self._dirty = self._dirty, set()
            self._changed.clear()
            if not await self._tell(keys):
                self._dirty |= keys

    async def _tell(self, keys: set[SessionKey]) -> bool:
        if not keys:
            return True
        counts = [(key, self._counts[key]) for key in keys]
        try:
            await self._occupancy.connected(self._worker, counts, lease_ms=LEASE_MS)
        except SojournError as error:
            log.debug("connections are told later", error=error.message)
            return False
        except Exception:
            log.exception("telling connections failed")
            return False
        return True
