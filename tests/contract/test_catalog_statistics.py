"""Sums over sessions: the numbers that adding up by hand gives, split any way, and nobody sees another tenant's."""

import pytest

from sojourn_server.catalog.statistics import SqlStatistics
from sojourn_server.domain.changes import InvocationStatus
from sojourn_server.domain.errors import TooLargeError
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.session import SessionKey, SessionStatus, StepStatus, StepSummary
from sojourn_server.domain.statistics import Group, Statistics, statistics_of
from tests.support.stories import BEGAN_US, TENANT, Active, Story, finished, started, tell

FAILED = InvocationStatus.FAILED
HOUR_US = 3_600_000_000
HUGE = (1 << 62) + 3


@pytest.fixture
def statistics(catalog):
    return SqlStatistics(catalog._engine, catalog.finishing)


def stories() -> list[Story]:
    """Three sessions of a tenant, created within two hours, and one of another tenant."""
    a = Story("a", user_id="u1", project="p1", created_us=BEGAN_US)
    a.add(started("a1", "git"), finished("a1", "git", duration_us=1_000_000))
    a.add(started("a2", "git"), finished("a2", "git", status=FAILED, duration_us=2_000_000))
    a.add(counters={"invocations": 2, "failed_invocations": 1}, usage={"total_tokens": 10, "cost_micros": 14})
    b = Story("b", user_id="u1", project="p2", created_us=BEGAN_US + 1, parent="a")
    b.add(started("b1", "shell"), finished("b1", "shell", duration_us=3_000_000)).add(started("b2", "git"))
    steps = {
        "x": (1, StepStatus.PASSED),
        "y": (2, StepStatus.FAILED),
        "z": (1, StepStatus.ERROR),
        "w": (1, StepStatus.SKIPPED),
    }
    b.add(steps={name: StepSummary(run, status, 7) for name, (run, status) in steps.items()}, counters={"messages": 3})
    c = Story("c", user_id="u2", project="p1", created_us=BEGAN_US + HOUR_US, parent="b")
    c.add(usage={"total_tokens": HUGE}, status=SessionStatus.COMPLETED, ended_us=BEGAN_US + 2 * HOUR_US)
    return [a, b, c, Story("a", tenant="other", user_id="u1").add(started("x1", "git"))]


@pytest.fixture
async def told(catalog, statistics):
    await tell(catalog, *stories())
    return statistics


async def total(statistics: SqlStatistics, tenant: str = TENANT, **conditions: object) -> Statistics:
    buckets = await statistics.statistics(
        tenant,
        SessionFilter(**conditions),
        period_us=0,
        group=None,
        most=10,  # type: ignore[arg-type]
    )
    assert [(bucket.begin_us, bucket.group) for bucket in buckets] in ([], [(None, "")])
    return buckets[0].statistics if buckets else Statistics()


async def test_sums_of_all(told):
    found = await total(told)
    assert (found.sessions, found.statuses) == (3, {SessionStatus.ACTIVE: 2, SessionStatus.COMPLETED: 1})
    assert found.sums["total_tokens"] == HUGE + 10
    assert {name: found.sums[name] for name in ("messages", "invocations", "failed_invocations", "cost_micros")} == {
        "messages": 3, "invocations": 2, "failed_invocations": 1, "cost_micros": 14,
    }  # fmt: skip
    assert [found.sums[name] for name in ("steps_passed", "steps_failed", "steps_skipped")] == [1, 2, 1]
    assert found.step_success_rate == 1 / 3
    assert found.lasted_us == 4_000 + 4_000 + HOUR_US
    git, shell = found.tools
    assert (git.tool, git.invocations, git.succeeded, git.failed, git.running) == ("git", 3, 1, 1, 1)
    assert (git.total_us, git.max_us, git.cost_micros) == (3_000_000, 2_000_000, 14)
    assert (shell.tool, shell.invocations, shell.total_us) == ("shell", 1, 3_000_000)
    assert (found.tool_us, found.invocation_success_rate) == (6_000_000, 2 / 3)


async def test_sums_too_large_for_the_database_are_exact(told, catalog):
    huge = [Story(f"h{number}", project="huge").add(usage={"cost_micros": HUGE}) for number in range(4)]
    await tell(catalog, *huge)
    assert (await total(told, project="huge")).sums["cost_micros"] == 4 * HUGE


async def test_conditions(told):
    assert (await total(told, user_id="u1")).sessions == 2
    assert (await total(told, project="p1")).sums["total_tokens"] == HUGE + 10
    assert [tool.tool for tool in (await total(told, project="p2")).tools] == ["git", "shell"]
    assert (await total(told, statuses=frozenset({SessionStatus.COMPLETED}))).sessions == 1
    assert await total(told, user_id="nobody") == Statistics()


async def test_another_tenants_sessions_are_not_counted(told):
    assert (await total(told, "other")).sessions == 1
    assert await told.roll_up(SessionKey("other", "b"), most=10) == Statistics()
    assert (await told.roll_up(SessionKey("other", "a"), most=10)).sessions == 1


async def test_split_by_time_and_group(told):
    async def split(period_us: int, group: Group | None) -> list[tuple[int | None, str, int, int]]:
        buckets = await told.statistics(TENANT, SessionFilter(), period_us=period_us, group=group, most=10)
        return [(one.begin_us, one.group, one.statistics.sessions, len(one.statistics.tools)) for one in buckets]

    first = BEGAN_US - BEGAN_US % HOUR_US
    assert await split(HOUR_US, None) == [(first, "", 2, 2), (first + HOUR_US, "", 1, 0)]
    assert await split(0, Group.USER) == [(None, "u1", 2, 2), (None, "u2", 1, 0)]
    assert await split(HOUR_US, Group.PROJECT) == [
        (first, "p1", 1, 1), (first, "p2", 1, 2), (first + HOUR_US, "p1", 1, 0),
    ]  # fmt: skip


async def test_too_many_buckets_are_refused(told):
    with pytest.raises(TooLargeError):
        await told.statistics(TENANT, SessionFilter(), period_us=HOUR_US, group=Group.PROJECT, most=2)


async def test_too_many_tools_are_refused(told, monkeypatch):
    monkeypatch.setattr("sojourn_server.catalog.statistics.MOST_TOOLS", 1)
    for call in (total(told), told.roll_up(SessionKey(TENANT, "a"), most=10)):
        with pytest.raises(TooLargeError):
            await call
    assert len((await total(told, project="p1")).tools) == 1


async def test_the_tools_of_a_session(told, catalog):
    session = await catalog.get(SessionKey(TENANT, "a"))
    (git,) = await told.tools(session.uid)
    assert (git.invocations, git.total_us) == (2, 3_000_000)
    assert await told.tools("0" * 16) == []


async def test_a_session_and_those_below_it(told, catalog):
    alone = [await catalog.get(SessionKey(TENANT, name)) for name in "abc"]
    wanted = Statistics()
    for session in alone:
        wanted.add(statistics_of(session, await told.tools(session.uid)))
    assert await told.roll_up(SessionKey(TENANT, "a"), most=10) == wanted
    assert (await told.roll_up(SessionKey(TENANT, "b"), most=10)).sessions == 2
    assert (await told.roll_up(SessionKey(TENANT, "a"), most=2)).sessions == 2
    assert await told.roll_up(SessionKey(TENANT, "none"), most=10) == Statistics()


async def test_circles_of_parents_end(statistics, catalog):
    await tell(catalog, Story("a", parent="c"), Story("b", parent="a"), Story("c", parent="b"), Story("d", parent="d"))
    assert (await statistics.roll_up(SessionKey(TENANT, "b"), most=100)).sessions == 3
    assert (await statistics.roll_up(SessionKey(TENANT, "d"), most=100)).sessions == 1


async def test_an_update_replaces_what_was_summed(statistics, catalog):
    story = Story("a").add(counters={"messages": 1})
    await tell(catalog, story)
    story.add(counters={"messages": 2}, usage={"total_tokens": 5})
    await catalog.project([story.projection(after=2)], Active(story).standings)
    found = await total(statistics)
    assert (found.sessions, found.sums["messages"], found.sums["total_tokens"]) == (1, 2, 5)
