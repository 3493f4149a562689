"""The port of the sums: what the catalog adds up over many sessions.

Every method may raise CatalogUnavailableError: nothing happened; and TooLargeError: too many different tools.
"""

from __future__ import annotations

from typing import Protocol

from ..domain.filters import SessionFilter
from ..domain.session import SessionKey
from ..domain.statistics import Bucket, Group, Statistics, ToolStatistics


class StatisticsCatalog(Protocol):
    """Sums over what the catalog has."""

    async def tools(self, uid: str) -> list[ToolStatistics]:
        """The invocations of a session, by tool; of a session that is not known there are none."""
        ...

    async def roll_up(self, key: SessionKey, *, most: int) -> Statistics:
        """The sums of a session and of those below it (whose parent it is, whose parent one of these is, ...), each
        once: at most so many, the nearest first."""
        ...

    async def statistics(
        self, tenant: str, wanted: SessionFilter, *, period_us: int, group: Group | None, most: int
    ) -> list[Bucket]:
        """The sums of sessions that match by their time of creation, in periods that are multiples of `period_us` since
        the epoch (0: one for all), and by group; in the order of both. Only those with sessions.

        Raises:
            TooLargeError: more than `most` buckets.
            InvalidFieldError: the filter's text holds no word.
        """
        ...
