"""TrackRequest calls: what the client says and what it is told, at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ..domain.errors import PositionError, SojournError
from ..domain.limits import Limits
from ..usecases.sessions import Sessions
from ..usecases.tracked import Admitted, Tracked
from ..usecases.tracking import Tracking
from . import parse_requests as parse
from . import render_requests as render
from .chain import Call
from .outlets import Outlets


class Tracks:
    """Serves tracked streams: the handler's task writes, a second one reads, and neither does anything else.

    Args:
        lease_ms: how long leases last when the client does not say.
    """

    def __init__(self, tracking: Tracking, sessions: Sessions, outlets: Outlets, limits: Limits, lease_ms: int) -> None:
        self._tracking = tracking
        self._sessions = sessions
        self._outlets = outlets
        self._limits = limits
        self._lease_ms = lease_ms
        self._readers: set[asyncio.Task[None]] = set()

    async def serve(self, call: Call) -> None:
        """Serves one stream to its end."""
        with self._tracking.place():
            message = await self._tracking.first(call.context.read())
            begin = parse.first(call.tenant, message, self._limits, self._lease_ms)
            async with self._tracking.open(begin.new) as tracked:
                # It is not cancelled when we are done: gRPC ends a pending read with the call, and what is cancelled
                # there is not freed.
                reader = asyncio.create_task(self._hear(call.context, tracked), name="track reader")
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
                await self._tell(call, tracked, begin.snapshot)

    async def _tell(self, call: Call, tracked: Tracked, snapshot: bool) -> None:
        with self._outlets.open(call.context) as outlet:
            async for message in tracked.messages():
                session = None
                if snapshot and isinstance(message, Admitted):
                    session = await self._sessions.get(tracked.request.key.session, full=True)
                try:
                    await outlet.write(render.track_message(message, session))
                except PositionError as error:
                    error.metadata.update(session_id=tracked.request.key.session.session_id, cursor="")
                    raise

    async def _hear(self, context: Any, tracked: Tracked) -> None:
        while not tracked.over:
            try:
                message = await context.read()
            except Exception:  # the call is over; gRPC says it in several ways
                message = grpc.aio.EOF
            if message is grpc.aio.EOF:
                self._tracking.hang_up(tracked)
                return
            try:
                said = parse.said(message, self._limits)
            except SojournError as error:
                self._tracking.hang_up(tracked, error)
                return
            match said:
                case parse.Heartbeat():
                    self._tracking.heartbeat(tracked)
                case parse.Progress(fraction, text):
                    self._tracking.progress(tracked, fraction, text)
                case parse.Finish(outcome, error_text):
                    self._tracking.finish(tracked, outcome, error_text)
                    return
