"""How a client behaves: deadlines, retries, keepalive, coalescing, watches and TLS.

Durations are given as `timedelta` or as seconds. The defaults suit most callers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

Seconds = float | timedelta
"""A duration: seconds or a timedelta."""


def seconds(duration: Seconds) -> float:
    """The duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long things may take."""

    total: Seconds = 30.0
    """A call, all its attempts and the waits between them included."""
    attempt: Seconds = 10.0
    """One attempt of a call."""
    connect: Seconds = 10.0
    """`Client.connect`: until the connection stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The wait before the n-th retry: `initial_delay * multiplier ** (n - 1)`, at most `max_delay`, less jitter.

    What the server asks for (google.rpc.RetryInfo) is waited for in any case. Retries end with the call's deadline.
    """

    initial_delay: Seconds = 0.05
    max_delay: Seconds = 2.0
    multiplier: float = 2.0
    jitter: float = 0.5
    """Share of each wait that is left to chance, from 0 to 1, so that clients do not come back all at once."""

    def delay(self, retry: int, *, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait before retry number `retry` (from 1)."""
        # The exponent is bounded: a float overflows long before a patient watch gives up.
        grown = seconds(self.initial_delay) * self.multiplier ** min(retry - 1, 64)
        return min(grown, seconds(self.max_delay)) * (1.0 - self.jitter * chance())


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """Pings that notice a dead connection. Servers refuse pings that come more often than every 4 s."""

    interval: Seconds = 15.0
    timeout: Seconds = 10.0
    """A ping not answered for this long ends the connection."""
    while_idle: bool = True
    """Whether to ping while no call is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How concurrent calls share requests. Nothing ever waits for a batch to fill."""

    max_items: int = 256
    """Most calls in one batch, 1 to 1,000."""
    max_bytes: int = 1 << 20
    """About the most bytes in one batch; a larger call goes alone."""
    max_in_flight: int = 2
    """Most batches of one kind (writes, reads) under way at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How watches notice trouble and when they give up."""

    progress_interval: Seconds = 5.0
    """How often the server shows that a quiet watch is alive, at least 0.1 s. Three silent ones mean a reconnect."""
    give_up_after: Seconds | None = None
    """Raise when an established watch could not be re-established for this long; None: keep trying for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """An encrypted connection. With nothing set, the server is verified against gRPC's default root certificates."""

    root_certificates: bytes | None = None
    """PEM certificates that the server's must chain to."""
    certificate_chain: bytes | None = None
    """PEM certificate that identifies this client."""
    private_key: bytes | None = None
    """PEM key of `certificate_chain`."""
    server_name: str | None = None
    """Name to expect in the server's certificate when it is not the target's."""

    @classmethod
    def from_files(
        cls,
        *,
        root_certificates: str | Path | None = None,
        certificate_chain: str | Path | None = None,
        private_key: str | Path | None = None,
        server_name: str | None = None,
    ) -> TLS:
        """Read the PEM files. Raises OSError when one cannot be read."""

        def read(path: str | Path | None) -> bytes | None:
            return None if path is None else Path(path).read_bytes()

        return cls(
            root_certificates=read(root_certificates),
            certificate_chain=read(certificate_chain),
            private_key=read(private_key),
            server_name=server_name,
        )
