"""Invocations across sessions: every condition, the order, the pages, and nobody sees another tenant's."""

from typing import Any

import pytest

from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.domain.changes import InvocationStatus
from sojourn_server.ports.catalog import Invocation, InvocationFilter
from tests.support.stories import BEGAN_US, TENANT, Story, finished, started, tell

FAILED, SUCCEEDED = InvocationStatus.FAILED, InvocationStatus.SUCCEEDED


@pytest.fixture
async def told(catalog: SqlCatalog) -> SqlCatalog:
    """Named by session and number: each starts a second after the one before and takes as many seconds as it says."""
    a = Story("a", user_id="u1", project="p1", created_us=BEGAN_US)
    a.add(started("a1", "git"), finished("a1", "git", duration_us=1_000_000))
    a.add(started("a2", "git"), finished("a2", "git", status=FAILED, duration_us=2_000_000))
    b = Story("b", user_id="u1", project="p2", created_us=BEGAN_US + 10_000_000)
    b.add(started("b1", "shell"), finished("b1", "shell", duration_us=3_000_000)).add(started("b2", "git"))
    c = Story("c", user_id="u2", project="p1", created_us=BEGAN_US + 20_000_000)
    c.add(started("c1", "shell"), finished("c1", "shell", status=InvocationStatus.INTERRUPTED, duration_us=4_000_000))
    foreign = Story("a", tenant="other", user_id="u1", project="p1").add(started("x1", "git"))
    await tell(catalog, a, b, c, foreign)
    return catalog


async def found(catalog: SqlCatalog, tenant: str = TENANT, **conditions: Any) -> list[str]:
    """Ids of the invocations that match, newest begin first."""
    invocations = await catalog.invocations(tenant, InvocationFilter(**conditions), after=None, count=100)
    return [one.invocation_id for one in invocations]


async def test_conditions(told):
    assert await found(told) == ["c1", "b2", "b1", "a2", "a1"]
    assert await found(told, tool="git") == ["b2", "a2", "a1"]
    assert await found(told, session_id="a") == ["a2", "a1"]
    assert await found(told, session_id="x") == []
    assert await found(told, user_id="u1") == ["b2", "b1", "a2", "a1"]
    assert await found(told, project="p1") == ["c1", "a2", "a1"]
    assert await found(told, statuses=frozenset({FAILED})) == ["a2"]
    assert await found(told, statuses=frozenset({FAILED, SUCCEEDED})) == ["b1", "a2", "a1"]
    assert await found(told, running=True) == ["b2"]
    assert await found(told, running=True, statuses=frozenset({FAILED})) == ["b2", "a2"]
    assert await found(told, started_from_us=BEGAN_US + 10_000_000) == ["c1", "b2", "b1"]
    assert await found(told, started_before_us=BEGAN_US + 10_000_000) == ["a2", "a1"]
    assert await found(told, min_duration_us=2_000_000) == ["c1", "b1", "a2"]
    assert await found(told, max_duration_us=2_000_000) == ["a2", "a1"]
    assert await found(told, min_duration_us=2_000_000, max_duration_us=3_000_000, user_id="u1") == ["b1", "a2"]
    assert await found(told, tool="git", project="p1", statuses=frozenset({SUCCEEDED})) == ["a1"]
    assert await found(told, tool="' OR 1=1 --") == []


async def test_another_tenants_invocations_are_not_there(told):
    assert await found(told, "other") == ["x1"]
    assert await found(told, "other", session_id="b") == []
    assert await found(told, "third") == []


async def test_an_invocation_has_its_session(told):
    (one,) = await told.invocations(TENANT, InvocationFilter(tool="shell", user_id="u1"), after=None, count=9)
    session = await told.get(one.session)
    assert (session.id, session.user_id) == ("b", "u1")
    assert await told.invocation(session.uid, "b1") == one
    assert await told.invocation(session.uid, "none") is None
    assert await told.invocation("0" * 16, "b1") is None


@pytest.mark.parametrize("size", [1, 2, 5, 100])
async def test_pages_are_complete_and_stable(catalog, size):
    """Several of one event, and of sessions of the same moment, begin at the same time."""
    stories = [
        Story(name, created_us=BEGAN_US).add(started("1"), started("B"), started("a")).add(started("2"), finished("2"))
        for name in ("s", "T", "s-1")
    ]
    await tell(catalog, *stories)
    everything: list[Invocation] = []
    after = None
    while page := await catalog.invocations(TENANT, InvocationFilter(), after=after, count=size):
        assert len(page) <= size
        everything += page
        after = page[-1].started_us, page[-1].session.session_id, page[-1].invocation_id
    places = [(one.started_us, one.session.session_id, one.invocation_id) for one in everything]
    assert len(places) == len(set(places)) == 12
    assert places == sorted(places, reverse=True)
