"""What an acknowledged write is sure to survive: asked of the engine, never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

from ..domain.errors import StoreUnavailableError
from ..domain.events import Durability
from .barrier import Barrier
from .link import Link
from .wire import EngineReplyError

log = structlog.get_logger()

Configured = Literal["auto", "fsync", "replicated", "relaxed"]


@dataclass(slots=True)
class DurabilityPolicy:
    """Decides, on every new connection to a node, how writes reach the configured level there.

    `auto` takes what the engine gives without waiting: fsync with `appendfsync always`, else relaxed. `fsync` waits
    for WAITAOF where the engine does not fsync before it answers. `replicated` waits for `replicas` replicas (and
    for the local fsync
    where there is an append-only file).
    """

    configured: Configured = "auto"
    replicas: int = 1
    timeout_ms: int = 2000
    level: Durability = Durability.RELAXED
    _fixed: bool = False

    async def establish(self, link: Link) -> None:
        """Sets the link's barrier. The level of the first connection is the promise every later one must keep.

        Raises:
            StoreUnavailableError: the node cannot give the level; the link stays down and tries again.
        """
        appendonly, appendfsync = await self._persistence(link)
        barrier, level = self._decide(appendonly, appendfsync)
        if self._fixed and level < self.level:
            raise StoreUnavailableError(
                f"node {link.name} gives {level.name} (appendonly {appendonly}, appendfsync {appendfsync}), "
                f"but {self.level.name} was promised",
                cause="durability",
            )
        link.barrier = barrier
        if not self._fixed:
            self.level, self._fixed = level, True
            say = log.warning if level is Durability.RELAXED else log.info
            say(
                "durability in force", durability=level.name, appendonly=appendonly, appendfsync=appendfsync,
                barrier=barrier.command[0] if barrier else None,
            )  # fmt: skip

    def _decide(self, appendonly: bool, appendfsync: str) -> tuple[Barrier | None, Durability]:
        always = appendonly and appendfsync == "always"
        if self.configured == "replicated":
            barrier = Barrier(local=int(appendonly), replicas=self.replicas, timeout_ms=self.timeout_ms)
            return barrier, Durability.REPLICATED
        if always:
            return None, Durability.LOCAL_FSYNC
        if self.configured == "fsync":
            if not appendonly:
                raise StoreUnavailableError(
                    "durability fsync needs an engine with an append-only file (appendonly yes)", cause="durability"
                )
            return Barrier(local=1, replicas=0, timeout_ms=self.timeout_ms), Durability.LOCAL_FSYNC
        return None, Durability.RELAXED

    async def _persistence(self, link: Link) -> tuple[bool, str]:
        """(appendonly, appendfsync); appendfsync is "unknown" where CONFIG is not allowed."""
        try:
            reply = await link.submit_now(("CONFIG", "GET", "append*"))
            config = dict(zip(reply[::2], reply[1::2], strict=True))
            return config.get(b"appendonly") == b"yes", config.get(b"appendfsync", b"unknown").decode()
        except EngineReplyError:
            info = await link.submit_now(("INFO", "persistence"))
            return b"aof_enabled:1" in info, "unknown"
