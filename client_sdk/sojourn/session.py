"""The handle of a session: everything that is done with one session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import _paging, _requests
from ._fencing import fence_of
from ._session_artifacts import ArtifactMethods
from ._session_export import ExportMethods
from ._session_lasting import LastingMethods
from ._transport import render, render_changes
from ._transport.calls import WatchStream, Written
from .config import Seconds
from .enums import (
    ChangeKind,
    InvocationStatus,
    LogLevel,
    MessageRole,
    RequestPolicy,
    RequestState,
    SessionStatus,
    StepStatus,
)
from .errors import HistoryRolledBackError, SessionNotLoadedError, SessionReplacedError
from .invocation import InvocationCall
from .models import Event, Invocation, Message, Request, Session, Usage
from .tracking import Reaction, TrackedRequest
from .watch import SessionWatch
from .write import Write

if TYPE_CHECKING:
    from .client import Client

Kinds = ChangeKind | str | Iterable[ChangeKind | str]


class SessionHandle(ArtifactMethods, ExportMethods, LastingMethods):
    """A session to work with. `Client` makes it; it needs no closing.

    Methods that change the session return the revision the change got. They retry until the client's deadline and carry
    an idempotency key, so that a retry never takes effect twice. All of them may raise, besides what they name:
    InvalidRequestError (InvalidFieldError, TooLargeError), SessionNotFoundError (SessionDeletedError),
    SessionEndedError, RevisionConflictError when `expected_revision` is given, HistoryRolledBackError when the store
    lost what this handle has seen of the session and SessionReplacedError when another session has its id now (nothing
    was written; `refresh()` and decide anew), ResourceExhaustedError, UnavailableError (OutcomeUnknownError: it may
    have happened) and DeadlineExceededError. Inside the block of a request that this client tracks in the session they
    carry the request's fencing token, and raise FencingTokenRejectedError once it is no longer admitted.
    """

    __slots__ = ("_client", "_info", "_known", "_losses", "_revision", "id")

    def __init__(self, client: Client, session_id: str, info: Session | None = None) -> None:
        self.id = session_id
        self._client = client
        self._info = info
        self._revision = info.revision if info is not None else 0
        self._known = info.cursor if info is not None else ""  # of `_revision`: writes say that they know it
        self._losses = 0

    def __repr__(self) -> str:
        return f"SessionHandle({self.id!r}, revision={self._revision})"

    @property
    def info(self) -> Session:
        """The session as it was last read: when it was created or got, or by `refresh`. Writes do not change it.

        Raises SessionNotLoadedError on a handle from `Client.session` before its first `refresh`.
        """
        if self._info is None:
            raise SessionNotLoadedError(f"session {self.id!r} was not read yet: await refresh() first")
        return self._info

    @property
    def revision(self) -> int:
        """Newest revision this handle has seen, in a read, a write or a watch of its own; 0 before the first."""
        return self._revision

    async def refresh(self) -> Session:
        """Read the session anew; what is then in `info`."""
        info = await self._client._live().read(self.id)
        self._take(info)
        return info

    def write(
        self,
        *,
        expected_revision: int | None = None,
        required_status: SessionStatus | str | None = None,
        fencing_token: int | None = None,
        idempotency_key: str | None = None,
    ) -> Write:
        """An atomic write of several changes, committed when its `async with` block ends well.

        Args:
            expected_revision: commit only at exactly this revision, else RevisionConflictError.
            required_status: commit only in this status, else StatusConflictError.
            fencing_token: commit only while the request with this token is admitted, else FencingTokenRejectedError.
                None: inside the block of a tracked request that request's, else none.
            idempotency_key: at most 128 bytes; the same key with the same write within 24 hours has the first one's
                result.
        """
        core = self._client._live()
        fence = fence_of(self._client, self.id) if fencing_token is None else None
        batch = render_changes.new_write(
            self.id,
            writer=core.behaviour.writer,
            idempotency_key=idempotency_key or core.mint_key(),
            expected_revision=expected_revision,
            required_status=required_status,
            fencing_token=fence.token if fence is not None else fencing_token,
            known=self._known,
        )
        return Write(batch, self._commit, fence.request_id if fence is not None else None)

    async def set_state(self, values: Mapping[str, Any], *, expected_revision: int | None = None) -> int:
        """Set state keys to JSON values; other keys stay as they are."""
        write = self.write(expected_revision=expected_revision)
        write.set_state(values)
        return await write._send()

    async def delete_state(self, *keys: str, expected_revision: int | None = None) -> int:
        """Delete state keys; one that does not exist is no error."""
        write = self.write(expected_revision=expected_revision)
        write.delete_state(*keys)
        return await write._send()

    async def increment_state(self, key: str, delta: int = 1) -> int:
        """Add to an integer of the state, atomically in the store; a missing key counts as 0.

        Raises NotAnIntegerError and IntegerOverflowError.
        """
        write = self.write()
        write.increment_state(key, delta)
        return await write._send()

    async def update(
        self,
        *,
        purpose: str | None = None,
        add_tags: Iterable[str] = (),
        remove_tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        remove_metadata: Iterable[str] = (),
        expected_revision: int | None = None,
    ) -> int:
        """Change purpose, tags or metadata; what is not given stays as it is. Works on ended sessions too."""
        write = self.write(expected_revision=expected_revision)
        write.update(
            purpose=purpose,
            add_tags=add_tags,
            remove_tags=remove_tags,
            metadata=metadata,
            remove_metadata=remove_metadata,
        )
        return await write._send()

    async def add_message(
        self,
        role: MessageRole | str,
        content: str | None = None,
        *,
        parts: Iterable[Any] = (),
        tool_name: str | None = None,
        invocation_id: str | None = None,
        usage: Usage | None = None,
    ) -> int:
        """Append a message to the conversation. `parts` are further pieces of content, each a JSON object."""
        write = self.write()
        write.add_message(role, content, parts=parts, tool_name=tool_name, invocation_id=invocation_id, usage=usage)
        return await write._send()

    def invocation(
        self,
        tool: str,
        *,
        arguments: Any = None,
        invocation_id: str | None = None,
        request_id: str | None = None,
    ) -> InvocationCall:
        """A tool invocation to run in an `async with` block: recorded as started, and as finished even on an error.

        `request_id` is the tracked request it runs under; None: that of the block around. Should the request end first,
        the server closes the invocation as interrupted.
        """
        return InvocationCall(self.write, self._client._live().run, tool, arguments, invocation_id, request_id)

    async def record_invocation(
        self,
        tool: str,
        *,
        arguments: Any = None,
        result: Any = None,
        status: InvocationStatus | str = InvocationStatus.SUCCEEDED,
        error: str | None = None,
        duration: Seconds | None = None,
        cost: float | Decimal | None = None,
        usage: Usage | None = None,
        invocation_id: str | None = None,
        request_id: str | None = None,
    ) -> int:
        """Record a tool invocation that is over: its start and its finish in one write."""
        write = self.write()
        write.record_invocation(
            tool,
            arguments=arguments,
            result=result,
            status=status,
            error=error,
            duration=duration,
            cost=cost,
            usage=usage,
            invocation_id=invocation_id,
            request_id=request_id,
        )
        return await write._send()

    async def record_step(
        self,
        name: str,
        *,
        status: StepStatus | str,
        run: int = 1,
        duration: Seconds | None = None,
        output: Any = None,
        error: str | None = None,
    ) -> int:
        """Record the outcome of a step: a workflow node, a test."""
        write = self.write()
        write.record_step(name, status=status, run=run, duration=duration, output=output, error=error)
        return await write._send()

    async def set_result(self, name: str, value: Any) -> int:
        """Set a named result to a JSON value; setting it again replaces it."""
        write = self.write()
        write.set_result(name, value)
        return await write._send()

    async def log(self, text: str, *, level: LogLevel | str = LogLevel.INFO) -> int:
        """Append a line to the session's log."""
        write = self.write()
        write.log(text, level=level)
        return await write._send()

    async def add_custom(self, type: str, payload: Any = None) -> int:  # noqa: A002 - the field's name
        """Add what the application wants in order among the rest, under a name of its own such as `acme.checkpoint`."""
        write = self.write()
        write.add_custom(type, payload)
        return await write._send()

    async def complete(
        self,
        *,
        status: SessionStatus | str = SessionStatus.COMPLETED,
        error: str | None = None,
        expected_revision: int | None = None,
        fencing_token: int | None = None,
        idempotency_key: str | None = None,
    ) -> int:
        """End the session as completed, failed, abandoned or cancelled; then it takes only `update`.

        Raises SessionEndedError when it has ended already.
        """
        core = self._client._live()
        key = idempotency_key or core.mint_key()
        fence = fence_of(self._client, self.id) if fencing_token is None else None
        request = render.complete_session(
            self.id,
            status=status,
            error=error,
            expected_revision=expected_revision,
            fencing_token=fence.token if fence is not None else fencing_token,
            known=self._known,
            writer=core.behaviour.writer,
            idempotency_key=key,
        )
        change = self.id, key
        try:
            ended = await core.call(lambda timeout: core.calls.complete_session(request, timeout), change=change)
        except (HistoryRolledBackError, SessionReplacedError) as error:
            self._forget(error)
            raise
        self._see(ended.revision, ended.cursor)
        return ended.revision

    def track(
        self,
        name: str = "",
        *,
        priority: int = 0,
        policy: RequestPolicy | str = RequestPolicy.QUEUE,
        exclusive: bool = False,
        timeout: Seconds | None = None,
        pool: str | None = None,
        request_id: str | None = None,
        lease_ttl: Seconds | None = None,
        expected_revision: int | None = None,
        required_status: SessionStatus | str | None = None,
        on_cancel: Reaction = "raise",
        on_lost: Reaction = "raise",
        fence: bool = True,
    ) -> TrackedRequest:
        """A piece of work to do in an `async with` block: bounded, ordered, visible to all, and can be asked to stop.

        Args:
            name: what it does, for people.
            priority: 0 (last) to 9 (first).
            policy: what it does when it cannot be admitted at once: `queue`, `reject`, `interrupt` or `replace_queued`.
            exclusive: whether no other request of the session may be admitted beside it.
            timeout: how long to wait in the queue. None: as long as it takes.
            pool: a pool it takes a slot from, too.
            request_id: its id; a live request with that id is taken up. None: a new one.
            lease_ttl: how long it stays admitted without a sign of life, 1 s to 24 h. None: the server's default.
            expected_revision, required_status: begin only at this revision, in this status.
            on_cancel: when it is asked to stop, `raise`: its body is cancelled and the block raises
                RequestCancelledError; `flag`: only `request.cancelled` is set.
            on_lost: the same for the loss of its lease: LeaseLostError and `request.lost`.
            fence: whether writes to the session in its body carry its fencing token, and invocations its id.

        Entering raises QueueTimeoutError, LimitExceededError, RequestCancelledError (it was cancelled in the queue),
        PoolNotFoundError, SessionNotFoundError, SessionEndedError, RevisionConflictError, StatusConflictError and
        UnavailableError. Leaving a body that ended well raises LeaseLostError when the lease had been lost by then.
        """
        begin = _requests.begin(
            self._client._live(),
            self.id,
            name,
            priority=priority,
            policy=policy,
            exclusive=exclusive,
            timeout=timeout,
            pool=pool,
            request_id=request_id,
            lease_ttl=lease_ttl,
            expected_revision=expected_revision,
            required_status=required_status,
        )
        return TrackedRequest(
            self._client,
            begin,
            self,
            policy=policy,
            timeout=timeout,
            on_cancel=on_cancel,
            on_lost=on_lost,
            fence=fence,
        )

    def requests(
        self, *, pool: str | None = None, state: RequestState | str | None = None, limit: int | None = None
    ) -> AsyncIterator[Request]:
        """The session's live requests, oldest first; see `Client.requests`."""
        return self._client.requests(session_id=self.id, pool=pool, state=state, limit=limit)

    async def cancel_request(self, request_id: str, *, reason: str = "", force: bool = False) -> bool:
        """Ask a request of the session to stop; whether it has ended. See `Client.cancel_request`."""
        return await self._client.cancel_request(self.id, request_id, reason=reason, force=force)

    def watch(
        self,
        *,
        after: Event | str | int | None = None,
        kinds: Kinds | None = None,
        snapshot: bool = False,
        until_ended: bool = False,
    ) -> SessionWatch:
        """Watch the session live: every event once and in order, across reconnects.

            async with session.watch(snapshot=True) as watch:   # entered: the watch is live
                print(watch.snapshot)
                async for event in watch: ...
            async for event in session.watch(after=event): ...  # also works, live from the first step on

        Args:
            after: deliver what comes after this event, cursor or revision (0: everything). None: from now on.
            kinds: only events with a change of one of these kinds, each as a whole. None: all.
            snapshot: read the session into `watch.snapshot` first; the events after it follow. Not with `after`.
            until_ended: end the iteration after the event that ended the session.

        A session that has ended and left the active store gives the events asked for, and then the iteration ends;
        `watch.archived` tells.

        Raises, from the iteration: SessionNotFoundError; SessionDeletedError after the last event;
        CursorInFutureError, HistoryRolledBackError, SessionReplacedError; UnavailableError when it could not become
        live before the client's deadline.
        """
        client, kinds, losses = self._client, _several(kinds), self._losses

        def see(revision: int, cursor: str) -> None:
            if self._losses == losses:  # else what is still on its way here may be of a lost history
                self._see(revision, cursor)

        def open_stream(position: Event | str | int | None, with_snapshot: bool) -> WatchStream:
            core = client._live()
            request = render.watch_session(
                self.id,
                after=position,
                snapshot=with_snapshot,
                kinds=kinds,
                until_ended=until_ended,
                progress_interval=core.behaviour.watching.progress_interval,
            )
            return core.calls.watch_session(request)

        behaviour = client._live().behaviour
        return SessionWatch(
            open_stream,
            session_id=self.id,
            after=after,
            snapshot=snapshot,
            filtered=bool(kinds),
            until_ended=until_ended,
            see=see,
            watching=behaviour.watching,
            timeouts=behaviour.timeouts,
            policy=behaviour.retry,
        )

    def events(
        self,
        *,
        after: Event | str | int | None = None,
        before: Event | str | int | None = None,
        kinds: Kinds | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> AsyncIterator[Event]:
        """The session's event log, read page by page.

        Args:
            after: only events after this event, cursor or revision. None: from the oldest that is kept.
            before: only events before this event, cursor or revision. None: up to the newest.
            kinds: only events with a change of one of these kinds, each as a whole. None: all.
            limit: at most this many. None: all.
            reverse: newest first.

        Raises CursorTooOldError, CursorInFutureError, HistoryRolledBackError, SessionReplacedError.
        """
        core, kinds = self._client._live(), _several(kinds)

        async def fetch(page_size: int, page_token: str) -> tuple[list[Event], str]:
            request = render.list_events(
                self.id,
                after=after,
                before=before,
                kinds=kinds,
                page_size=page_size,
                page_token=page_token,
                reverse=reverse,
            )
            return await core.call(lambda timeout: core.calls.list_events(request, timeout))

        return _paging.paged(fetch, limit)

    def messages(self, *, limit: int | None = None) -> AsyncIterator[Message]:
        """The conversation, oldest message first, at most `limit` of them."""
        return _paging.messages(self.events(kinds=ChangeKind.MESSAGE_APPENDED), limit)

    def invocations(self) -> AsyncIterator[Invocation]:
        """The tool invocations in the order they were started; those under way come as running."""
        kinds = (ChangeKind.INVOCATION_STARTED, ChangeKind.INVOCATION_FINISHED)
        return _paging.invocations(self.events(kinds=kinds))

    async def _commit(self, batch: render_changes.WriteBatch) -> Written:
        try:
            written = await self._client._live().write(self.id, batch)
        except (HistoryRolledBackError, SessionReplacedError) as error:
            self._forget(error)
            raise
        self._see(written.revision, written.cursor)
        return written

    def _take(self, info: Session) -> None:
        """Keeps what was just read."""
        self._info, self._revision, self._known = info, info.revision, info.cursor

    def _see(self, revision: int, cursor: str) -> None:
        if revision > self._revision or not self._known:
            self._revision, self._known = revision, cursor

    def _forget(self, error: HistoryRolledBackError | SessionReplacedError) -> None:
        """What this handle has seen is no part of the session's history any more."""
        revision = error.revision if isinstance(error, HistoryRolledBackError) else 0
        self._revision, self._known = min(self._revision, revision), ""
        self._losses += 1


def _several(kinds: Kinds | None) -> list[str]:
    """The kinds as a list: they are read again at every reconnect and every page."""
    if kinds is None:
        return []
    return [kinds] if isinstance(kinds, str) else list(kinds)
