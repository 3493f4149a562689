"""Moving sessions between the tiers and cleaning up: their calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc

from sojourn.v1 import session_pb2
from sojourn.v1 import tiers_pb2 as pb

from .. import models
from ..config import Seconds
from ..tiers import CleanedSession, CleanupProgress
from . import faults, parse, vocabulary
from .values import invalid, to_duration

if TYPE_CHECKING:
    from .calls import Calls


class TierCalls:
    """The methods of the tiers, on the channel of `Calls`."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], calls: Calls) -> None:
        self._metadata = metadata
        self._calls = calls
        self._save = calls.unary("SaveSession", pb.SaveSessionRequest, pb.SaveSessionResponse)
        self._resume = calls.unary("ResumeSession", pb.ResumeSessionRequest, pb.ResumeSessionResponse)
        self._fork = calls.unary("ForkSession", pb.ForkSessionRequest, pb.ForkSessionResponse)
        self._cleanup: Any = channel.unary_stream(
            calls.path("CleanupSessions"),
            request_serializer=pb.CleanupSessionsRequest.SerializeToString,
            response_deserializer=pb.CleanupSessionsResponse.FromString,
        )

    async def save(self, session_id: str, timeout: float) -> models.Storage:
        """Save a session; where its data is now."""
        response = await self._calls.call(self._save, pb.SaveSessionRequest(session_id=session_id), timeout)
        return parse.storage(response.storage)

    async def resume(self, request: pb.ResumeSessionRequest, timeout: float) -> tuple[models.Session, bool]:
        """Make a session live again; the session, and whether this call did it."""
        response = await self._calls.call(self._resume, request, timeout)
        return parse.session(response.session), response.resumed

    async def fork(self, request: pb.ForkSessionRequest, timeout: float) -> models.Session:
        """Copy a session; the fork."""
        response = await self._calls.call(self._fork, request, timeout)
        return parse.session(response.session)

    async def cleanup(self, request: pb.CleanupSessionsRequest) -> AsyncIterator[CleanupProgress]:
        """Clean up, and how far it is. Ending the iteration ends the cleanup."""
        call = self._cleanup(request, metadata=self._metadata)
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                yield _progress(message)
        except grpc.aio.AioRpcError as error:
            raise faults.from_rpc(error) from None
        except asyncio.CancelledError:
            self._calls.raise_if_closed()
            raise
        finally:
            call.cancel()


def resume_request(session_id: str, *, writer: str, idempotency_key: str) -> pb.ResumeSessionRequest:
    """A ResumeSessionRequest."""
    return pb.ResumeSessionRequest(session_id=session_id, writer=writer, idempotency_key=idempotency_key)


def fork_request(
    session_id: str, *, at_revision: int | None, new_session_id: str | None, writer: str, idempotency_key: str
) -> pb.ForkSessionRequest:
    """A ForkSessionRequest."""
    if at_revision is not None and at_revision < 1:
        raise invalid("at_revision", "a revision of 1 or more")
    return pb.ForkSessionRequest(
        session_id=session_id,
        at_revision=at_revision or 0,
        new_session_id=new_session_id or "",
        writer=writer,
        idempotency_key=idempotency_key,
    )


def cleanup_request(
    filter_: session_pb2.SessionFilter,
    *,
    older_than: Seconds | None,
    keep_newest: int | None,
    action: str,
    dry_run: bool,
) -> pb.CleanupSessionsRequest:
    """A CleanupSessionsRequest."""
    if keep_newest is not None and keep_newest < 0:
        raise invalid("keep_newest", "zero or more")
    return pb.CleanupSessionsRequest(
        filter=filter_,
        older_than=to_duration(older_than, "older_than") if older_than is not None else None,
        keep_newest=keep_newest,
        action=vocabulary.CLEANUP_ACTION.write(action, "action"),
        dry_run=dry_run,
    )


def _progress(message: pb.CleanupSessionsResponse) -> CleanupProgress:
    return CleanupProgress(
        selected=message.selected,
        cleaned=message.cleaned,
        skipped=message.skipped,
        sessions=tuple(
            CleanedSession(
                id=item.session_id,
                status=vocabulary.SESSION_STATUS.read(item.status),
                tier=vocabulary.TIER.read(item.tier),
            )
            for item in message.sessions
        ),
        done=message.done,
    )
