"""Opening and finding threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

from ._client_parts import Connected
from ._filters import Statuses
from ._transport.values import invalid
from .config import Seconds
from .errors import (
    RevisionConflictError,
    SessionAlreadyExistsError,
    SessionEndedError,
    SessionNotFoundError,
    ThreadAccessDeniedError,
)
from .models import Session
from .session import SessionHandle
from .thread import KIND, RESPONSE_CHARS, Thread

if TYPE_CHECKING:
    from .client import Client

IfEnded = Literal["resume", "new", "error"]
"""What opening a thread that has ended does."""

_ROUNDS = 5
"""How often a thread is tried to open that others end, delete and make at the same time."""
_TOGETHER = 100
"""Sessions read at a time."""


class ThreadMethods(Connected):
    """Threads: sessions with the context of their last query."""

    async def thread(
        self,
        thread_id: str | None = None,
        *,
        user_id: str | None = None,
        project: str | None = None,
        purpose: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        idle_timeout: Seconds | None = None,
        max_lifetime: Seconds | None = None,
        if_ended: IfEnded = "resume",
        response_chars: int = RESPONSE_CHARS,
    ) -> Thread:
        """Open a thread: without an id a new one, with an unknown id one that gets this id, else the one that is there.

            thread = await client.thread(body.thread_id, user_id=body.user_id, idle_timeout=timedelta(hours=24))
            async with thread.query(body.query, agent="advanced") as query:
                query.response = await agent(query.text)

        Args:
            thread_id: as a session's id.
            user_id: who asks. A thread with a user is opened for that user alone. None: the client's own.
            project, purpose, tags, metadata, idle_timeout, max_lifetime: what a new thread begins with, as for
                `create_session`; one that is there stays as it is.
            if_ended: one that has ended, say expired, is made active again and goes on with its context (`resume`),
                is deleted for a new one with its id (`new`), or is refused (`error`).
            response_chars: longest response kept in the context.

        Raises ThreadAccessDeniedError when it is another user's; LimitExceededError when the user has as many active
        sessions as the server allows (`sessions_per_user`); SessionAlreadyExistsError when the id is of a session that
        is no thread; SessionEndedError with `if_ended="error"`; and what `create_session` raises.
        """
        client = cast("Client", self)
        if if_ended not in ("resume", "new", "error"):
            raise invalid("if_ended", "'resume', 'new' or 'error'")
        if response_chars < 1:
            raise invalid("response_chars", "1 or more")
        user = user_id if user_id is not None else client._user_id or ""

        async def create() -> SessionHandle:
            return await client.create_session(
                thread_id,
                user_id=user,
                project=project,
                purpose=purpose,
                tags=tags,
                metadata=metadata,
                kind=KIND,
                idle_timeout=idle_timeout,
                max_lifetime=max_lifetime,
                if_exists="return",
            )

        if thread_id is None:
            return Thread(await create(), response_chars=response_chars)
        for _ in range(_ROUNDS):
            try:
                session = await client.get_session(thread_id)
            except SessionNotFoundError:
                session = await create()
            _check(session.info, user)
            if session.info.is_active or await _revived(client, session, if_ended):
                return Thread(session, response_chars=response_chars)
        raise RevisionConflictError(
            f"thread {thread_id} changes too fast", session_id=thread_id, revision=session.revision
        )

    async def threads(
        self,
        *,
        user_id: str | None = None,
        project: str | None = None,
        status: Statuses | None = "active",
        limit: int | None = None,
        response_chars: int = RESPONSE_CHARS,
    ) -> AsyncIterator[Thread]:
        """The threads that match, newest first, each with its context.

        Args:
            user_id, project: exactly this. None: all.
            status: this one, or any of these. None: all.
            limit: at most this many. None: all.
            response_chars: as for `thread`.

        Raises, from the iteration, InvalidRequestError and CatalogUnavailableError.
        """
        client, found = cast("Client", self), list[str]()
        async for session in client.list_sessions(
            kind=KIND, user_id=user_id, project=project, status=status, limit=limit
        ):
            found.append(session.id)
            if len(found) == _TOGETHER:
                for handle in await _read(client, found):
                    yield Thread(handle, response_chars=response_chars)
                found.clear()
        for handle in await _read(client, found):
            yield Thread(handle, response_chars=response_chars)


def _check(session: Session, user: str) -> None:
    """Whether the session is a thread of this user, or of nobody."""
    if session.user_id and session.user_id != user:
        raise ThreadAccessDeniedError(f"thread {session.id} is another user's", thread_id=session.id)
    if session.kind != KIND:
        raise SessionAlreadyExistsError(
            f"{session.id} is no thread but a session of kind {session.kind}",
            session_id=session.id,
            revision=session.revision,
        )


async def _revived(client: Client, session: SessionHandle, if_ended: IfEnded) -> bool:
    """Whether the thread that has ended can be used; else it has gone, and a new one is to be made."""
    if if_ended == "resume":
        with suppress(SessionNotFoundError):
            await session.resume()
            return True
        return False
    if if_ended == "error":
        status = session.info.status.value
        raise SessionEndedError(
            f"thread {session.id} has ended: {status}", session_id=session.id, revision=session.revision, status=status
        )
    with suppress(SessionNotFoundError, RevisionConflictError):  # somebody else was faster
        await client.delete_session(session.id, expected_revision=session.info.revision)
    return False


async def _read(client: Client, ids: list[str]) -> list[SessionHandle]:
    """Those that are still there."""
    read = await asyncio.gather(*map(client.get_session, ids), return_exceptions=True)
    for each in read:
        if isinstance(each, BaseException) and not isinstance(each, SessionNotFoundError):
            raise each
    return [each for each in read if isinstance(each, SessionHandle)]
