"""Which tracked request the running code works for: a context variable, so that tasks started in a body inherit it.

Writes made there carry the request's fencing token. A task that outlives the body goes on carrying it, and its writes
are refused: that is what the token is for.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fence:
    """An admitted request whose body is running."""

    client: object
    session_id: str
    request_id: str
    token: int
    outer: Fence | None
    """The body around this one."""


_innermost: ContextVar[Fence | None] = ContextVar("sojourn_fence", default=None)


def raise_fence(client: object, session_id: str, request_id: str, token: int) -> Token[Fence | None]:
    """From here on the running code works for the request."""
    return _innermost.set(Fence(client, session_id, request_id, token, _innermost.get()))


def lower_fence(mark: Token[Fence | None]) -> None:
    """Undo `raise_fence`."""
    # A body that is left in another context than it was entered in has no fence there to take down.
    with suppress(ValueError):
        _innermost.reset(mark)


def fence_of(client: object, session_id: str) -> Fence | None:
    """The innermost request of this client in this session that the running code works for."""
    fence = _innermost.get()
    while fence is not None and (fence.client is not client or fence.session_id != session_id):
        fence = fence.outer
    return fence
