"""What a run is made of: its plan, its rows, the targets they are held against."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from bench.h2load import LoadResult

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Plan:
    """How much is measured. Bounded in counts and seconds whatever the machine does."""

    name: str = "full"
    seconds: float = 1.0  # of one measurement
    warmup: float = 0.3
    rounds: int = 5  # floor and subject alternate this often; the median counts
    concurrency: tuple[int, ...] = (1, 8, 64, 256)
    sessions: int = 64
    watchers: int = 1000
    deliveries: int = 60_000
    latency_seconds: float = 10.0
    latency_rate: int = 500
    stored_sessions: int = 2000
    trips_concurrency: tuple[int, ...] = (1, 16, 64)
    idle_streams: int = 2000
    idle_seconds: float = 20.0
    heartbeat_seconds: float = 5.0  # a third of the default lease
    waiting: int = 50
    releases: int = 200
    hold_seconds: float = 0.2  # how long each works that others wait for
    catalog_sessions: int = 100_000  # of 20 messages each


FULL = Plan()
QUICK = Plan(
    "quick", 0.7, 0.2, 1, (1, 64), 64, 1000, 10_000, 3.0, 500, 1000, (1, 64), 500, 3.0, 5.0, 50, 15, 0.2, 5_000
)
TINY = Plan("tiny", 0.15, 0.05, 1, (4,), 8, 20, 400, 0.3, 100, 50, (4,), 20, 0.4, 0.2, 5, 5, 0.02, 100)


@dataclass(frozen=True)
class Against:
    """A floor and what the figure is as a ratio to it."""

    name: str
    value: float
    ratio: float


@dataclass(frozen=True)
class Row:
    """One line of the result."""

    group: str
    name: str
    unit: str
    value: float
    better: Better = "higher"
    concurrency: int | None = None
    floors: list[Against] = field(default_factory=list)  # the first is the one the row is judged by
    details: dict[str, float] = field(default_factory=dict)
    rounds: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """The figure divided by its floor."""
        return self.floors[0].ratio if self.floors else None

    def as_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return asdict(self) | {"ratio": self.ratio}


@dataclass(frozen=True)
class Target:
    """A figure the service means to reach: a row's ratio or value, in one direction."""

    text: str
    group: str
    name: str
    concurrency: int | None
    bound: float
    of: Literal["ratio", "value"]
    better: Better

    def actual(self, rows: Sequence[Row]) -> float | None:
        """What the run gave; None when it did not measure it."""
        for row in rows:
            if (row.group, row.name, row.concurrency) == (self.group, self.name, self.concurrency):
                return row.value if self.of == "value" else row.ratio
        return None

    def reached(self, actual: float) -> bool:
        """Whether that is good enough."""
        return actual >= self.bound if self.better == "higher" else actual <= self.bound


def against(name: str, value: float, floor: float) -> Against:
    """A ratio; `value` and `floor` have one unit."""
    return Against(name, floor, value / floor if floor else 0.0)


def median(values: Sequence[float]) -> float:
    """The median; an empty sequence is a programming error."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def load_row(
    group: str,
    name: str,
    concurrency: int,
    results: Sequence[LoadResult],
    floors: list[Against],
    unit: str = "calls/s",
) -> Row:
    """The row of a load measured in several rounds."""
    calls = sum(result.calls for result in results) or 1
    latencies = [latency for result in results for latency in result.latencies]
    details = {
        "server_cpu_us_per_call": 1e6 * sum(result.cpu.server for result in results) / calls,
        "engine_cpu_us_per_call": 1e6 * sum(result.cpu.engine for result in results) / calls,
        "server_cpu_share": median([result.cpu.server_share for result in results]),
        "load_cpu_share": median([result.cpu.load_share for result in results]),
        "p50_ms": 1e3 * percentile(latencies, 0.5),
        "p99_ms": 1e3 * percentile(latencies, 0.99),
    }
    rates = [result.rate for result in results]
    return Row(group, name, unit, median(rates), "higher", concurrency, floors, details, rates)
