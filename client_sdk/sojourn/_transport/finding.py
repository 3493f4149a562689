"""The calls that find sessions and invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.v1 import search_pb2 as search
from sojourn.v1 import session_service_pb2 as pb

from .. import models
from ..results import Page
from . import parse, parse_search
from .values import to_timedelta

if TYPE_CHECKING:
    from .calls import Calls


class FindingCalls:
    """The methods that find, on the channel of `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._list = calls.unary("ListSessions", pb.ListSessionsRequest, pb.ListSessionsResponse)
        self._search = calls.unary("SearchSessions", search.SearchSessionsRequest, search.SearchSessionsResponse)
        self._count = calls.unary("CountSessions", search.CountSessionsRequest, search.CountSessionsResponse)
        self._invocations = calls.unary(
            "ListInvocations", search.ListInvocationsRequest, search.ListInvocationsResponse
        )
        self._invocation = calls.unary("GetInvocation", search.GetInvocationRequest, search.GetInvocationResponse)

    async def list_sessions(self, request: pb.ListSessionsRequest, timeout: float) -> Page[models.Session]:
        """One page of sessions."""
        response = await self._calls.call(self._list, request, timeout)
        items = [parse.session(item) for item in response.sessions]
        return Page(items, response.next_page_token, to_timedelta(response.lag))

    async def search_sessions(self, request: search.SearchSessionsRequest, timeout: float) -> Page[models.FoundSession]:
        """One page of what a search found."""
        response = await self._calls.call(self._search, request, timeout)
        items = [parse_search.found_session(item) for item in response.found]
        return Page(items, response.next_page_token, to_timedelta(response.lag))

    async def count_sessions(self, request: search.CountSessionsRequest, timeout: float) -> int:
        """How many sessions match."""
        response = await self._calls.call(self._count, request, timeout)
        return int(response.count)

    async def list_invocations(self, request: search.ListInvocationsRequest, timeout: float) -> Page[models.Invocation]:
        """One page of invocations."""
        response = await self._calls.call(self._invocations, request, timeout)
        items = [parse_search.invocation(item) for item in response.invocations]
        return Page(items, response.next_page_token, to_timedelta(response.lag))

    async def get_invocation(self, request: search.GetInvocationRequest, timeout: float) -> models.FoundInvocation:
        """One invocation and its session."""
        return parse_search.found_invocation(await self._calls.call(self._invocation, request, timeout))
