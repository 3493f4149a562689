"""Concurrent calls share requests.

A call goes out at the end of the loop's turn it was made in, together with the others of that turn, if a batch may
start; calls made while the allowed number of batches is under way form the next one. So nothing waits for a batch to
fill, and the busier a client is the larger its batches get.

Calls with the same *lane* (the session they write to) keep their order: they are never in two batches at a time. One
exception remains: of two writes in one batch the server may refuse the first for a moment (its store was away) and
accept the second; the first is then retried after the second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from copy import copy
from typing import Generic, Protocol, TypeVar

from ._transport import faults
from .config import Batching, RetryPolicy, Timeouts, seconds
from .errors import ClientClosedError, DeadlineExceededError, SojournError

_COMPACT_AT = 4096

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Send(Protocol[T_co]):
    """Sends payloads as one batch: an outcome for each in their order, or SojournError for the batch as a whole."""

    def __call__(self, payloads: Sequence[bytes], timeout: float, /) -> Awaitable[Sequence[T_co | SojournError]]: ...


class _Item(Generic[T]):
    """One call: what to send, who waits for it, until when."""

    __slots__ = (
        "alone",
        "deadline",
        "doubtful",
        "future",
        "key",
        "lane",
        "last_error",
        "payload",
        "retries",
        "under_way",
    )

    def __init__(self, lane: str, key: str, payload: bytes, future: asyncio.Future[T], deadline: float) -> None:
        self.lane = lane
        self.key = key  # idempotency key of a change; empty for reads
        self.payload = payload
        self.future = future
        self.deadline = deadline
        self.retries = 0
        self.last_error: SojournError | None = None  # why it is being retried
        self.under_way = False
        self.doubtful = False  # an attempt may have taken effect
        self.alone = False  # a batch with it failed: it goes alone, so that a fault meets only the guilty


class Batcher(Generic[T]):
    """Coalesces calls of one kind. Belongs to the running event loop."""

    def __init__(
        self, send: Send[T], *, ordered: bool, batching: Batching, timeouts: Timeouts, policy: RetryPolicy
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._ordered = ordered
        self._limits = batching
        self._total = seconds(timeouts.total)
        self._attempt = seconds(timeouts.attempt)
        self._policy = policy
        self._pending: deque[_Item[T]] = deque()
        self._busy: set[str] = set()  # lanes with a call under way, or waiting for its retry
        self._held: dict[str, list[_Item[T]]] = {}  # calls whose lane is busy, in order
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0  # batches that failed as a whole, in a row
        self._resume_at = 0.0  # no batch starts before, because the last ones failed
        self._flushing = False
        self._wake: asyncio.TimerHandle | None = None
        # Calls by deadline. All have the same time, so they come in order and one timer watches the first.
        self._waiting: deque[_Item[T]] = deque()
        self._compact_at = _COMPACT_AT
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = False

    def submit(self, lane: str, payload: bytes, key: str = "") -> asyncio.Future[T]:
        """Take a call; the future has its result or its SojournError. Cancelling it harms no other call.

        `key` is the idempotency key of a change: given up when an attempt may have been successful, it ends with
        OutcomeUnknownError.
        """
        if self._closed:
            raise ClientClosedError("the client is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        item = _Item(lane, key, payload, future, self._loop.time() + self._total)
        self._pending.append(item)
        waiting = self._waiting
        while waiting and waiting[0].future.done():
            waiting.popleft()
        waiting.append(item)
        if len(waiting) >= self._compact_at:
            # One call that takes long must not keep all that came and went behind it.
            self._waiting = deque([other for other in waiting if not other.future.done()])
            self._compact_at = max(_COMPACT_AT, 2 * len(self._waiting))
        if self._expiry is None:
            self._expiry = self._loop.call_at(item.deadline, self._expire)
        if not self._flushing and len(self._tasks) < self._limits.max_in_flight:
            self._schedule()
        return future

    def close(self) -> None:
        """End every call with ClientClosedError and stop. What is under way is cancelled."""
        self._closed = True
        for timer in (self._wake, self._expiry):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        for item in self._waiting:
            if not item.future.done():
                item.future.set_exception(ClientClosedError("the client was closed while the call was under way"))
        self._pending.clear()
        self._held.clear()
        self._waiting.clear()

    async def wait_closed(self) -> None:
        """Wait until what `close` cancelled has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _schedule(self) -> None:
        self._flushing = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Start as many batches as may be under way."""
        self._flushing = False
        if self._closed:
            return
        wait = self._resume_at - self._loop.time()
        if wait > 0:
            if self._wake is None:
                self._wake = self._loop.call_later(wait, self._resume)
            return
        while self._pending and len(self._tasks) < self._limits.max_in_flight:
            batch = self._take()
            if not batch:
                return
            task = self._loop.create_task(self._run(batch))
            self._tasks.add(task)

    def _resume(self) -> None:
        self._wake = None
        self._flush()

    def _take(self) -> list[_Item[T]]:
        """The next batch: calls in order, but for those whose lane is busy."""
        batch: list[_Item[T]] = []
        size, pending = 0, self._pending
        while pending and len(batch) < self._limits.max_items:
            item = pending[0]
            if item.future.done():
                pending.popleft()
                continue
            if item.lane in self._busy:
                self._held.setdefault(item.lane, []).append(pending.popleft())
                continue
            size += len(item.payload)
            if batch and (size > self._limits.max_bytes or item.alone):
                break
            batch.append(pending.popleft())
            item.under_way = True
            if item.alone:
                break
        if self._ordered:
            self._busy.update([item.lane for item in batch])
        return batch

    async def _run(self, batch: list[_Item[T]]) -> None:
        """Send one batch and hand out what came back."""
        task = asyncio.current_task()
        assert task is not None
        try:
            # The last deadline of the batch: a timer watches the earlier ones, which must not end the others' attempt.
            remaining = max([item.deadline for item in batch]) - self._loop.time()
            try:
                outcomes = await self._send([item.payload for item in batch], min(self._attempt, max(remaining, 0.001)))
            except SojournError as error:
                self._batch_failed(batch, error)
            else:
                self._failures = 0
                self._hand_out(batch, outcomes)
        except Exception as error:
            # A defect of this package must reach the callers; they would wait for ever.
            for item in batch:
                if not item.future.done():
                    item.future.set_exception(error)
            self._release(item.lane for item in batch)
        finally:
            self._tasks.discard(task)
            if self._pending and not self._flushing and not self._closed:
                self._schedule()

    def _hand_out(self, batch: list[_Item[T]], outcomes: Sequence[T | SojournError]) -> None:
        again: dict[str, list[_Item[T]]] = {}
        for item, outcome in zip(batch, outcomes, strict=True):
            if not isinstance(outcome, SojournError):
                if not item.future.done():
                    item.future.set_result(outcome)
            elif self._wants_retry(item, outcome):
                item.under_way = False
                again.setdefault(item.lane, []).append(item)
                if item is again[item.lane][0]:
                    self._loop.call_later(self._delay(item.retries, outcome), self._retry, item.lane)
        for lane, items in again.items():
            # The lane stays busy until then, and what was refused goes first.
            self._busy.add(lane)
            self._held[lane] = items + self._held.get(lane, [])
        if self._ordered:
            self._release(item.lane for item in batch if item.lane not in again)

    def _retry(self, lane: str) -> None:
        if not self._closed:
            self._release([lane])
            if self._pending and not self._flushing:
                self._schedule()

    def _batch_failed(self, batch: list[_Item[T]], error: SojournError) -> None:
        retriable = faults.may_retry(error)
        split = not retriable and len(batch) > 1
        again = []
        for item in batch:
            item.under_way = False
            if split:
                item.alone = not item.future.done()
                again.append(item)
            elif self._wants_retry(item, error):
                again.append(item)
        if retriable:
            self._failures += 1
            self._resume_at = self._loop.time() + self._delay(self._failures, error)
        # Last in front goes first: the failed calls before those that were held behind them.
        self._release(item.lane for item in batch)
        self._pending.extendleft(reversed(again))

    def _wants_retry(self, item: _Item[T], error: SojournError) -> bool:
        """Whether to try again; if not, the call gets its error."""
        if item.future.done():
            return False
        if item.key and faults.may_have_happened(error):
            item.doubtful = True
        if faults.may_retry(error):
            item.retries += 1
            item.last_error = error
            if self._loop.time() + self._delay(item.retries, error, jitter=False) < item.deadline:
                return True
            if item.doubtful:
                error = faults.outcome_unknown(error, item.lane, item.key)
        item.future.set_exception(_own(error))
        return False

    def _delay(self, retries: int, error: SojournError, *, jitter: bool = True) -> float:
        wait = self._policy.delay(retries) if jitter else self._policy.delay(retries, chance=lambda: 0.0)
        return wait if error.retry_after is None else max(wait, error.retry_after.total_seconds())

    def _release(self, lanes: Iterable[str]) -> None:
        """Let the lanes' held calls go before all others of theirs."""
        for lane in lanes:
            self._busy.discard(lane)
            held = self._held.pop(lane, None)
            if held:
                self._pending.extendleft(reversed(held))

    def _expire(self) -> None:
        """End the calls whose time is up, wherever they are, and watch the next."""
        self._expiry = None
        now = self._loop.time()
        waiting = self._waiting
        while waiting and (waiting[0].future.done() or waiting[0].deadline <= now):
            item = waiting.popleft()
            if not item.future.done():
                # Why the attempts before failed says more than that there is no time for another.
                error = item.last_error or DeadlineExceededError(f"no answer within {self._total:g} s")
                if item.key and (item.doubtful or item.under_way):
                    error = faults.outcome_unknown(error, item.lane, item.key)
                item.future.set_exception(_own(error))
        if waiting:
            self._expiry = self._loop.call_at(waiting[0].deadline, self._expire)


def _own(error: SojournError) -> SojournError:
    """A copy for one caller: raising an error adds the caller's traceback to it."""
    own = copy(error)
    own.__cause__ = error.__cause__
    return own
