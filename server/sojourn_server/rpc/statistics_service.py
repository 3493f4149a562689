"""The part of the SessionService that compares sessions and sums them up: parse, one use case, render."""

from __future__ import annotations

from dataclasses import dataclass

from sojourn.v1 import statistics_pb2 as spb

from ..domain.limits import Limits, check_session_id
from ..domain.session import SessionKey
from ..usecases.comparing import Comparing
from ..usecases.statistics import Summing
from . import parse_statistics as parse
from . import render_statistics as rendered
from .chain import Call
from .parse import session_filter, session_key


@dataclass(kw_only=True)
class StatisticsCalls:
    """One method an RPC, named like it; see the protos for what each promises."""

    summing: Summing
    comparing: Comparing
    limits: Limits

    async def compare_sessions(self, request: spb.CompareSessionsRequest, call: Call) -> spb.CompareSessionsResponse:
        baseline = SessionKey(call.tenant, check_session_id(request.baseline_id, "baseline_id"))
        session = session_key(call.tenant, request.session_id)
        return rendered.comparison(await self.comparing.compare(baseline, session))

    async def get_session_statistics(
        self, request: spb.GetSessionStatisticsRequest, call: Call
    ) -> spb.GetSessionStatisticsResponse:
        key = session_key(call.tenant, request.session_id)
        return rendered.of_session(await self.summing.session(key, children=request.include_children))

    async def get_statistics(self, request: spb.GetStatisticsRequest, call: Call) -> spb.GetStatisticsResponse:
        wanted = session_filter(request.filter, self.limits)
        period_us, group = parse.period_us(request), parse.group(request)
        total, buckets = await self.summing.all(call.tenant, wanted, period_us=period_us, group=group)
        return rendered.of_all(total, buckets)
