"""Comparing one session with another."""

from __future__ import annotations

import asyncio

from ..domain.comparison import Comparison, compare
from ..domain.session import Session, SessionKey
from ..domain.statistics import Statistics, statistics_of
from ..ports import ActiveStore
from ..ports.statistics import StatisticsCatalog
from .projecting import Projector


class Comparing:
    """Says what differs between sessions, whichever tiers they are in."""

    def __init__(self, store: ActiveStore, catalog: StatisticsCatalog, projector: Projector) -> None:
        self._store = store
        self._catalog = catalog
        self._projector = projector

    async def compare(self, baseline: SessionKey, session: SessionKey) -> Comparison:
        """What differs; everything acknowledged before counts. Raises NotFoundError."""
        await self._projector.project([baseline, session])
        (was, before), (now, after) = await asyncio.gather(self._read(baseline), self._read(session))
        # In a thread: values may be megabytes, and calls are served meanwhile.
        return await asyncio.to_thread(compare, was, now, before, after)

    async def _read(self, key: SessionKey) -> tuple[Session, Statistics]:
        session = await self._store.get(key, full=True)
        return session, statistics_of(session, await self._catalog.tools(session.uid))
