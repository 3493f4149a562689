"""Adding up what sessions did."""

from __future__ import annotations

from typing import NamedTuple

from ..domain.errors import InvalidFieldError
from ..domain.filters import SessionFilter
from ..domain.session import SessionKey
from ..domain.statistics import Bucket, Group, Statistics, statistics_of
from ..ports import ActiveStore
from ..ports.statistics import StatisticsCatalog
from .projecting import Projector

MOST_CHILDREN = 10_000
"""Sessions below one that are summed up with it."""
MOST_PERIODS, MOST_BUCKETS = 1_000, 10_000


class Summed(NamedTuple):
    """The sums of a session, and with those below it."""

    alone: Statistics
    roll_up: Statistics | None


class Summing:
    """Statistics of sessions, whichever tier they are in."""

    def __init__(self, store: ActiveStore, catalog: StatisticsCatalog, projector: Projector) -> None:
        self._store = store
        self._catalog = catalog
        self._projector = projector

    async def session(self, key: SessionKey, *, children: bool) -> Summed:
        """The sums of a session; everything acknowledged before counts. Raises NotFoundError."""
        await self._projector.project([key])
        session = await self._store.get(key, full=False)
        alone = statistics_of(session, await self._catalog.tools(session.uid))
        if not children:
            return Summed(alone, None)
        # Whose children there are is known when all of the tenant's sessions are in the catalog.
        await self._projector.drain(key.tenant)
        return Summed(alone, await self._catalog.roll_up(key, most=MOST_CHILDREN + 1))

    async def all(
        self, tenant: str, wanted: SessionFilter, *, period_us: int, group: Group | None
    ) -> tuple[Statistics, list[Bucket]]:
        """The sum of the sessions that match, and of each period and group; none of these when it is not split.

        Raises:
            InvalidFieldError: more than MOST_PERIODS periods.
            TooLargeError: more than MOST_BUCKETS buckets.
        """
        buckets = await self._catalog.statistics(tenant, wanted, period_us=period_us, group=group, most=MOST_BUCKETS)
        if len({bucket.begin_us for bucket in buckets}) > MOST_PERIODS:
            raise InvalidFieldError("period", f"a period of which at most {MOST_PERIODS:,} have sessions")
        total = Statistics()
        for bucket in buckets:
            total.add(bucket.statistics)
        return total, buckets
