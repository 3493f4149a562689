"""How clients find sessions and invocations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from ._core import Core
from ._filters import InvocationConditions, SearchConditions, SessionConditions
from ._transport import render_search
from .enums import Consistency, TextSource
from .models import FoundInvocation, FoundSession, Invocation, Session
from .results import Page, Results


def list_sessions(
    core: Core, *, limit: int | None, consistency: Consistency | str, **conditions: Unpack[SessionConditions]
) -> Results[Session]:
    """The sessions that match, newest first."""
    wanted = render_search.list_sessions(render_search.session_filter(**conditions), consistency)

    async def fetch(page_size: int, page_token: str) -> Page[Session]:
        request = render_search.page(wanted, page_size, page_token)
        return await core.call(lambda timeout: core.calls.finding.list_sessions(request, timeout))

    return Results(fetch, limit)


def search(
    core: Core,
    query: str,
    *,
    sources: TextSource | str | Iterable[TextSource | str] | None,
    limit: int | None,
    consistency: Consistency | str,
    **conditions: Unpack[SearchConditions],
) -> Results[FoundSession]:
    """The sessions with texts that match, best first."""
    if "text" in conditions:
        raise TypeError("a search takes no condition 'text': its query is that")
    filter_ = render_search.session_filter(**conditions)
    wanted = render_search.search_sessions(query, filter_, sources, consistency)

    async def fetch(page_size: int, page_token: str) -> Page[FoundSession]:
        request = render_search.page(wanted, page_size, page_token)
        return await core.call(lambda timeout: core.calls.finding.search_sessions(request, timeout))

    return Results(fetch, limit)


async def count_sessions(core: Core, *, consistency: Consistency | str, **conditions: Unpack[SessionConditions]) -> int:
    """How many sessions match."""
    request = render_search.count_sessions(render_search.session_filter(**conditions), consistency)
    return await core.call(lambda timeout: core.calls.finding.count_sessions(request, timeout))


def invocations(
    core: Core, *, limit: int | None, consistency: Consistency | str, **conditions: Unpack[InvocationConditions]
) -> Results[Invocation]:
    """The invocations that match, newest start first."""
    wanted = render_search.list_invocations(render_search.invocation_filter(**conditions), consistency)

    async def fetch(page_size: int, page_token: str) -> Page[Invocation]:
        request = render_search.page(wanted, page_size, page_token)
        return await core.call(lambda timeout: core.calls.finding.list_invocations(request, timeout))

    return Results(fetch, limit)


async def get_invocation(core: Core, session_id: str, invocation_id: str) -> FoundInvocation:
    """One invocation, and its session."""
    request = render_search.get_invocation(session_id, invocation_id)
    return await core.call(lambda timeout: core.calls.finding.get_invocation(request, timeout))
