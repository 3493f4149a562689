"""Comparing a session with another, the baseline: one test run with the run before."""


async def run(client, session_id, **steps):
    """A test run: outcomes of its steps by their names."""
    session = await client.create_session(session_id)
    for step, status in steps.items():
        await session.record_step(step, status=status, duration=1)
    return session


async def test_steps_that_fail_now_and_steps_that_were_fixed(client, name):
    await run(client, f"{name}-1", login="passed", pay="failed", search="passed", old="passed")
    await run(client, f"{name}-2", login="failed", pay="passed", search="passed", new="passed")
    found = await client.compare(f"{name}-1", f"{name}-2")
    assert [(step.name, step.difference) for step in found.steps] == [
        ("login", "changed"), ("new", "added"), ("old", "removed"), ("pay", "changed"), ("search", "same"),
    ]  # fmt: skip
    assert [step.name for step in found.regressions] == ["login", "old"]
    assert [step.name for step in found.fixed] == ["pay"]
    assert (found.steps[0].baseline.status, found.steps[0].session.status) == ("passed", "failed")


async def test_state_and_results_that_differ(client, name):
    before = await client.create_session(f"{name}-1", state={"n": 1, "same": {"a": 1, "b": [2]}, "gone": None})
    after = await client.create_session(f"{name}-2", state={"n": 2, "same": {"b": [2.0], "a": 1}, "new": "x"})
    await before.set_result("total", 10)
    await after.set_result("total", "10")
    found = await client.compare(before.id, after.id)
    assert [(value.name, value.difference, value.baseline, value.session) for value in found.state] == [
        ("gone", "removed", None, None), ("n", "changed", 1, 2), ("new", "added", None, "x"),
    ]  # fmt: skip
    assert [(value.name, value.baseline, value.session) for value in found.results] == [("total", 10, "10")]


async def test_tools_and_cost_side_by_side(client, name):
    before, after = await client.create_session(f"{name}-1"), await client.create_session(f"{name}-2")
    await before.record_invocation("search", duration=1)
    await after.record_invocation("search", duration=3)
    await after.record_invocation("book", duration=1)
    found = await client.compare(before.id, after.id)
    book, search = found.tools
    assert (book.baseline, book.session.invocations) == (None, 1)
    assert search.session.total_duration > search.baseline.total_duration
    assert found.session_statistics.counters.invocations == 2


async def test_sessions_that_have_left_the_active_store(client, name):
    for number in (1, 2):
        session = await run(client, f"{name}-{number}", login="passed" if number == 1 else "failed")
        await session.record_invocation("search", duration=number)
        await session.update(add_tags=[name])
        await session.complete()
    hot = await client.compare(f"{name}-1", f"{name}-2")
    statistics = await session.statistics()
    archived = [progress async for progress in client.cleanup(tags=[name], action="archive")]
    assert archived[-1].cleaned == 2
    assert (await session.refresh()).storage.tier == "recent"
    recent = await client.compare(f"{name}-1", f"{name}-2")
    unlike = {"baseline": {"storage"}, "session": {"storage"}}
    assert recent.model_dump(exclude=unlike) == hot.model_dump(exclude=unlike)
    assert await session.statistics() == statistics
    assert [step.name for step in recent.regressions] == ["login"]
