"""Requests and WebSockets that are tracked: as blocks, and as dependencies of handlers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, WebSocket

from sojourn import Client, SessionHandle, TrackedRequest
from sojourn.config import Seconds
from sojourn.enums import RequestPolicy
from sojourn.errors import LimitExceededError
from sojourn.models import Session
from sojourn.tracking import Reaction

from ._disconnect import to_the_end, until_disconnected
from ._sockets import SessionSocket, attended

Ending = Literal["keep", "complete", "delete"]
"""What becomes of a session when its WebSocket, or the application, ends."""


class TrackedSession(SessionHandle):
    """A session whose `request` the handler works for: writes carry its fencing token, and it ends with the handler.

    `info` is the session as it was when the request was admitted.
    """

    __slots__ = ("request",)

    request: TrackedRequest


class TrackingMethods:
    """What a SessionManager does about requests."""

    def __init__(self, client: Client, *, max_concurrent_requests: int, queue_timeout: Seconds | None) -> None:
        self._client = client
        self._max_requests = max_concurrent_requests
        self._queue_timeout = queue_timeout
        self._requests = 0

    @asynccontextmanager
    async def track_request(
        self,
        session_id: str,
        *,
        name: str = "",
        priority: int = 0,
        policy: RequestPolicy | str = RequestPolicy.QUEUE,
        exclusive: bool = False,
        timeout: Seconds | None = None,
        on_cancel: Reaction = "raise",
    ) -> AsyncIterator[TrackedSession]:
        """The session, tracked: a request of it is admitted for the block, and ended with it however it ends.

        Args:
            session_id: an active session of the application.
            name, priority, policy, exclusive, on_cancel: as for `SessionHandle.track`.
            timeout: how long to wait for the admission. None: the manager's `queue_timeout`.

        Raises SessionNotFoundError, SessionEndedError, LimitExceededError (of its own too: `max_concurrent_requests`),
        QueueTimeoutError and whatever else `SessionHandle.track` raises.
        """
        session = TrackedSession(self._client, session_id)
        with self._place():
            self._check(await session.refresh())
            async with session.track(
                name,
                priority=priority,
                policy=policy,
                exclusive=exclusive,
                timeout=self._queue_timeout if timeout is None else timeout,
                on_cancel=on_cancel,
            ) as request:
                session.request = request
                if request.queued_for:
                    await session.refresh()
                yield session

    @asynccontextmanager
    async def track_socket(
        self, websocket: WebSocket, session_id: str, *, on_disconnect: Ending = "keep", name: str = "websocket"
    ) -> AsyncIterator[SessionSocket]:
        """Accept a WebSocket for as long as it is a tracked request of the session.

            async with sessions.track_socket(websocket, session_id, on_disconnect="delete") as socket:
                async for text in socket.iter_text():
                    await socket.send_text(await answer(socket.tracked, text))

        When its client leaves, the block ends even while the body is at work, without an exception, and the request is
        released; `on_disconnect` says what becomes of the session then, or when the body ends otherwise.

        Raises what `track_request` raises, before the socket is accepted.
        """
        accepted = False
        try:
            async with self.track_request(session_id, name=name) as session:
                await websocket.accept()
                accepted = True
                async with attended(websocket, session) as socket:
                    yield socket
        finally:
            if accepted and on_disconnect != "keep":
                await asyncio.shield(self._end(session_id, on_disconnect))

    def tracked(
        self,
        session_id: Any = "session_id",
        *,
        name: str = "",
        priority: int = 0,
        policy: RequestPolicy | str = RequestPolicy.QUEUE,
        exclusive: bool = False,
        timeout: Seconds | None = None,
        on_cancel: Reaction = "raise",
        stop_on_disconnect: bool = True,
        streaming: bool = False,
    ) -> Any:
        """A dependency that gives a handler its tracked session.

            @app.post("/chat/{session_id}")
            async def chat(text: str, session: Annotated[TrackedSession, sessions.tracked()]) -> ...

        Args:
            session_id: name of the path parameter, else query parameter, that holds the id; or a parameter such as
                `Header(alias="X-Session-ID")`.
            name, priority, policy, exclusive, timeout, on_cancel: as for `track_request`.
            stop_on_disconnect: cancel the handler when its client goes away. The request's body is then read whole
                before; False for handlers that read it in pieces.
            streaming: the handler returns a StreamingResponse: the request ends when that has been sent, as cancelled
                when its client went away before.
        """

        async def dependency(request: Request, **ids: str) -> AsyncIterator[TrackedSession]:
            (found,) = ids.values()
            track = self.track_request(
                found,
                name=name,
                priority=priority,
                policy=policy,
                exclusive=exclusive,
                timeout=timeout,
                on_cancel=on_cancel,
            )
            if streaming:
                async with to_the_end(request, track) as session:
                    yield session
            elif not stop_on_disconnect:
                async with track as session:
                    yield session
            else:
                async with until_disconnected(request), track as session:
                    yield session

        _declare(dependency, Request, session_id)
        # Within the function: the request is over before the response is sent, so who asks next finds it gone.
        return Depends(dependency, scope="request" if streaming else "function")

    def socket(self, session_id: Any = "session_id", *, on_disconnect: Ending = "keep", name: str = "websocket") -> Any:
        """A dependency that gives a WebSocket handler its accepted SessionSocket; see `track_socket` and `tracked`."""

        async def dependency(connection: WebSocket, **ids: str) -> AsyncIterator[SessionSocket]:
            (found,) = ids.values()
            async with self.track_socket(connection, found, on_disconnect=on_disconnect, name=name) as socket:
                yield socket

        _declare(dependency, WebSocket, session_id)
        return Depends(dependency, scope="function")

    def _check(self, session: Session) -> None:
        """Raises SojournError unless it is an active session of the application."""
        raise NotImplementedError

    async def _end(self, session_id: str, ending: Ending) -> None:
        """End a session that may have ended already."""
        raise NotImplementedError

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._requests >= self._max_requests:
            raise LimitExceededError(
                "the server is at capacity, try again later",
                reason="LIMIT_EXCEEDED",
                retry_after=timedelta(seconds=1),
                limit_name="max_concurrent_requests",
                limit=self._max_requests,
            )
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1


def _declare(dependency: Callable[..., Any], connection: type, session_id: Any) -> None:
    """Give a dependency the parameters FastAPI is to fill: the connection, and the id where it is to be found."""
    given = inspect.Parameter.KEYWORD_ONLY
    name, annotation = (session_id, str) if isinstance(session_id, str) else ("session_id", Annotated[str, session_id])
    first = next(iter(inspect.signature(dependency).parameters))
    dependency.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(first, given, annotation=connection), inspect.Parameter(name, given, annotation=annotation)]
    )
