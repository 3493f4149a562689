"""The client: a connection to the service, and the way to its sessions."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from . import _finding, _requests
from ._client_parts import CleanupMethods, InsightMethods, TemplateMethods
from ._core import Behaviour, Core
from ._filters import InvocationConditions, SearchConditions, SessionConditions, Statuses
from ._threads import ThreadMethods
from ._transfer import TransferMethods
from ._transport import render, render_search
from ._transport.calls import WatchStream
from ._transport.channel import Endpoint
from ._transport.values import invalid
from .config import TLS, Batching, Keepalive, RetryPolicy, Seconds, Timeouts, Watching
from .enums import Consistency, RequestState, TextSource
from .errors import ClientAlreadyConnectedError, ClientClosedError, ClientNotConnectedError
from .models import FoundInvocation, FoundSession, Invocation, Pool, Request, Session
from .pool import PoolHandle, SlotSessions
from .results import Results
from .session import Kinds, SessionHandle, _several
from .watch import SessionsWatch

DEFAULT_TARGET = "localhost:7431"
TARGET_VARIABLE = "SOJOURN_TARGET"


class Client(InsightMethods, TemplateMethods, CleanupMethods, TransferMethods, ThreadMethods):
    """A connection to the service, for one event loop.

        async with Client("localhost:7431") as client:
            session = await client.create_session(purpose="review")

    or, where no block fits, `await client.connect()` and `await client.close()`. A closed client cannot be reopened.

    Args:
        target: `host:port`, or any gRPC target. None: the environment's SOJOURN_TARGET, else `localhost:7431`.
        api_key: credential, sent with every call as `authorization: Bearer ...`.
        tls: True or a TLS for an encrypted connection. None or False: plain text.
        project: project of created sessions that name none.
        user_id: user of created sessions that name none.
        writer: label kept in the events of this client's writes, at most 128 bytes.
        timeouts, retry, keepalive, batching, watching: see `sojourn.config`.
        max_message_bytes: largest message sent or received; above what a whole session may hold.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        api_key: str | None = None,
        tls: TLS | bool | None = None,
        project: str | None = None,
        user_id: str | None = None,
        writer: str = "",
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        keepalive: Keepalive | None = None,
        batching: Batching | None = None,
        watching: Watching | None = None,
        max_message_bytes: int = 32 << 20,
    ) -> None:
        self.target = target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET
        self._project = project
        self._user_id = user_id
        self._endpoint = Endpoint(
            target=self.target,
            api_key=api_key,
            tls=tls if isinstance(tls, TLS) else (TLS() if tls else None),
            keepalive=keepalive or Keepalive(),
            max_message_bytes=max_message_bytes,
        )
        self._behaviour = Behaviour(
            timeouts=timeouts or Timeouts(),
            retry=retry or RetryPolicy(),
            batching=batching or Batching(),
            watching=watching or Watching(),
            writer=writer,
        )
        self._core: Core | None = None
        self._slots = SlotSessions(self)
        self._connecting = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self._core is not None else "not connected"
        return f"Client({self.target!r}, {state})"

    async def connect(self) -> Self:
        """Connect; the client itself.

        Raises ServerUnreachableError when there is no connection in time (the client may then try again),
        ClientAlreadyConnectedError, ClientClosedError.
        """
        if self._closed:
            raise ClientClosedError("a closed client cannot be reopened; make another")
        if self._core is not None or self._connecting:
            raise ClientAlreadyConnectedError("the client is connected already")
        self._connecting = True
        try:
            core = await Core.connect(self._endpoint, self._behaviour)
        finally:
            self._connecting = False
        if self._closed:
            await core.close()
            raise ClientClosedError("the client was closed while it connected")
        self._core = core
        return self

    async def close(self) -> None:
        """Close the connection. Safe to repeat.

        Calls and watches under way raise ClientClosedError, requests tracked at the time are lost.
        """
        try:
            if self._core is not None and not self._closed:
                await self._slots.complete()
        finally:
            self._closed = True
            core, self._core = self._core, None
            if core is not None:
                await core.close()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def create_session(
        self,
        session_id: str | None = None,
        *,
        user_id: str | None = None,
        project: str | None = None,
        purpose: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        kind: str | None = None,
        template: str | None = None,
        idle_timeout: Seconds | None = None,
        max_lifetime: Seconds | None = None,
        max_concurrent_requests: int | None = None,
        parent: str | None = None,
        if_exists: Literal["error", "return"] = "error",
        idempotency_key: str | None = None,
    ) -> SessionHandle:
        """Create a session; a handle with its `info` loaded.

        Args:
            session_id: 1 to 128 letters, digits and `. _ ~ @ + = -`, beginning with a letter or digit. None: the
                server mints `<kind>-<unix seconds>-<hex>`.
            user_id, project: labels. None: the client's own.
            purpose: why the session exists, for people.
            tags: labels, at most 64.
            metadata, state: JSON values by key.
            kind: 1 to 64 lower-case letters, digits and `-`, beginning with a letter. None: the template's, else
                `session`.
            template: a template (see `create_template`) that the session begins with, as far as the rest does not say
                otherwise.
            idle_timeout: the session expires when no write came for this long. None: never.
            max_lifetime: the session expires this long after its creation. None: never.
            max_concurrent_requests: most requests admitted at a time. None: the server's default.
            parent: id of the session this one is created under.
            if_exists: what to do when the id is taken: fail, or return the session that is there, unchanged.
            idempotency_key: the same key within 24 hours has the first call's result. None: a new one.

        Raises SessionAlreadyExistsError, TemplateNotFoundError, InvalidRequestError, ResourceExhaustedError,
        UnavailableError.
        """
        core = self._live()
        if if_exists not in ("error", "return"):
            raise invalid("if_exists", "'error' or 'return'")
        key = idempotency_key or core.mint_key()
        request = render.create_session(
            session_id=session_id,
            return_existing=if_exists == "return",
            kind=kind or "",
            user_id=user_id if user_id is not None else self._user_id,
            project=project if project is not None else self._project,
            purpose=purpose,
            tags=tags,
            metadata=metadata,
            state=state,
            parent=parent,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            max_concurrent_requests=max_concurrent_requests,
            writer=self._behaviour.writer,
            idempotency_key=key,
            template=template,
        )
        info = await core.call(
            lambda timeout: core.calls.create_session(request, timeout), change=(session_id or "", key)
        )
        return SessionHandle(self, info.id, info)

    async def get_session(self, session_id: str) -> SessionHandle:
        """A handle with the session's `info` loaded. Raises SessionNotFoundError (SessionDeletedError)."""
        return SessionHandle(self, session_id, await self._live().read(session_id))

    async def get_or_create_session(
        self,
        session_id: str,
        *,
        user_id: str | None = None,
        project: str | None = None,
        purpose: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        kind: str | None = None,
        template: str | None = None,
        idle_timeout: Seconds | None = None,
        max_lifetime: Seconds | None = None,
        max_concurrent_requests: int | None = None,
        parent: str | None = None,
    ) -> SessionHandle:
        """The session that is there, unchanged; else a new one as `create_session` makes it. One call, no race."""
        return await self.create_session(
            session_id,
            user_id=user_id,
            project=project,
            purpose=purpose,
            tags=tags,
            metadata=metadata,
            state=state,
            kind=kind,
            template=template,
            idle_timeout=idle_timeout,
            max_lifetime=max_lifetime,
            max_concurrent_requests=max_concurrent_requests,
            parent=parent,
            if_exists="return",
        )

    def session(self, session_id: str) -> SessionHandle:
        """A handle without I/O, for a session that may not even exist; its `info` is loaded by `refresh()`."""
        self._live()
        if not session_id:
            raise invalid("session_id", "an id that is not empty")
        return SessionHandle(self, session_id)

    async def delete_session(
        self, session_id: str, *, expected_revision: int | None = None, idempotency_key: str | None = None
    ) -> int:
        """Delete a session and its event log for ever; its last revision.

        Raises SessionNotFoundError (SessionDeletedError), and RevisionConflictError when `expected_revision` is given.
        """
        core = self._live()
        key = idempotency_key or core.mint_key()
        request = render.delete_session(session_id, expected_revision=expected_revision, idempotency_key=key)
        return await core.call(lambda timeout: core.calls.delete_session(request, timeout), change=(session_id, key))

    def list_sessions(
        self,
        *,
        limit: int | None = None,
        consistency: Consistency | str = "strong",
        **conditions: Unpack[SessionConditions],
    ) -> Results[Session]:
        """The sessions that match every condition given, newest first, whichever tier they are in.

            async for session in client.list_sessions(user_id="ada", status="active", tags=["travel"]):
                print(session.id, session.purpose)

        They come without state and results, and are read page by page.

        Args:
            user_id, project, kind, parent: exactly this.
            status: this one, or any of these.
            tags: all of these.
            any_tags: at least one of these.
            metadata: each of these keys, with an equal JSON value; at most 16.
            text: a text of the session (purpose, message, arguments or result of an invocation, log) holds all these
                words; words between double quotes stand together.
            tiers: the data lives in this tier, or in any of these: `hot`, `recent`, `archive`.
            created_after, updated_after, ended_after: then or later; aware datetimes.
            created_before, updated_before, ended_before: earlier; aware datetimes.
            limit: at most this many. None: all.
            consistency: `strong` finds everything acknowledged before the call. `eventual` waits for nothing and may
                miss the last moments; `lag` of what is returned tells how many.

        Raises, from the iteration, InvalidRequestError and CatalogUnavailableError.
        """
        return _finding.list_sessions(self._live(), limit=limit, consistency=consistency, **conditions)

    async def count_sessions(
        self, *, consistency: Consistency | str = "strong", **conditions: Unpack[SessionConditions]
    ) -> int:
        """How many sessions match; the conditions are those of `list_sessions`."""
        return await _finding.count_sessions(self._live(), consistency=consistency, **conditions)

    def search(
        self,
        query: str,
        *,
        sources: TextSource | str | Iterable[TextSource | str] | None = None,
        limit: int | None = None,
        consistency: Consistency | str = "strong",
        **conditions: Unpack[SearchConditions],
    ) -> Results[FoundSession]:
        """The sessions with a text that matches the query, best match first, with what matched.

            async for found in client.search("refund policy", user_id="ada"):
                print(found.session.id, [fragment.text for fragment in found.fragments])

        Args:
            query: words that must all be in one text, in any order; words between double quotes stand together.
            sources: only these texts: `purpose`, `message`, `arguments`, `result`, `log`. None: all.
            limit, consistency, conditions: as for `list_sessions`, without `text`.

        Raises, from the iteration, InvalidRequestError and CatalogUnavailableError.
        """
        return _finding.search(self._live(), query, sources=sources, limit=limit, consistency=consistency, **conditions)

    def invocations(
        self,
        *,
        limit: int | None = None,
        consistency: Consistency | str = "strong",
        **conditions: Unpack[InvocationConditions],
    ) -> Results[Invocation]:
        """The tool invocations of all sessions that match every condition given, newest start first.

            async for call in client.invocations(tool="search_flights", status="failed"):
                print(call.session_id, call.id, call.error)

        Args:
            session_id, tool: exactly this.
            user_id, project: those of sessions with exactly this label.
            status: this one, or any of these; `running` is one that has not finished.
            running: those that run, too; without `status`, only those.
            started_after: started then or later; an aware datetime.
            started_before: started earlier; an aware datetime.
            min_duration, max_duration: took at least, at most this long. One that runs has no duration yet.
            limit, consistency: as for `list_sessions`.

        Raises, from the iteration, InvalidRequestError and CatalogUnavailableError.
        """
        return _finding.invocations(self._live(), limit=limit, consistency=consistency, **conditions)

    async def get_invocation(self, session_id: str, invocation_id: str) -> FoundInvocation:
        """One invocation, and its `session`; everything acknowledged before the call is seen.

        Raises SessionNotFoundError (SessionDeletedError), InvocationNotFoundError, CatalogUnavailableError.
        """
        return await _finding.get_invocation(self._live(), session_id, invocation_id)

    def watch_sessions(
        self,
        *,
        user_id: str | None = None,
        project: str | None = None,
        status: Statuses | None = None,
        tags: Iterable[str] = (),
        any_tags: Iterable[str] = (),
        kind: str | None = None,
        parent: str | None = None,
        after: str | None = None,
        kinds: Kinds | None = None,
        snapshot: bool = False,
    ) -> SessionsWatch:
        """Watch all sessions that match, those created later included: each event once, per session in order.

            async with client.watch_sessions(status="active", snapshot=True) as watch:
                for session in watch.snapshots: ...
                async for event in watch:
                    print(event.session_id, event.revision, event.changes)

        A deletion comes as a SessionDeleted among the events, and as a SessionArchived that one which has ended left
        the active store. A session is matched as it is at each of its events, so
        it enters and leaves the watch as its status and tags change; the event that makes it leave is still delivered.

        Args:
            user_id, project, status, tags, any_tags, kind, parent: as for `list_sessions`.
            after: deliver what comes after this `cursor` of an earlier watch of sessions. None: from now on.
            kinds: only events with a change of one of these kinds, each as a whole. None: all.
            snapshot: read the matching sessions into `watch.snapshots` first. Not with `after`.

        Raises, from the iteration, CursorTooOldError and HistoryRolledBackError.
        """
        filter_ = render_search.session_filter(
            user_id=user_id,
            project=project,
            status=status,
            tags=tags,
            any_tags=any_tags,
            kind=kind,
            parent=parent,
        )
        wanted = _several(kinds)

        def open_stream(cursor: str | None, with_snapshot: bool) -> WatchStream:
            core = self._live()
            request = render.watch_sessions(
                filter_,
                after=cursor,
                snapshot=with_snapshot,
                kinds=wanted,
                progress_interval=core.behaviour.watching.progress_interval,
            )
            return core.calls.watch_sessions(request)

        behaviour = self._live().behaviour
        return SessionsWatch(
            open_stream,
            after=after,
            snapshot=snapshot,
            watching=behaviour.watching,
            timeouts=behaviour.timeouts,
            policy=behaviour.retry,
        )

    def requests(
        self,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        project: str | None = None,
        pool: str | None = None,
        state: RequestState | str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Request]:
        """The live requests, queued and admitted, that match every condition given; oldest first, read page by page.

        Args:
            session_id: those of this session.
            user_id, project: those of sessions with exactly this label.
            pool: those that take a slot from this pool.
            state: those that are `queued` or `admitted`. None: both.
            limit: at most this many. None: all.
        """
        return _requests.live_requests(
            self._live(),
            session_id=session_id,
            user_id=user_id,
            project=project,
            pool=pool,
            state=state,
            limit=limit,
        )

    async def cancel_request(self, session_id: str, request_id: str, *, reason: str = "", force: bool = False) -> bool:
        """Ask a request to stop; whether it has ended.

        One that is queued ends at once. One that is admitted is told, and goes on until it stops by itself; with
        `force` its lease is taken away: its fencing token is refused from now on, whatever its holder does.

        Raises RequestNotFoundError; RequestEndedError and LeaseLostError for one that is over; SessionNotFoundError.
        """
        return await _requests.cancel_request(self._live(), session_id, request_id, reason=reason, force=force)

    def pool(self, name: str, *, session: SessionHandle | None = None) -> PoolHandle:
        """A pool to take slots from, without I/O; it may not even exist.

        Args:
            session: where the requests for its slots live. None: a session of this client's own, of kind `slots`, that
                is made at the first use and completed when the client closes.
        """
        self._live()
        if not name:
            raise invalid("name", "a name that is not empty")
        return PoolHandle(self, name, session)

    async def pools(self) -> list[Pool]:
        """The pools, by name."""
        return await _requests.pools(self._live())

    def _live(self) -> Core:
        """The connection. Raises ClientNotConnectedError or ClientClosedError."""
        core = self._core
        if core is None:
            if self._closed:
                raise ClientClosedError("the client is closed")
            raise ClientNotConnectedError("the client is not connected: use `async with`, or await connect() first")
        return core
