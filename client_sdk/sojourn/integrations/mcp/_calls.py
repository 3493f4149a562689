"""One recorded tool call: its start, its end, and what is told of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from ...client import Client
from ...errors import DeadlineExceededError, InvalidRequestError, ResourceExhaustedError, UnavailableError
from ...models import Usage
from ...session import SessionHandle
from ...write import Write, mint_invocation_id
from ._fitting import MOST_ERROR_BYTES, cut, fitting, stored
from ._handles import Handle
from ._outcomes import Outcome
from ._redaction import Redaction

_TRANSIENT = (UnavailableError, DeadlineExceededError, ResourceExhaustedError)
"""What may be over when the tool has ended."""

_current: ContextVar[RecordedCall | None] = ContextVar("sojourn_mcp_call", default=None)


def current_call() -> RecordedCall | None:
    """The call that is being recorded around the running code of a tool; None when none is.

    call = current_call()
    if call is not None:
        call.cost = 0.02
        await (await call.session()).set_state({"branch": "main"})
    """
    return _current.get()


@dataclass(frozen=True, slots=True)
class Recording:
    """How calls are recorded; see SessionRecorder."""

    redaction: Redaction
    messages: bool
    artifacts: bool
    most_bytes: int


class RecordedCall:
    """A tool call under way. A tool that knows what it cost says so here: `current_call().cost = 0.02`."""

    def __init__(
        self, connected: Callable[[], Awaitable[Client]], handle: Handle, tool: str, arguments: Any, how: Recording
    ) -> None:
        self.session_id = handle.session_id
        self.tool = tool
        self.invocation_id = handle.invocation_id or mint_invocation_id()
        self.cost: float | Decimal | None = None
        """In the deployment's currency unit."""
        self.usage: Usage | None = None
        """Tokens the tool used."""
        self._connected = connected
        self._how = how
        self._arguments, self._secrets = how.redaction.arguments(tool, arguments)
        self._began = time.monotonic()
        # One key for both attempts: a start that was thought lost must not happen twice.
        self._start_key = uuid4().hex
        self._started: asyncio.Task[SessionHandle] | None = None

    async def session(self) -> SessionHandle:
        """The call's session, for the tool to write to. Raises UnavailableError when there is no connection."""
        return (await self._connected()).session(self.session_id)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Makes it what `current_call` returns in the block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def start(self) -> asyncio.Task[SessionHandle]:
        """Begins to record the start, beside the tool's work."""
        self._started = asyncio.create_task(self._record_start())
        return self._started

    async def finish(self, outcome: Outcome) -> int:
        """Records the end; the session's revision. Raises SojournError."""
        duration = time.monotonic() - self._began
        assert self._started is not None
        try:
            session = await self._started
        except _TRANSIENT:
            session = await self._record_start()
        outcome = await self._fitted(session, outcome)
        try:
            return await self._record_end(session, outcome, duration)
        except InvalidRequestError as error:
            # What cannot be recorded must not leave the invocation open for ever.
            note = f"[the result cannot be recorded: {error}]"
            reduced = Outcome(outcome.status, note, error=outcome.error and note, text=note)
            return await self._record_end(session, reduced, duration)

    async def _record_start(self) -> SessionHandle:
        session = await self.session()
        arguments = await self._fit(self._arguments, session, "arguments", keep_text=False)
        async with session.write(idempotency_key=self._start_key) as write:
            write.start_invocation(self.tool, arguments=arguments, invocation_id=self.invocation_id)
        return session

    async def _record_end(self, session: SessionHandle, outcome: Outcome, duration: float) -> int:
        async with session.write() as write:
            write.finish_invocation(
                self.invocation_id,
                status=outcome.status,
                result=outcome.result,
                error=outcome.error,
                duration=duration,
                cost=self.cost,
                usage=self.usage,
                tool=self.tool,
            )
            self._add_message(write, outcome.text)
        assert write.revision is not None
        return write.revision

    def _add_message(self, write: Write, text: str) -> None:
        if self._how.messages:
            write.add_message("tool", text, tool_name=self.tool, invocation_id=self.invocation_id)

    async def _fitted(self, session: SessionHandle, outcome: Outcome) -> Outcome:
        """The outcome without secrets, and small enough."""
        redaction, most = self._how.redaction, self._how.most_bytes
        for number, binary in enumerate(outcome.binaries, 1):
            reference = None
            if self._how.artifacts:
                name = f"{self.invocation_id}/{number}{binary.suffix}"
                reference = await stored(session, name, binary.data, binary.content_type)
            binary.block.update(reference or {"size_bytes": len(binary.data)})
        value, secrets = redaction.value(outcome.result, self._secrets)
        result = await self._fit(value, session, "result")
        error = outcome.error
        if error is not None:
            error = cut(redaction.text(error, secrets), MOST_ERROR_BYTES)
        text = cut(redaction.text(outcome.text, secrets), most) if self._how.messages else ""
        return Outcome(outcome.status, result, error, text)

    async def _fit(self, value: Any, session: SessionHandle, what: str, *, keep_text: bool = True) -> Any:
        return await fitting(
            value,
            session,
            f"{self.invocation_id}/{what}",
            most_bytes=self._how.most_bytes,
            artifacts=self._how.artifacts,
            keep_text=keep_text,
        )
