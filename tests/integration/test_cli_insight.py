"""The `sojourn` program compares sessions, sums them up and keeps templates."""

import asyncio
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.command import sojourn


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


@pytest.fixture
def unique():
    return f"c{uuid4().hex[:12]}"


async def run_of(client, session_id, project, **steps):
    session = await client.create_session(session_id, project=project, user_id="ann", state={"build": session_id})
    for step, status in steps.items():
        await session.record_step(step, status=status, duration=1.5)
    await session.record_invocation("click", duration=0.5, cost=0.25)
    return session


async def test_compare(server, client, unique):
    one, two = f"{unique}-1", f"{unique}-2"
    await run_of(client, one, unique, login="passed", pay="failed", search="passed")
    await run_of(client, two, unique, login="error", pay="passed", search="passed")
    done = await sojourn("compare", one, two, target=server.target)
    assert done.code == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.lines]
    assert "1 worse, 1 fixed, 0 otherwise changed, 1 the same" in rows
    assert "login worse passed error 1.50 s 1.50 s" in rows
    assert "pay fixed failed passed 1.50 s 1.50 s" in rows
    assert not [row for row in rows if row.startswith("search")]
    assert f'build changed "{one}" "{two}"' in rows
    assert "click 1 0 0.50 s 0.25" in rows

    everything, checked, better, missing = await asyncio.gather(
        sojourn("compare", one, two, "--all", "-o", "json", target=server.target),
        sojourn("compare", one, two, "--check", target=server.target),
        sojourn("compare", two, two, "--check", target=server.target),
        sojourn("compare", one, "none", target=server.target),
    )
    found = sdk.Comparison.model_validate_json(everything.stdout)
    assert [step.name for step in found.regressions] == ["login"]
    assert (checked.code, "1 step passed before and not now" in checked.stderr) == (1, True)
    assert better.code == 0
    assert (missing.code, missing.stdout) == (3, "")


async def test_the_statistics_of_a_session(server, client, unique):
    session = await run_of(client, unique, unique, login="passed")
    await client.create_session(f"{unique}-child", parent=session.id)
    done = await sojourn("stats", unique, "--children", target=server.target)
    rows = [" ".join(line.split()) for line in done.lines]
    assert "sessions 1 (1 active)" in rows
    assert "sessions 2 (2 active)" in rows
    assert "invocations 1 in 0.50 s, 100.0% succeeded" in rows
    assert "steps 1 passed, 0 failed, 0 skipped" in rows
    as_json = await sojourn("stats", unique, "--children", "-o", "json", target=server.target)
    found = sdk.SessionStatistics.model_validate_json(as_json.stdout)
    assert (found.sessions, found.roll_up.sessions) == (1, 2)


async def test_the_statistics_of_many(server, client, unique):
    for number, user in enumerate(("ann", "bob", "bob")):
        session = await client.create_session(f"{unique}-{number}", project=unique, user_id=user)
        await session.record_invocation("click", duration=1)
        await session.statistics()  # it counts from now on
    chosen = ("stats", "--project", unique)
    done = await sojourn(*chosen, "--by", "user", target=server.target)
    rows = [" ".join(line.split()) for line in done.lines]
    assert [row for row in rows if row.startswith(("ann", "bob"))] == ["ann 1 0 1 0", "bob 2 0 2 0"]
    assert "sessions 3 (3 active)" in rows
    as_json = await sojourn(*chosen, "--period", "week", "-o", "json", target=server.target)
    report = sdk.StatisticsReport.model_validate_json(as_json.stdout)
    assert (report.total.sessions, sum(bucket.statistics.sessions for bucket in report.buckets)) == (3, 3)
    refused = await sojourn(*chosen, "--period", "5m", target=server.target)
    assert (refused.code, "at least an hour" in refused.stderr) == (1, True)


async def test_templates(server, client, unique):
    begins = [
        "--kind",
        "qa",
        "--tag",
        "nightly",
        "--state",
        "retries=2",
        "--metadata",
        "team=web",
        "--idle-timeout",
        "2h",
    ]
    made = await sojourn("templates", "create", unique, *begins, "--purpose", "Nightly", target=server.target)
    assert (made.code, made.stdout) == (0, f"{unique}\n"), made.stderr
    session = await client.create_session(template=unique)
    assert (session.info.kind, session.info.state, session.info.metadata) == ("qa", {"retries": 2}, {"team": "web"})

    taken, shown, listed, missing = await asyncio.gather(
        sojourn("templates", "create", unique, target=server.target),
        sojourn("templates", "show", unique, "-o", "json", target=server.target),
        sojourn("templates", target=server.target),
        sojourn("templates", "show", "none", target=server.target),
    )
    assert (taken.code, "exists already" in taken.stderr) == (1, True)
    assert sdk.Template.model_validate_json(shown.stdout) == await client.get_template(unique)
    assert unique in [line.split()[0] for line in listed.lines if line.strip()]
    assert (missing.code, "sojourn templates" in missing.stderr) == (3, True)
    replaced = await sojourn("templates", "create", unique, "--replace", "--kind", "chat", target=server.target)
    assert (replaced.code, (await client.get_template(unique)).kind) == (0, "chat")
    assert (await sojourn("templates", "rm", unique, target=server.target)).code == 0
    with pytest.raises(sdk.TemplateNotFoundError):
        await client.get_template(unique)
