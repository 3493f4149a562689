"""Tracked requests that survive the connection and the worker they were begun on, as long as their lease does.

One task for each request reads its stream, and opens the next one when it breaks; another writes (`_outbox.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from . import _endings, models
from ._core import Core
from ._lease import Lease
from ._outbox import Outbox
from ._transport import render_requests
from ._transport.parse_requests import (
    Admitted,
    CancelRequested,
    Finished,
    GoingAway,
    LeaseLost,
    Queued,
    Renewed,
    TrackMessage,
)
from ._transport.render_requests import Begin
from ._transport.retrying import with_retries
from ._transport.tracking import TrackStream
from .config import seconds
from .enums import RequestOutcome
from .errors import (
    DeadlineExceededError,
    LeaseLostError,
    RequestNotFoundError,
    ServerDrainingError,
    ServerUnreachableError,
    SojournError,
)

_logger = logging.getLogger("sojourn.tracking")

T = TypeVar("T")

_LINGER = 1.0
"""Seconds the server may take to end a stream after its last word."""
_SOON = 0.1
"""Most seconds before the first attempt to reconnect: a broken stream releases its request after half a second."""


class Listener(Protocol):
    """Who is told about a request."""

    def _on_queued(self, position: int, waiting_for: str) -> None: ...

    def _on_cancel_requested(self, reason: str) -> None: ...

    def _on_lost(self, error: LeaseLostError) -> None: ...


class Tracker:
    """One request from its beginning to its end. Belongs to the running event loop."""

    def __init__(self, core: Core, begin: Begin, *, policy: str, timeout: float | None, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._core = core
        self._begin = begin
        self._policy = policy
        self._listener = listener
        self._outbox = Outbox(begin.request_id)
        self._lease = Lease(self._on_lease_over)
        self._total = seconds(core.behaviour.timeouts.total)
        self._attempt = seconds(core.behaviour.timeouts.attempt)
        self._queue_deadline = None if timeout is None else self._loop.time() + timeout
        self._stream: TrackStream | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._resuming = False  # this stream only takes a live request up
        self._fresh = True  # nothing came on this stream yet
        self._known = False  # the server has the request, or had it
        self._failures = 0  # streams in a row that did not get as far as that
        self._failing_since = 0.0
        self._admission: models.Request | None = None
        self._finished = False
        self._end: SojournError | None = None
        self._settled = asyncio.Event()  # admitted, or over
        self._over = asyncio.Event()
        self._hurry = asyncio.Event()  # there will be no other stream to wait for
        core.run(self._run())

    async def admitted(self) -> models.Request:
        """Wait for the admission. Raises SojournError."""
        await self._settled.wait()
        if self._admission is None:
            assert self._end is not None
            raise self._end
        return self._admission

    def progress(self, fraction: float, text: str) -> None:
        """Tell how far the request is, as soon as that is possible. Raises InvalidFieldError."""
        self._outbox.progress(fraction, text)

    async def finish(self, outcome: RequestOutcome, error: str) -> SojournError | None:
        """End the request, within the client's deadline. Returns what went wrong, None when it ended so."""
        if self._over.is_set():
            return self._end
        self._lease.release()
        deadline = self._loop.time() + self._total
        self._outbox.finish(outcome, error)
        self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._attempt, self._total)):
                await self._over.wait()
        if self._finished or self._end is not None:
            return self._end
        self._cut()
        if not self._known:
            return None  # with the stream the server lets go of what it may have begun
        request = render_requests.finish_request(self._begin.session_id, self._begin.request_id, outcome, error)
        calls, behaviour = self._core.calls.tracking, self._core.behaviour
        timeouts = replace(behaviour.timeouts, total=max(deadline - self._loop.time(), 0.1))
        try:
            await with_retries(lambda timeout: calls.finish_request(request, timeout), timeouts, behaviour.retry)
        except SojournError as failure:
            return failure
        return None

    def in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do work that outlives its caller's cancellation."""
        return self._core.run(work)

    async def _run(self) -> None:
        try:
            while not (self._over.is_set() or self._outbox.finishing):
                error = await self._follow_a_stream()
                if self._over.is_set() or self._outbox.finishing:
                    break
                if self._is_over_with(error):
                    self._conclude(error)
                else:
                    await self._pause(error)
        except Exception as defect:
            # Somebody waits, or works in the belief that the request is admitted.
            _logger.exception("request %s cannot be tracked any more", self._begin.request_id)
            self._conclude(_endings.lost(self._begin, f"{type(defect).__name__}: {defect}", defect))
        finally:
            self._lease.release()
            if not self._outbox.finishing:
                self._conclude(_endings.lost(self._begin, "the event loop ends"))
            self._over.set()

    async def _follow_a_stream(self) -> SojournError:
        """Open a stream and follow it to its end; why it ended."""
        try:
            stream = self._stream = self._core.calls.tracking.track()
        except SojournError as error:
            return error
        self._fresh, going_away = True, False
        writer = self._loop.create_task(self._write(stream))
        watchdog = self._loop.call_later(self._attempt, self._cut)
        try:
            while (message := await stream.read()) is not None:
                watchdog.cancel()
                going_away = going_away or isinstance(message, GoingAway)
                self._accept(message)
        except SojournError as error:
            return error
        finally:
            watchdog.cancel()
            self._cut()
            self._outbox.close()
            # The call has ended, so this harms nothing; but a write that still waits for the connection would do so
            # for ever.
            writer.cancel()
            await asyncio.wait([writer])
        if not writer.cancelled():
            writer.result()
        if going_away:
            return ServerDrainingError("the server is shutting down")
        if self._fresh:
            return DeadlineExceededError(f"no answer within {self._attempt:g} s")
        return ServerUnreachableError("the server ended the stream without a reason")

    async def _write(self, stream: TrackStream) -> None:
        # A request that ended meanwhile, say because somebody cancelled it, must not begin anew.
        self._resuming = self._known
        left = None if self._queue_deadline is None else self._queue_deadline - self._loop.time()
        begin = render_requests.first_message(self._begin, resume=self._resuming, queue_timeout=left)
        await self._outbox.write(stream, begin)

    def _accept(self, message: TrackMessage) -> None:
        match message:
            case Queued(position, waiting_for, ttl):
                self._taken_up(ttl)
                self._listener._on_queued(position, waiting_for)
            case Admitted(request):
                self._taken_up(request.lease_ttl.total_seconds())
                self._admission = request
                if not self._outbox.finishing:
                    self._lease.watch()
                self._settled.set()
                if request.cancel_requested:
                    self._listener._on_cancel_requested(request.cancel_reason)
            case Renewed():
                sent_at = self._outbox.renewed()
                if sent_at is not None:
                    self._lease.renewed(sent_at)
            case CancelRequested(reason):
                self._listener._on_cancel_requested(reason)
            case LeaseLost(cause):
                self._conclude(_endings.lost(self._begin, cause))
                self._linger()
            case GoingAway():
                self._linger()
            case Finished():
                self._finished = True
                self._over.set()
                self._linger()

    def _taken_up(self, ttl: float) -> None:
        """The server has the request; to begin on this stream has renewed its lease."""
        self._fresh, self._known, self._failures = False, True, 0
        self._lease.ttl = ttl
        self._lease.renewed(self._outbox.began_at)
        self._outbox.renew_every(ttl)

    def _on_lease_over(self) -> None:
        self._conclude(_endings.lost(self._begin, f"no renewal was confirmed for {self._lease.ttl:g} s"))
        self._cut()

    def _is_over_with(self, error: SojournError) -> bool:
        """Whether there is no use in another stream."""
        if self._admission is not None:
            return _endings.ends_admitted(error)
        # A place in the queue that is lost is taken anew, once what is left of it has been cleared away. But not at an
        # expected revision, which its own events have moved on.
        place_lost = self._fresh and isinstance(error, LeaseLostError | RequestNotFoundError)
        if place_lost and not (self._known and render_requests.has_expected_revision(self._begin)):
            self._known = False
            return False
        return _endings.ends_queued(error, self._policy)

    async def _pause(self, error: SojournError) -> None:
        """Wait until it is time for the next stream; or give up a request that is not admitted."""
        now = self._loop.time()
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        wait = self._core.behaviour.retry.delay(self._failures)
        if self._failures == 1:
            wait = min(wait, _SOON)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after.total_seconds())
        if self._admission is None:
            if self._queue_deadline is not None and now + wait >= self._queue_deadline:
                return self._conclude(_endings.timed_out(self._begin, error))
            if now + wait - self._failing_since > self._total:
                return self._conclude(error)
        _logger.info("request %s interrupted, resuming in %.2f s: %s", self._begin.request_id, wait, error)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._hurry.wait()
        return None

    def _conclude(self, error: SojournError) -> None:
        """The request is over, and not by `finish`."""
        if self._over.is_set():
            return
        self._lease.release()
        self._over.set()
        self._settled.set()
        self._hurry.set()
        if self._admission is None:
            self._end = _endings.never_admitted(error)
        else:
            self._end = lost = _endings.lost(self._begin, str(error), error)
            if not self._outbox.finishing:
                self._listener._on_lost(lost)

    def _cut(self) -> None:
        """End the stream, if there is one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def _linger(self) -> None:
        """Leave the end of the stream to the server, but not for ever."""
        if self._lingering is None:
            self._lingering = self._loop.call_later(_LINGER, self._cut)
