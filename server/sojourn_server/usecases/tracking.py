"""Tracked streams: the stream's life is the request's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from ..domain.cursor import SessionCursor
from ..domain.errors import (
    DrainingError,
    InvalidFieldError,
    LimitExceededError,
    QueueTimeoutError,
    SojournError,
    internal_error,
)
from ..domain.requests import Begun, NewRequest, RequestOutcome, RequestState
from ..ports import ActiveStore, Hub, RequestStore
from .admission import AWAY, Admission
from .background import Background
from .desk import Desk
from .desks import TICK_SECONDS, Desks
from .notes import Notes
from .presence import Presence
from .renewals import Renewals
from .tracked import GoingAway, Tracked

FIRST_SECONDS = 10.0
"""How long a client may take to say what it wants."""
GRACE_SECONDS = 0.5
"""How long a request whose stream broke may be taken up again before it is lost."""
LEFT = "its stream ended"

T = TypeVar("T")


class Tracking:
    """All tracked streams of this worker.

    One stream costs what gRPC costs and a few hundred bytes: what happens to its request it learns from its session's
    desk, its lease is renewed together with the others', and one ticker looks after all.
    """

    def __init__(
        self,
        requests: RequestStore,
        sessions: ActiveStore,
        admission: Admission,
        hub: Hub,
        presence: Presence,
        background: Background,
        *,
        max_streams: int,
        progress_ms: int,
    ) -> None:
        self._sessions = sessions
        self._admission = admission
        self._presence = presence
        self._background = background
        self._max_streams = max_streams
        self._renewals = Renewals(requests, background, self._on_lost)
        self._notes = Notes(requests, background, progress_ms)
        self._desks = Desks(hub, requests, admission, background)
        self._streams = 0
        self._silent: set[asyncio.Timeout] = set()
        self._draining = asyncio.Event()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for a stream, from its first moment to its last.

        Raises:
            LimitExceededError: `tracked_streams_per_worker`.
            DrainingError: this process is shutting down.
        """
        if self._draining.is_set():
            raise DrainingError
        if self._streams >= self._max_streams:
            raise LimitExceededError("tracked_streams_per_worker", self._max_streams)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    async def first(self, read: Awaitable[T]) -> T:
        """Waits for a client's first word.

        Raises:
            InvalidFieldError: it did not come within `FIRST_SECONDS`.
            DrainingError: this process shuts down.
        """
        try:
            async with asyncio.timeout(FIRST_SECONDS) as patience:
                self._silent.add(patience)
                try:
                    return await read
                finally:
                    self._silent.discard(patience)
        except TimeoutError:
            if self._draining.is_set():
                raise DrainingError from None
            raise InvalidFieldError("begin", f"begin within {FIRST_SECONDS:g} s") from None

    @asynccontextmanager
    async def open(self, new: NewRequest) -> AsyncIterator[Tracked]:
        """Begins (or takes up) a request and holds it while the context is open; raises like `Admission.begin`.

        A context that is left before the request has ended releases it, unless it is taken up again within
        `GRACE_SECONDS`.
        """
        with self._presence.at(new.key.session):
            desk = self._desks.at(new.key.session)
            desk.users += 1
            try:
                version = desk.version
                tracked = Tracked(await self._begin(new), asyncio.get_running_loop().time())
                desk.join(tracked, version)
                self._watch_queue(tracked)
                if self._draining.is_set():
                    self._send_away(tracked, desk)
                try:
                    yield tracked
                except AWAY:
                    tracked.released = True  # not the client's doing: it is told to come back
                    raise
                finally:
                    desk.leave(tracked)
                    self._leave(tracked)
            finally:
                desk.users -= 1

    def heartbeat(self, tracked: Tracked) -> None:
        """The client is alive."""
        if tracked.live:
            tracked.heard = asyncio.get_running_loop().time()
            self._renewals.add(tracked)

    def progress(self, tracked: Tracked, fraction: float, text: str) -> None:
        """The client is alive and so far."""
        self.heartbeat(tracked)
        self._notes.put(tracked, fraction, text)

    def finish(self, tracked: Tracked, outcome: RequestOutcome, error: str) -> None:
        """The client is done. What follows does not depend on the stream any more."""
        if tracked.live:
            tracked.finishing = True
            self._background.spawn(self._finish(tracked, outcome, error), "finish")

    def hang_up(self, tracked: Tracked, error: SojournError | None = None) -> None:
        """The client says no more, or nothing that makes sense, without having finished."""
        tracked.end(error=error, released=False)

    def drain(self) -> None:
        """Ends every stream with GoingAway and refuses new ones; leases are left alone."""
        self._draining.set()
        for patience in self._silent:
            if not patience.expired():
                patience.reschedule(0)
        self._renewals.flush()
        for desk, tracked in self._desks.streams():
            self._send_away(tracked, desk)

    async def close(self) -> None:
        """Lets go of all sessions."""
        self._draining.set()
        await self._desks.close()

    async def _begin(self, new: NewRequest) -> Begun:
        begin = self._background.start(self._admission.begin(new), "begin")
        try:
            return await asyncio.shield(begin)
        except asyncio.CancelledError:
            self._background.spawn(self._abandon(begin), "abandon")
            raise

    async def _abandon(self, begin: asyncio.Task[Begun]) -> None:
        """The client went away while its request began."""
        try:
            begun = await begin
        except SojournError:
            return
        await self._release(Tracked(begun, 0.0))

    async def _finish(self, tracked: Tracked, outcome: RequestOutcome, error: str) -> None:
        try:
            await self._notes.flush(tracked)
            tracked.finished(await self._admission.finish(tracked.request.key, outcome, error))
        except SojournError as refused:
            tracked.finished(refused)  # after an unknown outcome the caller tries again, within the lease
        finally:
            if not tracked.over:  # a defect, which is logged: the stream must not wait for ever
                tracked.finished(internal_error())

    def _leave(self, tracked: Tracked) -> None:
        if tracked.timer:
            tracked.timer.cancel()
        if not (tracked.released or tracked.finishing):
            tracked.end(released=False)
            self._background.spawn(self._release(tracked), "release")

    async def _release(self, tracked: Tracked) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._draining.wait()
            return  # its lease goes on, and runs out if nobody takes it up elsewhere
        await self._admission.detach(tracked.request.key, tracked.request.attachment, LEFT)
        if tracked.request.state is RequestState.RESERVING:
            await self._admission.forget(tracked.request)

    def _send_away(self, tracked: Tracked, desk: Desk) -> None:
        if desk.cursor:
            tracked.end(GoingAway(desk.cursor))
        else:
            self._background.spawn(self._read_and_send_away(tracked), "send away")

    async def _read_and_send_away(self, tracked: Tracked) -> None:
        """The desk did not get to see the session."""
        cursor = None
        with suppress(SojournError):
            session = await self._sessions.get(tracked.request.key.session, full=False)
            cursor = SessionCursor(session.uid, session.incarnation, session.revision, session.updated_us)
        tracked.end(GoingAway(cursor))

    def _on_lost(self, tracked: Tracked) -> None:
        self._background.spawn(self._lose(tracked), "lose")

    async def _lose(self, tracked: Tracked) -> None:
        tracked.end(error=await self._admission.lost(tracked.request))

    def _watch_queue(self, tracked: Tracked) -> None:
        """The store's clock decides; ours only says when to ask. What it misses is left to the reaper."""
        request = tracked.request
        if request.queue_deadline_us and not tracked.admitted and not tracked.over:
            seconds = (request.queue_deadline_us - request.begin_us) / 1e6
            self._ask_again(tracked, seconds)

    def _ask_again(self, tracked: Tracked, seconds: float) -> None:
        def ask() -> None:
            self._background.spawn(self._time_out(tracked), "time out")

        tracked.timer = asyncio.get_running_loop().call_later(seconds, ask)

    async def _time_out(self, tracked: Tracked) -> None:
        if not tracked.live or tracked.admitted:
            return
        key = tracked.request.key
        try:
            if await self._admission.time_out(key):
                tracked.end(error=QueueTimeoutError(key.session.session_id, key.request_id))
                return
        except AWAY:
            pass
        if tracked.live and not tracked.admitted:
            self._ask_again(tracked, TICK_SECONDS)
