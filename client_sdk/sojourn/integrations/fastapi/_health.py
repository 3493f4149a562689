"""Whether an application's sessions can be worked with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Literal

from pydantic import BaseModel

from sojourn.errors import SessionNotFoundError, SojournError

PATIENCE = 2.0
"""Seconds the service may take to answer before it counts as away."""


class Health(BaseModel):
    """`ok`; `degraded`: requests are served, with what `reasons` tell; `down`: none can be."""

    status: Literal["ok", "degraded", "down"] = "ok"
    reasons: list[str] = []
    active_sessions: int | None = None
    """None when they cannot be counted now."""
    active_requests: int = 0
    """Tracked by this back end now."""


async def examine(
    store: Awaitable[object], count: Awaitable[int], *, watching: bool, requests: int, at_capacity: bool
) -> Health:
    """Judge by a read of a session that need not exist, and by the count of active sessions."""
    away, active = await asyncio.gather(_fails(store), _answer(count))
    reasons = []
    if away:
        reasons.append("the service does not answer")
    if active is None:
        reasons.append("sessions cannot be counted or found")
    if not watching:
        reasons.append("what becomes of the sessions is not seen now")
    if at_capacity:
        reasons.append("as many requests are under way as are allowed")
    status: Literal["ok", "degraded", "down"] = "down" if away else "degraded" if reasons else "ok"
    return Health(status=status, reasons=reasons, active_sessions=active, active_requests=requests)


async def _fails(read: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await read
    except SessionNotFoundError:
        return False
    except (SojournError, TimeoutError):
        return True
    return False


async def _answer(count: Awaitable[int]) -> int | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await count
    except (SojournError, TimeoutError):
        return None
