"""Threads: conversations of queries and answers, each a session with the context of its last query.

    thread = await client.thread(thread_id, user_id="ada")
    async with thread.query("Which tools do you recommend?", agent="advanced") as query:
        query.response = await answer(query.text, await query.history())

A thread is a session of kind `thread`. Its context is state (see `ThreadContext`), its messages are the session's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import _paging
from .changes import Model, Usage
from .config import Seconds
from .enums import ChangeKind, InvocationStatus, RequestPolicy
from .errors import SojournError, TrackingError
from .invocation import InvocationCall
from .models import Event, Message, Session
from .tracking import Reaction, TrackedRequest

if TYPE_CHECKING:
    from .session import SessionHandle

_logger = logging.getLogger("sojourn.thread")

KIND = "thread"
"""Kind of the sessions that are threads."""
RESPONSE_CHARS = 500
"""Longest response and error text kept in the context, unless `Client.thread` says otherwise. Messages are whole."""


class ThreadContext(Model):
    """What a thread knows of its queries; each field is the state key of that name.

    Every change is part of one atomic write: the question with `query_count`, `last_query` and `last_agent_type`; the
    answer with what is left. Counters are incremented in the store, so concurrent callers lose nothing.
    """

    query_count: int = 0
    """Questions asked: those answered, failed and cut short, and the one under way."""
    error_count: int = 0
    """Queries that failed."""
    last_query: str = ""
    """The last question, in full."""
    last_agent_type: str = ""
    """The agent that was asked for."""
    last_agent_used: str = ""
    """The agent that answered last."""
    last_response: str = ""
    """The last answer, cut off after so many characters as the thread was opened with."""
    last_execution_time: timedelta | None = None
    """How long the last query that ended took from its admission on; in the state as seconds."""
    last_error: str = ""
    """What went wrong last, cut off like the answer."""


class Thread:
    """A thread to ask queries in; `Client.thread` opens it. It needs no closing."""

    __slots__ = ("_response_chars", "session")

    def __init__(self, session: SessionHandle, *, response_chars: int = RESPONSE_CHARS) -> None:
        self.session = session
        """The session that the thread is; `session.info` is what was read last."""
        self._response_chars = response_chars

    def __repr__(self) -> str:
        return f"Thread({self.id!r}, user_id={self.user_id!r})"

    @property
    def id(self) -> str:
        """The thread's id, which is its session's."""
        return self.session.id

    @property
    def user_id(self) -> str:
        """Whose thread it is; empty when it is nobody's."""
        return self.session.info.user_id

    @property
    def context(self) -> ThreadContext:
        """The context as it was last read: when the thread was opened, or by `refresh`."""
        return context_of(self.session.info)

    @property
    def metadata(self) -> dict[str, Any]:
        """The session's metadata with `query_count`, `last_query` and `last_agent_type` of the context."""
        context = self.context
        shown = {name: getattr(context, name) for name in ("query_count", "last_query", "last_agent_type")}
        return {**self.session.info.metadata, **shown}

    async def refresh(self) -> ThreadContext:
        """Read the thread anew; its context."""
        return context_of(await self.session.refresh())

    async def history(self, limit: int | None = 20) -> list[Message]:
        """The last messages, oldest first: at most `limit`, all with None."""
        events = self.session.events(kinds=ChangeKind.MESSAGE_APPENDED, reverse=True, limit=limit)
        newest = [event async for event in events]
        messages = [message async for message in _paging.messages(_in_order(newest), None)]
        return messages if limit is None else messages[max(0, len(messages) - limit) :]

    @asynccontextmanager
    async def query(
        self,
        text: str,
        *,
        agent: str = "",
        timeout: Seconds | None = None,
        priority: int = 0,
        policy: RequestPolicy | str = RequestPolicy.QUEUE,
        exclusive: bool = True,
        on_cancel: Reaction = "raise",
    ) -> AsyncIterator[ThreadQuery]:
        """Ask a query in an `async with` block, whose body finds the answer and sets it as the query's `response`.

        The block is a tracked request of the session (see `SessionHandle.track`), by default one at a time in a thread:
        who comes meanwhile waits in line. Entering writes the question, leaving the answer, each one atomic write with
        what belongs to it of the context. An exception in the body is counted as an error and goes on its way; a query
        that is cancelled, or loses its lease, is no error.

        Args:
            text: the question, a message of role `user`.
            agent: the agent that is asked for; also the request's name.
            timeout, priority, policy, exclusive, on_cancel: as for `SessionHandle.track`.

        Raises what `SessionHandle.track` and writes raise.
        """
        request = self.session.track(
            agent or "query",
            timeout=timeout,
            priority=priority,
            policy=policy,
            exclusive=exclusive,
            on_cancel=on_cancel,
        )
        async with request:
            query = ThreadQuery(self, request, text, agent, self._response_chars)
            await query._ask()
            try:
                yield query
            except TrackingError:
                raise
            except Exception as error:
                await query._failed(error)
                raise
            await query._answer()


class ThreadQuery:
    """A query under way; `Thread.query` makes it. The body sets what there is to say of the answer."""

    def __init__(self, thread: Thread, request: TrackedRequest, text: str, agent: str, response_chars: int) -> None:
        self.thread = thread
        self.request = request
        """The tracked request: tell `progress`, look at `cancelled`."""
        self.text = text
        """The question."""
        self.agent = agent
        """The agent that was asked for."""
        self.agent_used = agent
        """The agent that answered; may be set."""
        self.response: str | None = None
        """The answer, to be set; None: none is recorded."""
        self.usage: Usage | None = None
        """Tokens and cost of the answer, to be set where they are known."""
        self.error: str | None = None
        """Set it to record a failure without raising."""
        self.execution_time: timedelta | None = None
        """How long it took from its admission on; None before it has ended."""
        self._response_chars = response_chars
        self._asked = 0  # revision of the question
        self._begun = time.perf_counter()

    @property
    def session(self) -> SessionHandle:
        """The thread's session."""
        return self.thread.session

    async def history(self, limit: int | None = 20) -> list[Message]:
        """The messages before this question, oldest first: at most the last `limit`, all with None."""
        messages = await self.thread.history(None if limit is None else limit + 1)
        before = [message for message in messages if message.revision < self._asked]
        return before if limit is None else before[max(0, len(before) - limit) :]

    def invocation(self, tool: str, *, arguments: Any = None, invocation_id: str | None = None) -> InvocationCall:
        """A tool invocation to run in an `async with` block; see `SessionHandle.invocation`."""
        return self.session.invocation(tool, arguments=arguments, invocation_id=invocation_id)

    async def record_invocation(
        self,
        tool: str,
        *,
        arguments: Any = None,
        result: Any = None,
        status: InvocationStatus | str = InvocationStatus.SUCCEEDED,
        error: str | None = None,
        duration: Seconds | None = None,
    ) -> int:
        """Record a tool invocation that is over; see `SessionHandle.record_invocation`."""
        return await self.session.record_invocation(
            tool, arguments=arguments, result=result, status=status, error=error, duration=duration
        )

    async def _ask(self) -> None:
        write = self.session.write()
        write.add_message("user", self.text)
        write.increment_state("query_count")
        write.set_state({"last_query": self.text, "last_agent_type": self.agent})
        self._asked = await write._send()

    async def _answer(self) -> None:
        if self.request.lost or (self.request.cancelled and self.response is None and self.error is None):
            return  # there is nothing to say, or nobody may say it any more
        write = self.session.write()
        context: dict[str, Any] = {"last_execution_time": self._stop(), "last_agent_used": self.agent_used}
        if self.response is not None:
            write.add_message("assistant", self.response, usage=self.usage)
            context["last_response"] = self._cut(self.response)
        if self.error is not None:
            write.increment_state("error_count")
            context["last_error"] = self._cut(self.error)
        write.set_state(context)
        await write._send()

    async def _failed(self, error: Exception) -> None:
        self.error = self.error or str(error) or type(error).__name__
        try:
            await self._answer()
        except SojournError as problem:  # the body's own exception says more
            _logger.warning("the failure of a query in thread %s could not be recorded: %s", self.thread.id, problem)

    def _stop(self) -> float:
        self.execution_time = timedelta(seconds=time.perf_counter() - self._begun)
        return self.execution_time.total_seconds()

    def _cut(self, text: str) -> str:
        return text if len(text) <= self._response_chars else text[: self._response_chars - 1] + "…"


async def _in_order(newest_first: list[Event]) -> AsyncIterator[Event]:
    for event in reversed(newest_first):
        yield event


def context_of(session: Session) -> ThreadContext:
    """The context in a session's state. What has no business there, because somebody else wrote it, is left out."""
    known: Mapping[str, type | tuple[type, ...]] = {
        "query_count": int, "error_count": int, "last_query": str, "last_agent_type": str, "last_agent_used": str,
        "last_response": str, "last_execution_time": (int, float), "last_error": str,
    }  # fmt: skip
    return ThreadContext.model_validate(
        {name: value for name, value in session.state.items() if name in known and isinstance(value, known[name])}
    )
