"""WebSockets that are tracked requests of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from ._disconnect import cancelled_when

if TYPE_CHECKING:
    from ._tracking import TrackedSession

_WAITING = 64
"""Messages taken in ahead of the handler: behind them a disconnect is not seen before they are read."""


class SessionSocket(WebSocket):
    """An accepted WebSocket with its session; used as any WebSocket of Starlette."""

    tracked: TrackedSession
    """The session; `tracked.request` is the request that lives as long as the connection."""


@asynccontextmanager
async def attended(websocket: WebSocket, session: TrackedSession) -> AsyncIterator[SessionSocket]:
    """An accepted WebSocket whose end is noticed while the body is at work, not only when it reads.

    When the client leaves, a body that waits for a message gets the disconnect; one that does something else is
    cancelled. Either way the block ends without an exception.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue(_WAITING)
    reading = False

    async def take() -> Message:
        nonlocal reading
        reading = True
        try:
            return await inbox.get()
        finally:
            reading = False

    async def left() -> None:
        while True:
            message = await websocket.receive()
            told = reading and inbox.empty()
            await inbox.put(message)
            if message["type"] != "websocket.disconnect":
                continue
            if told:
                await asyncio.Event().wait()  # the body knows, and ends by itself
            return

    socket = SessionSocket(websocket.scope, take, websocket.send)
    socket.client_state = socket.application_state = WebSocketState.CONNECTED
    socket.tracked = session
    with suppress(WebSocketDisconnect):
        async with cancelled_when(left):
            yield socket
