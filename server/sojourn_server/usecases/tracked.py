"""One tracked stream: what its request is, and what is still to be told to the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from ..domain.cursor import SessionCursor
from ..domain.errors import LeaseLostError, SojournError
from ..domain.requests import Begun, Ended, Request, RequestState
from .admission import superseded


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; told again when its place changes."""

    request: Request


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may work."""

    request: Request
    resumed: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """The lease was renewed; it runs out at `deadline_us` by the store's clock."""

    deadline_us: int


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asks the request to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The request is no longer admitted; the stream's error follows."""

    cause: str


@dataclass(frozen=True, slots=True)
class GoingAway:
    """This worker shuts down and leaves the lease alone; None when the session could not be read."""

    cursor: SessionCursor | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of the request was recorded."""

    ended: Ended


TrackMessage = Queued | Admitted | Renewed | CancelRequested | LeaseLost | GoingAway | Finished


class Tracked:
    """A stream that began its request. The latest message of each kind waits to be told, so what a client that does not
    read leaves behind stays small."""

    __slots__ = (
        "_cancel_told", "_error", "_outbox", "_place_told", "_waiter", "driving", "finishing", "heard", "note",
        "noting", "over", "released", "request", "resumed", "timer",
    )  # fmt: skip

    def __init__(self, begun: Begun, now: float) -> None:
        self.request = begun.request
        """As it was seen last."""
        self.resumed = begun.resumed
        self.heard = now
        """When the client said something last, by the loop's clock."""
        self.over = False
        """Nothing more is to be told."""
        self.released = False
        """The request needs no release when the stream ends: it has ended, has another stream, or is to be taken up."""
        self.finishing = False
        self.driving = False
        self.note: tuple[float, str] | None = None
        """Progress that was not passed on yet."""
        self.noting = False
        self.timer: asyncio.TimerHandle | None = None
        """Runs while a queue timeout does."""
        self._outbox: dict[type, TrackMessage] = {}
        self._error: SojournError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._place_told: tuple[int, str] | None = None
        self._cancel_told = False
        if self.admitted:
            self._tell(Admitted(self.request, self.resumed))
        else:
            self._tell_place(always=True)
        self._tell_cancel()

    @property
    def admitted(self) -> bool:
        return self.request.state is RequestState.ADMITTED

    @property
    def live(self) -> bool:
        """Whether the client still works, or waits: its stream is neither over nor finishing."""
        return not (self.over or self.finishing)

    async def messages(self) -> AsyncGenerator[TrackMessage]:
        """What the client is told, until the stream is over; then its error, if it ends with one."""
        while True:
            while self._outbox:
                yield self._outbox.pop(next(iter(self._outbox)))
            if self._error:
                raise self._error
            if self.over:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def see(self, found: Request) -> None:
        """The request as somebody read it, perhaps a moment ago."""
        was = self.request
        if not self.live or found.attachment < was.attachment or found.begin_us < was.begin_us:
            return
        if found.attachment > was.attachment or found.begin_us > was.begin_us:
            self.end(error=superseded(was.key))
            return
        if was.state > found.state:
            return
        if found.state is RequestState.RESERVING and not found.waiting_for:
            found = replace(found, position=was.position, waiting_for=was.waiting_for)
        self.request = found
        if found.state is not RequestState.ADMITTED:
            self._tell_place()
        elif was.state is not RequestState.ADMITTED:
            self._tell(Admitted(found, self.resumed))
        self._tell_cancel()

    def renewed(self, deadline_us: int) -> None:
        """The lease was renewed."""
        if not self.over:
            self.request.lease_deadline_us = deadline_us
            self._tell(Renewed(deadline_us))

    def end(
        self, last: TrackMessage | None = None, *, error: SojournError | None = None, released: bool = True
    ) -> None:
        """Ends the stream, after what waits to be told. A stream that finishes ends by `finished` alone.

        Args:
            last: what to tell at the end.
            error: what the stream ends with.
            released: whether the request is to be left as it is.
        """
        if self.live:
            self._end(last, error, released)

    def finished(self, result: Ended | SojournError) -> None:
        """Ends a stream whose client finished its request."""
        if isinstance(result, Ended):
            self._end(Finished(result), None, True)
        else:
            self._end(None, result, True)

    def _end(self, last: TrackMessage | None, error: SojournError | None, released: bool) -> None:
        self.over, self.released, self._error = True, released, error
        if isinstance(error, LeaseLostError):
            last = LeaseLost(error.metadata["cause"])
        if last:
            self._tell(last)
        self._wake()

    def _tell_place(self, *, always: bool = False) -> None:
        place = (self.request.position, self.request.waiting_for)
        if always or (place != self._place_told and place[0]):
            self._place_told = place
            self._tell(Queued(self.request))

    def _tell_cancel(self) -> None:
        if self.request.cancel_reason is not None and not self._cancel_told:
            self._cancel_told = True
            self._tell(CancelRequested(self.request.cancel_reason))

    def _tell(self, message: TrackMessage) -> None:
        self._outbox[type(message)] = message
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
