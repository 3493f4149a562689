"""Checks of what the server runs on, for those who operate it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from ..domain.checks import Check, failed, ok, warning
from ..domain.errors import SojournError
from ..domain.events import Durability
from ..domain.paths import incoming_path
from ..ports.blobs import BlobStore
from ..ports.outbox import Outbox
from ..ports.probes import CatalogFacts, CatalogProbe, EngineFacts, EngineProbe
from . import engine_checks

SECONDS = 8.0
"""How long a check may take."""
BEHIND, FAR_BEHIND = 30.0, 600.0
"""Seconds the catalog is behind."""
SLOW = 1.0
"""Seconds a question takes that nobody else waits for."""
SKEW, FAR_OFF = 2.0, 60.0
"""Seconds two clocks differ."""


class Diagnosing:
    """Makes all checks.

    Args:
        durability: what an acknowledged write survives at present.
        advice: what is to be said of the settings alone.
    """

    def __init__(
        self, engine: EngineProbe, catalog: CatalogProbe, blobs: BlobStore, outbox: Outbox,
        durability: Callable[[], Durability], advice: Sequence[Check],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._catalog = catalog
        self._blobs = blobs
        self._outbox = outbox
        self._durability = durability
        self._advice = advice

    async def checks(self) -> list[Check]:
        """The outcome of every check; never raises because of one."""
        parts = await asyncio.gather(
            _guarded("engine", self._engine_checks(), "Live sessions cannot be served until it answers: see its log."),
            _guarded(
                "catalog", self._catalog_checks(), "Live work goes on; lists, searches and old sessions wait for it."
            ),
            _guarded("outbox", self._outbox_checks(), "See `engine`."),
            _guarded("blobs", self._blob_checks(), "Live work goes on; snapshots, archives and artifacts wait for it."),
        )
        return [*(check for part in parts for check in part), *self._advice]

    async def _engine_checks(self) -> list[Check]:
        nodes = await self._engine.facts()
        return [
            *(check for node in nodes for check in engine_checks.checks(node)),
            engine_checks.durability(self._durability(), nodes),
            _clock(nodes),
        ]

    async def _catalog_checks(self) -> list[Check]:
        facts = await self._catalog.facts()
        found = [_reachable(facts)]
        if facts.schema_problem:
            found.append(
                failed("catalog.schema", facts.schema_problem, "Run `sojourn migrate` of this server's version.")
            )
        else:
            found.append(ok("catalog.schema", "up to date"))
        if facts.ahead_seconds is not None and abs(facts.ahead_seconds) > SKEW + facts.answered_seconds:
            found.append(
                warning(
                    "catalog.clock", f"its clock is {_off(facts.ahead_seconds)}",
                    "Nothing is decided by it, but logs are hard to read: run NTP on its machine.",
                )
            )  # fmt: skip
        return found

    async def _outbox_checks(self) -> list[Check]:
        backlog = await self._outbox.backlog()
        if not backlog.sessions:
            return [ok("outbox", "the catalog has everything")]
        found = f"{backlog.sessions:,} sessions wait for the catalog, the longest for {backlog.seconds:.0f} s"
        if backlog.seconds < BEHIND:
            return [ok("outbox", found)]
        advice = "The catalog does not keep up: see `catalog`, and the server's log for what it does not take."
        return [(failed if backlog.seconds >= FAR_BEHIND else warning)("outbox", found, advice)]

    async def _blob_checks(self) -> list[Check]:
        """Writes, reads and deletes an object where the sweep looks, should we be stopped in between."""
        path, content = incoming_path(), secrets.token_bytes(64)

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        await self._blobs.put(path, pieces())
        read = b"".join([piece async for piece in self._blobs.read(path)])
        await self._blobs.delete(path)
        if read != content:
            return [failed("blobs", "an object was read back other than it was written", "Do not trust this store.")]
        if await self._blobs.head(path) is not None:
            return [warning("blobs", "an object is still there after its deletion", "See its retention rules.")]
        return [ok("blobs", "an object was written, read back and deleted")]


def _reachable(facts: CatalogFacts) -> Check:
    found = f"{facts.database} answers in {facts.answered_seconds * 1000:.0f} ms"
    if facts.answered_seconds > SLOW:
        return warning("catalog", found, "It is slow: see what else its machine does.")
    return ok("catalog", found)


def _clock(nodes: Sequence[EngineFacts]) -> Check:
    """Every time a caller sees is the engine's."""
    worst = max(nodes, key=lambda node: abs(node.ahead_seconds) - node.within_seconds)
    off = abs(worst.ahead_seconds) - worst.within_seconds
    if off <= SKEW:
        return ok("clock", "server and engine agree")
    found = f"the engine's clock is {_off(worst.ahead_seconds)}"
    advice = "Leases and timeouts go by the engine's clock, so they hold; set the clocks right (NTP) all the same."
    return (failed if off > FAR_OFF else warning)("clock", found, advice)


def _off(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the server's"


async def _guarded(name: str, work: Awaitable[list[Check]], advice: str) -> list[Check]:
    """What cannot be checked has failed."""
    try:
        async with asyncio.timeout(SECONDS):
            return await work
    except SojournError as error:
        return [failed(name, error.message, advice)]
    except TimeoutError:
        return [failed(name, f"no answer within {SECONDS:g} s", advice)]
