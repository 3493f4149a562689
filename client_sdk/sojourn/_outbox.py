"""What a tracked request tells the server: one writer for each stream, and nothing piles up behind a slow one."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

from ._transport import render_requests
from ._transport.render_requests import FirstMessage
from ._transport.tracking import TrackStream

_PROGRESS_INTERVAL = 0.1
"""Seconds between two messages of progress; what comes in between replaces what was not sent yet."""
_HEARTBEATS = 3
"""How often a lease is renewed in its time."""
_PATIENCE = 1.0
"""Most seconds that a message which renews the lease waits for the answer to the one before."""


class Outbox:
    """News of a request for whatever stream it has: heartbeats when they are due, the latest progress, its end."""

    def __init__(self, request_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._request_id = request_id
        self._news = asyncio.Event()
        self._open = False
        self._interval = 0.0
        self._heartbeat_at = 0.0  # when the last one was sent
        self._asked_at: float | None = None  # when the first message was sent whose renewal was not confirmed yet
        self._sent_at = 0.0  # when the last message was sent that renews
        self._progress: tuple[float, str] | None = None
        self._progress_due = 0.0
        self._end: tuple[str, str] | None = None
        self.began_at = 0.0
        """When the beginning was sent on the stream, by the loop's clock."""

    @property
    def finishing(self) -> bool:
        """Whether the request was asked to end."""
        return self._end is not None

    def renew_every(self, ttl: float) -> None:
        """Renew in time for a lease of so many seconds; 0: never."""
        self._interval = ttl / _HEARTBEATS
        self._news.set()

    def renewed(self) -> float | None:
        """A renewal was confirmed: when it was asked for at the latest. None when that is not known."""
        asked_at, self._asked_at = self._asked_at, None
        self._news.set()
        return asked_at

    def progress(self, fraction: float, text: str) -> None:
        """Tell how far the request is. Raises InvalidFieldError."""
        render_requests.progress(fraction, text)
        self._progress = (fraction, text)
        self._news.set()

    def finish(self, outcome: str, error: str) -> None:
        """Tell how the request ended, after everything else."""
        self._end = (outcome, error)
        self._news.set()

    def close(self) -> None:
        """The stream has ended: stop writing to it."""
        self._open = False
        self._news.set()

    async def write(self, stream: TrackStream, begin: FirstMessage) -> None:
        """Begin on the stream and tell what is new, until the stream ends or the end was told."""
        self._open, self._asked_at = True, None
        self.began_at = self._heartbeat_at = self._loop.time()
        going_on = await stream.send(begin)
        while going_on and self._open:
            self._news.clear()
            now = self._loop.time()
            if self._progress is not None and (self.finishing or now >= self._progress_time()):
                going_on = await self._send_progress(stream, self._progress)
            elif self._end is not None:
                await stream.send(render_requests.finish_message(self._request_id, *self._end))
                return
            elif now >= self._heartbeat_time():
                self._heartbeat_at = now
                self._asks()
                going_on = await stream.send(render_requests.heartbeat())
            else:
                due = min(self._heartbeat_time(), self._progress_time())
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due if due < math.inf else None):
                        await self._news.wait()

    async def _send_progress(self, stream: TrackStream, progress: tuple[float, str]) -> bool:
        self._progress_due = self._loop.time() + _PROGRESS_INTERVAL
        self._asks()
        sent = await stream.send(render_requests.progress(*progress))
        if sent and self._progress is progress:
            self._progress = None
        return sent

    def _asks(self) -> None:
        """A message that renews goes out."""
        # Answers do not say what they answer, and one may answer several. So there is one question at a time; should
        # its answer not come soon, the time of the first counts, which is never too late.
        self._sent_at = self._loop.time()
        if self._asked_at is None:
            self._asked_at = self._sent_at

    def _heartbeat_time(self) -> float:
        return self._after_answer(self._heartbeat_at + self._interval) if self._interval else math.inf

    def _progress_time(self) -> float:
        return self._after_answer(self._progress_due) if self._progress is not None else math.inf

    def _after_answer(self, due: float) -> float:
        """When to send what is due then: an answer that is awaited comes first."""
        if self._asked_at is None:
            return due
        return max(due, self._sent_at + min(self._interval or _PATIENCE, _PATIENCE))
