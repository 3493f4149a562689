"""Writes recorded conversations as sessions; whatever was interrupted continues where it stopped.

A conversation's session has an id made of the file's name and the line's number, and every write an idempotency key
made of the session, the line and the message. So a run after a crash, of this program or of the server, finds what is
there, skips it and repeats at most the write whose outcome it did not learn, under the key the service knows.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sojourn.errors import DeadlineExceededError, SessionEndedError, SojournError, UnavailableError

from .conversations import ORIGIN, Conversation, parse_line
from .openai_format import FormatError, MessageWrite

if TYPE_CHECKING:
    from sojourn import Client
    from sojourn.session import SessionHandle

KIND = "replay"
Pace = Callable[[MessageWrite], float]
"""Seconds to wait before a message."""


class ReplayError(Exception):
    """A conversation cannot be replayed into its session."""


@dataclass(slots=True)
class Tally:
    """What a replay has done so far. `known_messages` of the `messages` were there before."""

    sessions: int = 0
    messages: int = 0
    invocations: int = 0
    known_messages: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Replayer:
    """Replays the lines of one file; `name` is how it is called in session ids and messages."""

    client: Client
    prefix: str
    name: str
    pace: Pace
    user: str | None = None
    project: str | None = None
    tags: Sequence[str] = ()
    tally: Tally = field(default_factory=Tally)

    async def run(self, lines: Iterator[tuple[int, bytes]], *, concurrency: int) -> None:
        """Replays all lines, `concurrency` at a time.

        A line that cannot be replayed is noted in `tally.failures` and the others go on.

        Raises:
            UnavailableError, DeadlineExceededError: the server is gone for longer than the client retries.
            OSError: the file cannot be read on.
        """

        async def work() -> None:
            for number, line in lines:
                try:
                    await self._replay(parse_line(number, line))
                except (UnavailableError, DeadlineExceededError):
                    raise
                except (FormatError, ReplayError, SojournError) as error:
                    self.tally.failures.append(f"{self.name}, line {number}: {error}")

        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(work())

    async def _replay(self, conversation: Conversation) -> None:
        session = await self._open(conversation)
        known = session.info.counters.messages
        self._count(conversation.writes[:known])
        self.tally.known_messages += known
        for index in range(known, len(conversation.writes)):
            write = conversation.writes[index]
            if wait := self.pace(write):
                await asyncio.sleep(wait)
            await _write(session, write, self._key(session, conversation, f"message {index}"))
            self._count([write])
        await self._finish(session, conversation)
        self.tally.sessions += 1

    async def _open(self, conversation: Conversation) -> SessionHandle:
        """The conversation's session, made now or by an earlier run.

        Raises:
            ReplayError: the session holds something else, or ended before the conversation does.
        """
        session_id = f"{self.prefix}-{self.name}-{conversation.number}"
        origin = {"line": conversation.number, "sha256": conversation.digest}
        session = await self.client.create_session(
            session_id=session_id,
            kind=KIND,
            user_id=self.user,
            project=self.project,
            tags=list(self.tags),
            metadata={**conversation.metadata, ORIGIN: origin},
            if_exists="return",
        )
        info = session.info
        if info.metadata.get(ORIGIN) != origin or info.counters.messages > len(conversation.writes):
            raise ReplayError(f"session {session_id} holds something else: delete it or choose another --id-prefix")
        if not info.is_active and info.counters.messages < len(conversation.writes):
            raise ReplayError(f"session {session_id} ended ({info.status}) before the conversation does")
        return session

    async def _finish(self, session: SessionHandle, conversation: Conversation) -> None:
        if not session.info.is_active:
            return
        reward = conversation.metadata.get("reward")
        if reward is not None and "reward" not in session.info.results:
            async with session.write(idempotency_key=self._key(session, conversation, "reward")) as write:
                write.set_result("reward", reward)
        try:
            await session.complete()
        except SessionEndedError:
            # An earlier run's last call, still on its way when that run died, came first.
            if (await session.refresh()).status != "completed":
                raise

    def _count(self, writes: Sequence[MessageWrite]) -> None:
        self.tally.messages += len(writes)
        self.tally.invocations += sum(len(write.started) for write in writes)

    def _key(self, session: SessionHandle, conversation: Conversation, what: str) -> str:
        """The key of a write: the same in another process, another for a session created anew under the same id."""
        text = "\n".join([session.id, session.info.uid, str(conversation.number), what])
        return f"replay-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


async def _write(session: SessionHandle, message: MessageWrite, key: str) -> None:
    async with session.write(idempotency_key=key) as write:
        write.add_message(
            message.role,
            message.content,
            parts=list(message.parts),
            tool_name=message.tool_name or None,
            invocation_id=message.invocation_id or None,
        )
        for started in message.started:
            write.start_invocation(started.tool, invocation_id=started.invocation_id, arguments=started.arguments)
        if message.finished is not None:
            answer = message.finished
            write.finish_invocation(answer.invocation_id, tool=answer.tool, status="succeeded", result=answer.result)


def reading_pace(speed: float) -> Pace:
    """A pace like that of people and models, `speed` times as fast.

    At speed 1 a message comes half a second after the one before plus 1 s for each 60 characters of its text, 15 s at
    most; instructions come at once.
    """

    def pace(write: MessageWrite) -> float:
        if write.role == "system":
            return 0.0
        return min(0.5 + len(write.content or "") / 60, 15.0) / speed

    return pace


def no_pace(_: MessageWrite) -> float:
    """As fast as possible."""
    return 0.0
