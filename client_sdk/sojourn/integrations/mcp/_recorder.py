"""The middleware that records tool calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ...client import Client
from ...config import Seconds, seconds
from ...errors import DeadlineExceededError, UnavailableError
from . import _outcomes
from ._calls import RecordedCall, Recording
from ._handles import ARGUMENT, RECORD_KEY, Handle, Handles, plain
from ._reasons import explained, reason_of
from ._redaction import SECRET_KEYS, Redact, Redaction

_logger = logging.getLogger("sojourn.mcp")

Authorize = Callable[[ServerRequestContext[Any, Any], str], Awaitable[bool]]
"""`(request, session id) -> whether its caller may record there`."""

T = TypeVar("T")


class SessionRecorder:
    """Records every tool call of an MCP server in the session that the call names.

        recorder = SessionRecorder()
        server = MCPServer("git", middleware=[recorder], lifespan=recorder.lifespan)

    A low-level `Server` takes it with `server.middleware.append(recorder)`. Calls name the session in an argument,
    which the tool never sees, or in the request's `_meta` under `sojourn/session_id`, which wins. A call that names
    none is not recorded. Recorded are tool, arguments, result or error, duration and, if the tool says so (see
    `current_call`), cost and token usage; a result with `isError`, an exception and a cancellation for what they are.

    The work of a tool is worth more than its record: whatever goes wrong with the record (an unknown or ended
    session, a server that is away) the tool runs and its result gets through. What became of the record stands in the
    result's `_meta` under `sojourn/record`, and a loss in the log `sojourn.mcp`:

        {"session_id": "...", "invocation_id": "...", "outcome": "recorded", "revision": 7}
        {"session_id": "...", "invocation_id": "...", "outcome": "lost", "reason": "SESSION_ENDED", "message": "..."}

    or `pending` when it took longer than `patience`; then it goes on behind the call.

    Args:
        client: a connected client that you close; or the target of a server, for a client of its own that connects at
            the first record. None: as `Client` chooses it.
        argument: name of the argument. None: only `_meta` counts. A tool with such an argument of its own keeps it.
        required: refuse calls that cannot be recorded, before the tool runs, with a result that says why.
        messages: also add each result to the conversation, as a message of role `tool`.
        redact_keys: keys of JSON objects, in arguments and structured results, whose values are not recorded; nor are
            those texts elsewhere in the record of the call. `token` is also `accessToken`, `X-Token`, `card_token`.
        redact: `(tool, arguments) -> arguments`, for what else must not be recorded of arguments.
        authorize: `(request, session id) -> bool`, awaited for every call that names a session: whether its caller may
            record there. None: whoever knows the id may.
        max_value_bytes: larger arguments and results become artifacts `<invocation id>/result.json`, ..., and are
            recorded as their references; as their beginning when that is not possible.
        artifacts: whether they do, and the images, audio and files in results too; otherwise only sizes are recorded.
        patience: how long an answer may be held up for its record. After one that took longer, none is held up until
            records get through again.
        api_key: for a client of its own.
    """

    def __init__(
        self,
        client: Client | str | None = None,
        *,
        argument: str | None = ARGUMENT,
        required: bool = False,
        messages: bool = False,
        redact_keys: Iterable[str] = SECRET_KEYS,
        redact: Redact | None = None,
        authorize: Authorize | None = None,
        max_value_bytes: int = 64 << 10,
        artifacts: bool = True,
        patience: Seconds = 2.0,
        api_key: str | None = None,
    ) -> None:
        self._handles = Handles(argument, required=required)
        self._how = Recording(
            redaction=Redaction(redact_keys, redact), messages=messages, artifacts=artifacts, most_bytes=max_value_bytes
        )
        self._required = required
        self._authorize = authorize
        self._patience = seconds(patience)
        self._given = client if isinstance(client, Client) else None
        self._target = client if isinstance(client, str) else None
        self._api_key = api_key
        self._own: Client | None = None
        self._connecting = asyncio.Lock()
        self._stuck = False  # the last record took longer than patience
        self._users = 0  # blocks that it is entered by
        self._unfinished: set[asyncio.Task[Any]] = set()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """The middleware itself."""
        if ctx.method == "tools/list":
            return self._handles.announce(plain(await call_next(ctx)))
        if ctx.method != "tools/call":
            return await call_next(ctx)
        handle, ctx = await self._handles.take(ctx, call_next)
        tool = (ctx.params or {}).get("name")
        if not isinstance(tool, str):
            return await call_next(ctx)  # no tool call at all: the SDK says so
        if not handle.session_id:
            if self._required:
                return _refusal(ctx, "This tool must be called with the id of the session it is recorded in.")
            return await call_next(ctx)
        if not await self._is_allowed(ctx, handle.session_id):
            return await self._denied(ctx, call_next, handle)
        call = RecordedCall(self._connected, handle, tool, (ctx.params or {}).get("arguments"), self._how)
        return await self._recorded(ctx, call_next, call)

    async def _is_allowed(self, ctx: ServerRequestContext[Any, Any], session_id: str) -> bool:
        if self._authorize is None:
            return True
        try:
            return await self._authorize(ctx, session_id)
        except Exception:
            _logger.exception("whether a caller may record in session %r cannot be told", session_id)
            return False

    async def _recorded(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, call: RecordedCall
    ) -> HandlerResult:
        started = self._keep(call.start())
        try:
            if self._required and (refusal := await self._unless_started(ctx, call, started)) is not None:
                return refusal
            with call.current():
                result = plain(await call_next(ctx))
        except asyncio.CancelledError:
            self._finish(call, _outcomes.CANCELLED)  # the cancellation must get through now
            raise
        except Exception as error:
            await self._told(call, self._finish(call, _outcomes.of_exception(error)))
            raise
        record = await self._told(call, self._finish(call, _outcomes.of_result(result)))
        return result | {"_meta": {**(result.get("_meta") or {}), RECORD_KEY: record}}

    async def _unless_started(
        self, ctx: ServerRequestContext[Any, Any], call: RecordedCall, started: asyncio.Task[Any]
    ) -> HandlerResult:
        """What a call that must be recorded is answered when it cannot be; None when it is."""
        done, _ = await asyncio.wait([started], timeout=self._patience)
        if done and started.exception() is None:
            return None
        # It may start yet; an invocation that nothing came of must not stay open.
        self._finish(call, _outcomes.of_exception(RuntimeError("refused: its start was not recorded in time")))
        problem = started.exception() if done else None
        why = explained(problem) if problem is not None else "the service does not answer"
        return _refusal(ctx, f"Not run, for it cannot be recorded in session {call.session_id!r}: {why}")

    async def _denied(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, handle: Handle) -> HandlerResult:
        # As if there were no such session, so that nobody learns which ids exist.
        message = f"there is no session {handle.session_id!r}"
        _logger.warning("a call of a tool is not recorded: its caller may not record in session %r", handle.session_id)
        if self._required:
            return _refusal(ctx, f"Not run, for it cannot be recorded: SESSION_NOT_FOUND: {message}")
        result = plain(await call_next(ctx))
        lost = {
            "session_id": handle.session_id, "outcome": "lost", "reason": "SESSION_NOT_FOUND", "message": message,
        }  # fmt: skip
        return result | {"_meta": {**(result.get("_meta") or {}), RECORD_KEY: lost}}

    def _finish(self, call: RecordedCall, outcome: _outcomes.Outcome) -> asyncio.Task[int]:
        """Records the end, in a task that nothing the call suffers can stop."""
        task = self._keep(asyncio.create_task(call.finish(outcome)))
        task.add_done_callback(lambda done: self._finished(call, done))
        return task

    def _finished(self, call: RecordedCall, done: asyncio.Task[int]) -> None:
        error = None if done.cancelled() else done.exception()
        if not (done.cancelled() or isinstance(error, UnavailableError | DeadlineExceededError)):
            self._stuck = False  # the service has answered
        if done.cancelled() or error is not None:
            why = "the server ended" if error is None else explained(error)
            where = call.invocation_id, call.tool, call.session_id
            _logger.warning("the call %r of %r is not recorded in session %r: %s", *where, why)

    async def _told(self, call: RecordedCall, finishing: asyncio.Task[int]) -> dict[str, Any]:
        """What became of the record, as far as patience reaches."""
        record: dict[str, Any] = {"session_id": call.session_id, "invocation_id": call.invocation_id}
        done, _ = await asyncio.wait([finishing], timeout=0 if self._stuck else self._patience)
        if not done:
            self._stuck = True
            return record | {"outcome": "pending"}
        error = finishing.exception()
        if error is None:
            return record | {"outcome": "recorded", "revision": finishing.result()}
        return record | {"outcome": "lost", "reason": reason_of(error), "message": str(error)}

    def _keep(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return task

    async def _connected(self) -> Client:
        if self._given is not None:
            return self._given
        async with self._connecting:
            if self._own is None:
                client = Client(self._target, api_key=self._api_key, writer="mcp")
                self._own = await client.connect()
            return self._own

    async def close(self) -> None:
        """Wait, within `patience`, for records under way, and close a client of its own. A later call reconnects."""
        if self._unfinished:
            _, late = await asyncio.wait(list(self._unfinished), timeout=self._patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        own, self._own = self._own, None
        if own is not None:
            await own.close()

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Servers enter their lifespan once for each connection, or once for all, depending on the transport.
        self._users -= 1
        if self._users == 0:
            await self.close()

    @asynccontextmanager
    async def lifespan(self, server: object) -> AsyncIterator[dict[str, Any]]:
        """For servers without a lifespan of their own: `MCPServer(..., lifespan=recorder.lifespan)`."""
        async with self:
            yield {}


def _refusal(ctx: ServerRequestContext[Any, Any], text: str) -> dict[str, Any]:
    """A result that the model reads."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        result["resultType"] = "complete"
    return result
