"""The part of the SessionService that finds sessions and invocations: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import search_pb2 as spb
from sojourn.v1 import session_service_pb2 as pb

from ..domain.limits import Limits
from ..usecases.finding import Finding
from . import parse_search as parse
from . import render
from . import render_search as rendered
from .chain import Call
from .pages import encode_invocation_token, encode_list_token, encode_offset
from .parse import page_size, session_filter, session_key


@dataclass(kw_only=True)
class SearchCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    finding: Finding
    limits: Limits

    async def list_sessions(self, request: pb.ListSessionsRequest, call: Call) -> pb.ListSessionsResponse:
        after, bound = parse.list_place(call.tenant, request)
        wanted = session_filter(request.filter, self.limits)
        count, level = page_size(request.page_size, self.limits), parse.consistency(request.consistency)
        found, place, lag = await self.finding.list(call.tenant, wanted, after=after, count=count, consistency=level)
        token = encode_list_token(place, bound) if place else ""
        response = pb.ListSessionsResponse(next_page_token=token, lag=rendered.lag(lag))
        for session in found:
            render.fill_session(response.sessions.add(), session, full=False)
        return response

    async def search_sessions(self, request: spb.SearchSessionsRequest, call: Call) -> spb.SearchSessionsResponse:
        offset, count, bound = parse.search_page(call.tenant, request)
        level = parse.consistency(request.consistency)
        found, following, lag = await self.finding.search(
            call.tenant, parse.query(request), session_filter(request.filter, self.limits),
            sources=parse.sources(request), offset=offset, count=count, consistency=level,
        )  # fmt: skip
        return rendered.found(found, lag, encode_offset(following, bound) if following else "")

    async def count_sessions(self, request: spb.CountSessionsRequest, call: Call) -> spb.CountSessionsResponse:
        wanted, level = session_filter(request.filter, self.limits), parse.consistency(request.consistency)
        count, lag = await self.finding.count(call.tenant, wanted, consistency=level)
        return spb.CountSessionsResponse(count=count, lag=rendered.lag(lag))

    async def list_invocations(self, request: spb.ListInvocationsRequest, call: Call) -> spb.ListInvocationsResponse:
        after, bound = parse.invocation_place(call.tenant, request)
        wanted = parse.invocation_filter(request.filter, self.limits)
        count, level = page_size(request.page_size, self.limits), parse.consistency(request.consistency)
        found, place, lag = await self.finding.invocations(
            call.tenant, wanted, after=after, count=count, consistency=level
        )
        return rendered.invocations(found, lag, encode_invocation_token(place, bound) if place else "")

    async def get_invocation(self, request: spb.GetInvocationRequest, call: Call) -> spb.GetInvocationResponse:
        key = session_key(call.tenant, request.session_id)
        invocation_id = parse.invocation_id(request.invocation_id, self.limits)
        return rendered.one_invocation(*await self.finding.invocation(key, invocation_id))
