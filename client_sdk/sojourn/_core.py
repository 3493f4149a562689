"""A connected client's inside: calls with retries and idempotency keys, and what concurrent calls share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from ._batching import Batcher
from ._transport import render_changes
from ._transport.calls import Calls, Written, encode_read
from ._transport.channel import Endpoint, open_channel
from ._transport.retrying import with_retries
from .config import Batching, RetryPolicy, Timeouts, Watching
from .models import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How calls are made."""

    timeouts: Timeouts
    retry: RetryPolicy
    batching: Batching
    watching: Watching
    writer: str


class Core:
    """One connection to the service. Belongs to the event loop it was made in."""

    def __init__(self, calls: Calls, behaviour: Behaviour) -> None:
        self.calls = calls
        self.behaviour = behaviour
        timeouts, policy, batching = behaviour.timeouts, behaviour.retry, behaviour.batching
        self._writes: Batcher[Written] = Batcher(
            calls.write_batch, ordered=True, batching=batching, timeouts=timeouts, policy=policy
        )
        self._reads: Batcher[Session] = Batcher(
            calls.get_batch, ordered=False, batching=batching, timeouts=timeouts, policy=policy
        )
        # Unique without a round of randomness for each key.
        self._key_prefix = secrets.token_urlsafe(12)
        self._key_numbers = count(1)
        self._background: set[asyncio.Task[Any]] = set()

    @classmethod
    async def connect(cls, endpoint: Endpoint, behaviour: Behaviour) -> Core:
        """Connect. Raises ServerUnreachableError."""
        channel = await open_channel(endpoint, behaviour.timeouts)
        return cls(Calls(channel, endpoint.metadata), behaviour)

    async def close(self) -> None:
        """End what is under way and close the connection."""
        self._writes.close()
        self._reads.close()
        await self.calls.close()
        await self._writes.wait_closed()
        await self._reads.wait_closed()
        await asyncio.gather(*self._background, return_exceptions=True)

    def mint_key(self) -> str:
        """An idempotency key that no other call has."""
        return f"{self._key_prefix}-{next(self._key_numbers)}"

    async def write(self, session_id: str, batch: render_changes.WriteBatch) -> Written:
        """Commit a write, together with others that are made meanwhile."""
        key = render_changes.idempotency_key(batch)
        return await self._writes.submit(session_id, render_changes.encode(batch), key)

    async def read(self, session_id: str) -> Session:
        """Read a whole session, together with others that are read meanwhile."""
        return await self._reads.submit(session_id, encode_read(session_id))

    async def call(self, attempt: Callable[[float], Awaitable[T]], *, change: tuple[str, str] | None = None) -> T:
        """Make a call that goes alone; see `with_retries`."""
        return await with_retries(attempt, self.behaviour.timeouts, self.behaviour.retry, change=change)

    def run(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that outlives its caller's cancellation, at most until the client is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
