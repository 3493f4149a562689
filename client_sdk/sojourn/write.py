"""Writes: changes that are committed together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any
from uuid import uuid4

from ._transport import render_changes as render
from ._transport.calls import Written
from .config import Seconds
from .enums import InvocationStatus, LogLevel, MessageRole, StepStatus
from .errors import ClientStateError
from .models import Usage, WriteResult

Commit = Callable[[render.WriteBatch], Awaitable[Written]]


class Write:
    """One atomic write in the making; `SessionHandle.write` opens it.

        async with session.write(expected_revision=7) as write:
            write.set_state({"phase": "review"})
            write.add_message("assistant", "Ready for review.")
        print(write.revision)

    Nothing is sent before the block ends, and nothing at all when it ends with an exception or without a change. All
    changes become one event with one revision, in the order they were added, or none of them does. Every method raises
    InvalidFieldError for an argument that is wrong on its face, and then adds nothing.
    """

    __slots__ = ("_batch", "_commit", "_done", "_request_id", "_written")

    def __init__(self, batch: render.WriteBatch, commit: Commit, request_id: str | None = None) -> None:
        self._batch = batch
        self._commit = commit
        self._request_id = request_id  # the tracked request that invocations run under unless they name another
        self._done = False
        self._written: Written | None = None

    @property
    def revision(self) -> int | None:
        """Revision the write gave the session; None before it is committed, and when there was nothing to commit."""
        return self._written.revision if self._written is not None else None

    @property
    def result(self) -> WriteResult | None:
        """What the write became: revision, commit time, cursor, durability; None as for `revision`."""
        return self._written.result() if self._written is not None else None

    async def __aenter__(self) -> Write:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or render.is_empty(self._batch):
            self._done = True
            return
        await self._send()

    async def _send(self) -> int:
        """Commit the write; its revision."""
        batch = self._open()
        self._done = True
        self._written = await self._commit(batch)
        return self._written.revision

    def _open(self) -> render.WriteBatch:
        if self._done:
            raise ClientStateError("this write has ended; open another")
        return self._batch

    def set_state(self, values: Mapping[str, Any]) -> None:
        """Set state keys to JSON values; other keys stay as they are."""
        render.set_state(self._open(), values)

    def delete_state(self, *keys: str) -> None:
        """Delete state keys; one that does not exist is no error."""
        render.delete_state(self._open(), keys)

    def increment_state(self, key: str, delta: int = 1) -> None:
        """Add to an integer of the state, atomically in the store; a missing key counts as 0."""
        render.increment_state(self._open(), key, delta)

    def add_message(
        self,
        role: MessageRole | str,
        content: str | None = None,
        *,
        parts: Iterable[Any] = (),
        tool_name: str | None = None,
        invocation_id: str | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Append a message to the conversation. `parts` are further pieces of content, each a JSON object."""
        render.add_message(
            self._open(),
            role,
            content,
            parts=parts,
            tool_name=tool_name,
            invocation_id=invocation_id,
            usage=usage,
        )

    def start_invocation(
        self, tool: str, *, arguments: Any = None, invocation_id: str | None = None, request_id: str | None = None
    ) -> str:
        """Record that a tool invocation began; its id, minted when none is given.

        `request_id` is the tracked request it runs under; None: that of the block around, if there is one.
        """
        invocation_id = invocation_id or mint_invocation_id()
        request_id = request_id or self._request_id
        render.start_invocation(self._open(), invocation_id, tool, arguments=arguments, request_id=request_id)
        return invocation_id

    def finish_invocation(
        self,
        invocation_id: str,
        *,
        status: InvocationStatus | str = InvocationStatus.SUCCEEDED,
        result: Any = None,
        error: str | None = None,
        duration: Seconds | None = None,
        cost: float | Decimal | None = None,
        usage: Usage | None = None,
        tool: str | None = None,
    ) -> None:
        """Record how a tool invocation ended. Without a `duration` it is the time between the two commits."""
        render.finish_invocation(
            self._open(),
            invocation_id,
            tool,
            status=status,
            result=result,
            error=error,
            duration=duration,
            cost=cost,
            usage=usage,
        )

    def record_invocation(
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
    ) -> str:
        """Record a tool invocation that is over, its start and its finish; its id, minted when none is given.

        Without a `duration` it counts as having taken no time. `request_id` is as for `start_invocation`.
        """
        invocation_id = invocation_id or mint_invocation_id()
        render.record_invocation(
            self._open(),
            invocation_id,
            tool,
            arguments=arguments,
            status=status,
            result=result,
            error=error,
            duration=duration,
            cost=cost,
            usage=usage,
            request_id=request_id or self._request_id,
        )
        return invocation_id

    def record_step(
        self,
        name: str,
        *,
        status: StepStatus | str,
        run: int = 1,
        duration: Seconds | None = None,
        output: Any = None,
        error: str | None = None,
    ) -> None:
        """Record the outcome of a step: a workflow node, a test."""
        render.record_step(self._open(), name, status=status, run=run, duration=duration, output=output, error=error)

    def set_result(self, name: str, value: Any) -> None:
        """Set a named result to a JSON value; setting it again replaces it."""
        render.set_result(self._open(), name, value)

    def log(self, text: str, *, level: LogLevel | str = LogLevel.INFO) -> None:
        """Append a line to the session's log."""
        render.log(self._open(), text, level=level)

    def update(
        self,
        *,
        purpose: str | None = None,
        add_tags: Iterable[str] = (),
        remove_tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        remove_metadata: Iterable[str] = (),
    ) -> None:
        """Change purpose, tags or metadata; what is not given stays as it is. Works on ended sessions too."""
        render.update(
            self._open(),
            purpose=purpose,
            add_tags=add_tags,
            remove_tags=remove_tags,
            metadata=metadata,
            remove_metadata=remove_metadata,
        )

    def add_custom(self, type: str, payload: Any = None) -> None:  # noqa: A002 - the field's name
        """Add what the application wants in order among the rest, under a name of its own such as `acme.checkpoint`."""
        render.add_custom(self._open(), type, payload)


def mint_invocation_id() -> str:
    """An id that no other invocation has."""
    return f"inv-{uuid4().hex}"
