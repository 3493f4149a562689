"""An application's sessions: made, found, tracked, counted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Self, TypedDict

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from starlette.responses import Response

from sojourn import Client, SessionHandle, Timeouts
from sojourn.config import Seconds, seconds
from sojourn.errors import SessionEndedError, SessionNotFoundError, SojournError
from sojourn.models import Session

from ._disconnect import WatchSending
from ._errors import add_error_handlers
from ._health import Health, examine
from ._tally import Tally
from ._tracking import Ending, TrackingMethods


class Metrics(TypedDict):
    """Sessions of an application. `total_*` count since its start, whoever made or ended them."""

    active_sessions: int
    total_sessions_created: int
    total_sessions_expired: int
    total_sessions_cleaned: int
    session_timeout_minutes: float
    max_concurrent_requests: int


class SessionManager(TrackingMethods):
    """The sessions of a FastAPI application, on the service: any number of back ends share them.

        sessions = SessionManager(session_timeout=timedelta(minutes=60), max_concurrent_requests=100)
        app = FastAPI(lifespan=sessions.lifespan)
        sessions.install(app)

    Args:
        target: where the service is; None: SOJOURN_TARGET, else `localhost:7431`.
        client: a client to use instead, not connected yet; it is connected and closed with the application. The
            manager's own gives up after 5 s, which is also how long it tries again over a limit.
        kind: kind of the application's sessions. Those of other kinds do not exist for it.
        project: project of the sessions it makes; with one, those of others do not exist for it either.
        session_timeout: a session that nobody uses for so long expires; None: never.
        max_concurrent_requests: most requests that this back end tracks at a time, waiting ones included; more are
            refused (503). Limits over all back ends are settings of the service.
        requests_per_session: most requests admitted at a time in a session; None: the service's default.
        queue_timeout: how long a request may wait for its admission before it is refused (429).
        on_shutdown: what becomes, when the application stops, of the active sessions that this back end made.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        client: Client | None = None,
        kind: str = "chat",
        project: str | None = None,
        session_timeout: Seconds | None = timedelta(minutes=60),
        max_concurrent_requests: int = 100,
        requests_per_session: int | None = None,
        queue_timeout: Seconds | None = 30.0,
        on_shutdown: Ending = "keep",
    ) -> None:

        def connection() -> Client:
            # Over a limit a client tries again for a while; nobody waits half a minute for a 429.
            return client or Client(target, writer="fastapi", timeouts=Timeouts(total=5))

        super().__init__(connection(), max_concurrent_requests=max_concurrent_requests, queue_timeout=queue_timeout)
        self._connection = connection
        self._kind = kind
        self._project = project
        self._timeout = session_timeout
        self._requests_per_session = requests_per_session
        self._on_shutdown: Ending = on_shutdown
        self._made = set[str]()  # sessions to end with the application
        self._tally = Tally(self._client, kind=kind, project=project, gone=self._made.discard)
        self._stopped = False

    @classmethod
    def from_environment(cls, prefix: str, **arguments: Any) -> Self:
        """A manager set by `<prefix>SESSION_TIMEOUT` (minutes, 0 for never) and `<prefix>MAX_CONCURRENT`, where they
        are given; `arguments` are those of the class. Raises ValueError for what is no number."""
        minutes, most = os.environ.get(f"{prefix}SESSION_TIMEOUT"), os.environ.get(f"{prefix}MAX_CONCURRENT")
        if minutes:
            arguments["session_timeout"] = timedelta(minutes=float(minutes)) or None
        if most:
            arguments["max_concurrent_requests"] = int(most)
        return cls(**arguments)

    @property
    def client(self) -> Client:
        """The client, connected while the application runs."""
        return self._client

    async def start(self) -> None:
        """Connect, and begin to count; also once more after `stop`, unless the client was given.

        Raises SojournError when the service cannot be reached.
        """
        if self._stopped:
            self._client = self._connection()
            self._tally = Tally(self._client, kind=self._kind, project=self._project, gone=self._made.discard)
        await self._client.connect()
        try:
            await self._tally.start()
        except BaseException:
            self._stopped = True
            await self._client.close()
            raise

    async def stop(self) -> None:
        """End what is to end with the application, and disconnect."""
        try:
            if self._on_shutdown != "keep":
                await asyncio.gather(*(self._end(each, self._on_shutdown) for each in self._made))
        finally:
            self._stopped = True
            await self._tally.stop()
            await self._client.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """The application's lifespan: `FastAPI(lifespan=sessions.lifespan)`, or within one of your own."""
        async with self:
            yield

    def install(self, app: FastAPI) -> None:
        """Turn errors of Sojourn into responses (see `add_error_handlers`); `app.state.session_manager` is this."""
        add_error_handlers(app)
        app.add_middleware(WatchSending)
        app.state.session_manager = self

    def router(self, *, health: str = "/health", metrics: str = "/metrics") -> APIRouter:
        """Routes for `app.include_router`: health (503 when it is down) and metrics, both as JSON."""
        router = APIRouter(tags=["sessions"])

        @router.get(health)
        async def get_health() -> Response:
            found = await self.health()
            return JSONResponse(found.model_dump(), 503 if found.status == "down" else 200)

        @router.get(metrics)
        async def get_metrics() -> Response:
            return JSONResponse(await self.get_metrics())

        return router

    async def create_session(
        self,
        session_id: str | None = None,
        *,
        user_id: str | None = None,
        conversation_id: str | None = None,
        purpose: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> SessionHandle:
        """A new session of the application; `conversation_id` is kept in its metadata.

        Raises what `Client.create_session` raises.
        """
        metadata = {**(metadata or {}), **({"conversation_id": conversation_id} if conversation_id else {})}
        session = await self._client.create_session(
            session_id,
            user_id=user_id,
            project=self._project,
            purpose=purpose,
            tags=tags,
            metadata=metadata,
            state=state,
            kind=self._kind,
            idle_timeout=self._timeout,
            max_concurrent_requests=self._requests_per_session,
        )
        if self._on_shutdown != "keep":
            self._made.add(session.id)
        return session

    async def get_session(self, session_id: str) -> SessionHandle | None:
        """The active session with this id; None when there is none, or not any more."""
        with suppress(SessionNotFoundError, SessionEndedError):
            session = self._client.session(session_id)
            self._check(await session.refresh())
            return session
        return None

    async def get_session_by_user(self, user_id: str) -> SessionHandle | None:
        """The user's newest active session; None when there is none. Raises CatalogUnavailableError."""
        return await self._newest(user_id=user_id)

    async def get_session_by_conversation(self, conversation_id: str) -> SessionHandle | None:
        """The newest active session of the conversation; None when there is none. Raises CatalogUnavailableError."""
        return await self._newest(metadata={"conversation_id": conversation_id})

    async def delete_session(self, session_id: str) -> bool:
        """Delete a session for ever; whether it was there."""
        try:
            self._check(await self._client.session(session_id).refresh(), ended=True)
            await self._client.delete_session(session_id)
        except SessionNotFoundError:
            return False
        return True

    async def get_active_session_count(self) -> int:
        """How many sessions are active now, of all back ends, exactly. Raises CatalogUnavailableError."""
        return await self._client.count_sessions(kind=self._kind, project=self._project, status="active")

    async def get_metrics(self) -> Metrics:
        """The application's sessions in numbers. Raises CatalogUnavailableError."""
        return Metrics(
            active_sessions=await self.get_active_session_count(),
            total_sessions_created=self._tally.created,
            total_sessions_expired=self._tally.expired,
            total_sessions_cleaned=self._tally.cleaned,
            session_timeout_minutes=0.0 if self._timeout is None else seconds(self._timeout) / 60,
            max_concurrent_requests=self._max_requests,
        )

    async def health(self) -> Health:
        """Whether requests can be served, found out now and within two seconds. Raises nothing."""
        return await examine(
            self._client.get_session("health-check"),
            self.get_active_session_count(),
            watching=self._tally.watching,
            requests=self._requests,
            at_capacity=self._requests >= self._max_requests,
        )

    def _check(self, session: Session, *, ended: bool = False) -> None:
        """Whether it is a session of the application, and active."""
        if session.kind != self._kind or (self._project is not None and session.project != self._project):
            raise SessionNotFoundError(
                f"there is no session {session.id}", reason="SESSION_NOT_FOUND", session_id=session.id
            )
        if not (ended or session.is_active):
            raise SessionEndedError(
                f"session {session.id} has ended: {session.status.value}",
                reason="SESSION_ENDED",
                session_id=session.id,
                revision=session.revision,
                status=session.status.value,
            )

    async def _newest(self, **conditions: Any) -> SessionHandle | None:
        found = self._client.list_sessions(
            kind=self._kind, project=self._project, status="active", limit=1, **conditions
        )
        async for session in found:
            return await self.get_session(session.id)
        return None

    async def _end(self, session_id: str, ending: Ending) -> None:
        """End a session that may have ended already; an error is none of the caller's, the session will expire."""
        with suppress(SojournError):
            if ending == "delete":
                await self._client.delete_session(session_id)
            elif ending == "complete":
                await self._client.session(session_id).complete()
