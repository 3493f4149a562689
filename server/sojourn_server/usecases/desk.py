"""What happens to the requests of one session, for all tracked streams of it at this worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ..domain.changes import ChangeKind, kind_mask
from ..domain.cursor import SessionCursor
from ..domain.errors import DrainingError, NotFoundError, SojournError
from ..domain.requests import Request, RequestState
from ..domain.session import SessionKey
from ..ports import ArchivedSession, DeletedSession, Hub, RequestStore
from .admission import AWAY, GONE, Admission
from .background import Background
from .tracked import Tracked

log = structlog.get_logger()

ENDS = kind_mask([ChangeKind.REQUEST_FINISHED, ChangeKind.REQUEST_LOST, ChangeKind.REQUEST_CANCEL_REQUESTED])
"""What matters to a request that is admitted."""
MOVES = ENDS | kind_mask([ChangeKind.REQUEST_QUEUED, ChangeKind.REQUEST_ADMITTED])
"""What matters to one that waits."""
LEAST_PAUSE, PAUSE_EACH, MOST_PAUSE = 0.005, 0.0003, 1.0
"""Seconds between two reads of a session's requests in the long run, for each of its requests, and at most: telling all
of them their new place takes about a tenth of it."""
BURST = 4.0
"""Reads that need no pause after a quiet time: what happens now and then is told at once."""
TAP_SECONDS = 3600.0
REOPEN_SECONDS = 1.0
MISSING_SECONDS = 0.05
"""Until a session that was not there is looked for again, while somebody is here."""
LOOK_SECONDS = 30.0
"""A desk looks at its requests at least this often: that a stream of another worker took one up is no event."""


class Desk:
    """Follows one session. What its events say is not looked into: they make it read the requests as they are now."""

    def __init__(
        self, key: SessionKey, hub: Hub, requests: RequestStore, admission: Admission, background: Background
    ) -> None:
        self.key = key
        self.streams: dict[str, Tracked] = {}
        """By request id: of two streams of one request only the newer counts."""
        self.users = 0
        """Streams that are here or about to come."""
        self.idle = 0
        """Ticks without users."""
        self.version = 0
        """Grows with every event that matters to requests that are admitted already."""
        self.cursor: SessionCursor | None = None
        self.closed = False
        self._hub = hub
        self._requests = requests
        self._admission = admission
        self._background = background
        self._live = False
        self._poked = self._reading = False
        self._looked = asyncio.get_running_loop().time()
        self._credit, self._pause = BURST, LEAST_PAUSE
        self._task = asyncio.create_task(self._follow(), name="desk")

    def join(self, tracked: Tracked, version: int) -> None:
        """A stream whose request began since the desk was at `version`."""
        request = tracked.request
        other = self.streams.get(request.key.request_id)
        if other:
            other.see(request)
            tracked.see(other.request)
        if not tracked.over:
            self.streams[request.key.request_id] = tracked
        if self._poked or version != self.version or not tracked.admitted:
            self.poke()

    def leave(self, tracked: Tracked) -> None:
        """The stream has ended."""
        request_id = tracked.request.key.request_id
        if self.streams.get(request_id) is tracked:
            del self.streams[request_id]

    def poke(self) -> None:
        """Reads the requests, soon."""
        self._poked = True
        if not self._reading and self.streams and not self.closed:
            self._reading = True
            self._background.spawn(self._read(), "read requests")

    def tick(self, now: float) -> None:
        """About once a second: what no event tells."""
        silent = False
        for tracked in self.streams.values():
            lease = tracked.request.lease_ms / 1000
            if now - tracked.heard > lease:
                tracked.heard = now  # once a lease: somebody else renews it, or it has run out
                silent = True
        if silent or not self._live or now - self._looked > LOOK_SECONDS:
            self.poke()

    def close(self) -> None:
        """Lets go of the session."""
        self.closed = True
        self._task.cancel()

    async def drive(self, tracked: Tracked) -> None:
        """Tries to get the request the slots it lacks, and learns its place."""
        tracked.driving = True
        try:
            driven = await self._admission.drive(tracked.request)
        except AWAY:
            return
        except SojournError as error:
            tracked.end(error=error)
            return
        finally:
            tracked.driving = False
        if driven is None:
            await self._explain(tracked)
        elif not tracked.live:
            await self._admission.forget(driven)
        else:
            tracked.see(driven)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._hub.session(self.key, None) as (self.cursor, tap):
                    self._live = True
                    self.poke()
                    until = loop.time() + TAP_SECONDS  # one timer, however often the tap is asked
                    while True:
                        for item in await tap.next(max(until - loop.time(), 0.0)):
                            if isinstance(item, DeletedSession):
                                self._end_all(NotFoundError.deleted(item.session_id, item.revision))
                                return
                            if isinstance(item, ArchivedSession):  # no request of it was live
                                self._end_all(NotFoundError.missing(item.session_id))
                                return
                            self.cursor = item.cursor
                            self._notice(item.mask)
                        if loop.time() >= until:
                            until = loop.time() + TAP_SECONDS
            except DrainingError:
                return
            except NotFoundError:
                if not self.users:
                    self.closed = True
                    return
                # Who is here may have begun since, in a session that was made since: reading tells.
                self.poke()
                await asyncio.sleep(MISSING_SECONDS)
                continue
            except SojournError as error:
                log.debug("a desk follows its session anew", session=self.key.session_id, error=error.message)
            except Exception:
                log.exception("a desk failed", session=self.key.session_id)
            finally:
                self._live = False
            await asyncio.sleep(REOPEN_SECONDS)

    def _notice(self, mask: int) -> None:
        if mask & ENDS:
            self.version += 1
        if mask & ENDS or (mask & MOVES and not all(tracked.admitted for tracked in self.streams.values())):
            self.poke()

    async def _read(self) -> None:
        """Tells every stream what its request is now; as often as it is poked, with pauses."""
        try:
            while self._poked and self.streams and not self.closed:
                await self._turn()
                self._poked = False
                before = list(self.streams.items())
                found: list[Request] = []
                try:
                    found = await self._requests.of_session(self.key)
                except AWAY as error:
                    log.debug("requests are read later", session=self.key.session_id, error=error.message)
                    self._poked = True
                    await asyncio.sleep(REOPEN_SECONDS)
                    continue
                except NotFoundError as error:
                    self._end(before, error)  # others began since: the session was made since
                    continue
                self._pause = min(LEAST_PAUSE + PAUSE_EACH * len(found), MOST_PAUSE)
                self._tell(before, found)
        finally:
            self._reading = False

    async def _turn(self) -> None:
        """Waits until it is time to read again."""
        now = asyncio.get_running_loop().time()
        self._credit = min(self._credit + (now - self._looked) / self._pause, BURST)
        if self._credit < 1:
            await asyncio.sleep((1 - self._credit) * self._pause)
            self._credit = 1
        self._credit -= 1
        self._looked = asyncio.get_running_loop().time()

    def _tell(self, streams: list[tuple[str, Tracked]], found: list[Request]) -> None:
        """Only to streams that were here when the reading began: others may have begun since."""
        by_id = {request.key.request_id: request for request in found}
        for request_id, tracked in streams:
            request = by_id.get(request_id)
            if request is None:
                if tracked.live:
                    self._background.spawn(self._explain(tracked), "explain")
                continue
            waited = tracked.request.state is not RequestState.RESERVING
            tracked.see(request)
            if waited and tracked.request.state is RequestState.RESERVING and tracked.live and not tracked.driving:
                self._background.spawn(self.drive(tracked), "drive")

    async def _explain(self, tracked: Tracked) -> None:
        """Ends a stream whose request is gone, with the reason."""
        request = tracked.request
        try:
            tracked.see(await self._requests.get(request.key))
            return
        except AWAY:
            self.poke()
            return
        except GONE as error:
            tracked.end(error=_told(error, request))
        if request.state is RequestState.RESERVING:
            await self._admission.forget(request)

    def _end_all(self, error: NotFoundError) -> None:
        self.closed = True
        self._end(list(self.streams.items()), error)

    def _end(self, streams: Sequence[tuple[str, Tracked]], error: NotFoundError) -> None:
        for _, tracked in streams:
            tracked.end(error=error)
            if tracked.request.scopes:
                self._background.spawn(self._admission.forget(tracked.request), "forget")


def _told(error: SojournError, request: Request) -> SojournError:
    """A request that another worker ended because its pool went is told so."""
    gone = NotFoundError.pool(request.pool)
    return gone if error.metadata.get("error") == gone.message else error
