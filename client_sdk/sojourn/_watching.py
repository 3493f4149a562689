"""Watches that survive the connection, the worker and the server they were opened on."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from types import TracebackType
from typing import Generic, Self, TypeVar

from ._transport import faults
from ._transport.calls import WatchMessage, WatchStream
from .config import RetryPolicy, Timeouts, Watching, seconds
from .errors import (
    DeadlineExceededError,
    ServerDrainingError,
    ServerUnreachableError,
    SlowConsumerError,
    SojournError,
)

I = TypeVar("I")  # noqa: E741 - items of an iterator

_logger = logging.getLogger("sojourn.watch")
_SILENT_INTERVALS = 3


class Watch(Generic[I]):
    """A live stream of items that reconnects by itself; base of the two kinds of watch.

    Iterate over it, or enter it first to know that it is live:

        async with session.watch() as watch:
            ...                          # whatever is committed from here on will be delivered
            async for event in watch: ...

    One task at a time may read. Leaving the block, `aclose()`, cancelling the reading task or dropping the last
    reference to the watch ends it on the server at once. An iteration that was left can be taken up again.
    """

    def __init__(self, *, watching: Watching, timeouts: Timeouts, policy: RetryPolicy) -> None:
        self._policy = policy
        self._total = seconds(timeouts.total)
        self._give_up_after = None if watching.give_up_after is None else seconds(watching.give_up_after)
        self._silence = _SILENT_INTERVALS * seconds(watching.progress_interval)
        self._stream: WatchStream | None = None
        self._items: deque[I] = deque()
        self._fresh = True  # nothing came on this stream yet
        self._ready = False
        self._failures = 0
        self._failing_since = 0.0
        self._end: SojournError | None = None  # what the iteration ends with, None for a plain end
        self._ended = False

    @property
    @abstractmethod
    def cursor(self) -> str | None:
        """Where another watch could resume; None before the first message."""

    async def ready(self) -> None:
        """Wait until the watch is live: what is committed from now on will be delivered. Raises what iterating does."""
        while not self._ready and not self._ended:
            await self._receive()
        if not self._ready and self._end is not None:
            raise self._end

    async def aclose(self) -> None:
        """End the watch. Items not read yet are dropped. Safe to repeat."""
        self._items.clear()
        self._finish(None)

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            self._finish(None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> I:
        while not self._items:
            if self._ended:
                if self._end is not None:
                    raise self._end
                raise StopAsyncIteration
            await self._receive()
        return self._items.popleft()

    def __del__(self) -> None:
        # An `async for` that was left by `break` has nobody to close the watch.
        stream = getattr(self, "_stream", None)
        if stream is not None:
            stream.cancel()

    @abstractmethod
    def _open(self) -> WatchStream:
        """Open a stream at the position reached."""

    @abstractmethod
    def _accept(self, message: WatchMessage) -> None:
        """Take in a message: queue its items, advance the position, set `_ready` once live. Raises SojournError."""

    def _finished_well(self) -> bool:
        """Whether the server may end the stream in good order, without a reason given."""
        return False

    def _finish(self, error: SojournError | None) -> None:
        if not self._ended:
            self._ended, self._end = True, error
        self._drop_stream()

    def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()

    async def _receive(self) -> None:
        """Read one message; or lose the connection and wait until it is time for the next."""
        try:
            if self._stream is None:
                self._stream, self._fresh = self._open(), True
            message = await self._read(self._stream)
            if message is None:
                if self._finished_well():
                    self._finish(None)
                    return
                raise ServerUnreachableError("the server ended the watch without a reason")
            self._accept(message)
            if message.going_away is None:
                self._fresh, self._failures = False, 0
            elif self._fresh:
                raise ServerDrainingError("the server is shutting down")
            else:
                self._drop_stream()  # another worker answers at once
        except SojournError as error:
            self._drop_stream()
            if not (faults.may_retry(error) or isinstance(error, SlowConsumerError)):
                self._finish(error)
                return
            await self._back_off(error)
        except BaseException:
            # Cancelled in the middle of a read, gRPC has given up the stream. The position reached is still good.
            self._drop_stream()
            raise

    async def _read(self, stream: WatchStream) -> WatchMessage | None:
        try:
            async with asyncio.timeout(self._silence):
                return await stream.read()
        except SojournError:
            raise  # one of them is a TimeoutError, too
        except TimeoutError:
            raise ServerUnreachableError(f"the watch was silent for {self._silence:g} s") from None

    async def _back_off(self, error: SojournError) -> None:
        now = asyncio.get_running_loop().time()
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        wait = self._policy.delay(self._failures)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after.total_seconds())
        # Before it was live a watch is a call like any other, and somebody waits for it.
        patience = self._give_up_after if self._ready else self._total
        if patience is not None and now + wait - self._failing_since > patience:
            if isinstance(error, SlowConsumerError):
                error = DeadlineExceededError(f"the watch could not be resumed within {patience:g} s")
            self._finish(error)
            return
        _logger.info("watch interrupted, resuming in %.2f s (attempt %d): %s", wait, self._failures, error)
        await asyncio.sleep(wait)
