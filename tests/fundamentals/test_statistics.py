"""Statistics: what sessions did, summed up. One session, a session with those below it, or many, split as you like."""

from datetime import timedelta

import pytest

import sojourn


async def test_what_a_session_did(client, name):
    session = await client.create_session(name)
    await session.add_message("user", "go", usage=sojourn.Usage(input_tokens=10, output_tokens=5, cost=0.02))
    await session.record_invocation("search", duration=2, cost=0.5)
    await session.record_invocation("search", duration=4, status="failed", error="timeout")
    await session.record_step("login", status="passed")
    await session.record_step("pay", status="failed")
    found = await session.statistics()
    assert (found.sessions, found.counters.messages, found.usage.total_tokens) == (1, 1, 15)
    (search,) = found.tools
    assert (search.tool, search.invocations, search.succeeded, search.failed) == ("search", 2, 1, 1)
    assert (search.total_duration, search.max_duration) == (timedelta(seconds=6), timedelta(seconds=4))
    assert search.mean_duration == timedelta(seconds=3)
    assert search.cost == pytest.approx(0.5)
    assert (found.invocation_success_rate, found.step_success_rate) == (0.5, 0.5)


async def test_a_session_and_those_below_it(client, name):
    top = await client.create_session(name)
    child = await client.create_session(f"{name}-c", parent=name)
    await client.create_session(f"{name}-g", parent=child.id)
    await child.record_invocation("search", duration=2)
    found = await top.statistics(include_children=True)
    assert (found.sessions, found.tools) == (1, ())
    assert found.roll_up.sessions == 3
    assert [tool.tool for tool in found.roll_up.tools] == ["search"]


async def test_many_sessions_by_day_and_user(client, name):
    for user in ("ann", "bob", "bob"):
        session = await client.create_session(user_id=user, project=name)
        await session.add_message("user", "hello")
        assert (await session.statistics()).counters.messages == 1  # it counts from now on
    report = await client.statistics(project=name, period=timedelta(days=3_650), group_by="user")
    assert (report.total.sessions, report.total.counters.messages) == (3, 3)
    assert [(bucket.group, bucket.statistics.sessions) for bucket in report.buckets] == [("ann", 1), ("bob", 2)]
    assert report.total.sessions_by_status == {"active": 3}
