"""Listing live requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..domain.requests import Request, RequestState
from ..domain.session import SessionKey
from ..ports import RequestStore


class Place(NamedTuple):
    """A place in the order of lists: oldest first."""

    begin_us: int
    session_id: str
    request_id: str


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which live requests are meant; empty fields mean any. `waiting` None means any state."""

    session_id: str = ""
    user_id: str = ""
    project: str = ""
    pool: str = ""
    waiting: bool | None = None

    def matches(self, request: Request) -> bool:
        return (
            self.user_id in ("", request.user_id)
            and self.project in ("", request.project)
            and self.pool in ("", request.pool)
            and self.waiting in (None, request.state is not RequestState.ADMITTED)
        )


class Listing:
    """The live requests of a session or a tenant."""

    def __init__(self, requests: RequestStore) -> None:
        self._requests = requests

    async def list(
        self, tenant: str, wanted: RequestFilter, *, after: Place | None, count: int
    ) -> tuple[list[Request], Place | None]:
        """A page of matching requests, and the place to go on after; None at the end. Raises NotFoundError
        (SESSION_*) for a session."""
        if wanted.session_id:
            found = await self._requests.of_session(SessionKey(tenant, wanted.session_id))
        else:
            found = await self._requests.of_tenant(tenant)
        kept = sorted(
            ((_place(request), request) for request in found if wanted.matches(request)), key=lambda pair: pair[0]
        )
        rest = [(place, request) for place, request in kept if after is None or place > after]
        page = rest[:count]
        return [request for _, request in page], page[-1][0] if len(rest) > count else None


def _place(request: Request) -> Place:
    return Place(request.begin_us, request.key.session.session_id, request.key.request_id)
