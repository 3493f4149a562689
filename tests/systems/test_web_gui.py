"""The testing web GUI's document, statement by statement: what sessions of testing agents must be able to do.

`test_web_gui_week.py` has what takes long: agents that are processes, a crash, and sessions that grow old.
"""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

import sojourn
from tests.support.command import sojourn as run


@pytest.fixture
def name():
    """What a test's users, projects and sessions begin with."""
    return f"g{uuid4().hex[:12]}"


async def ended(client, project, *, number=1, **steps):
    """A test run that is over, with the id `<project>-<number>`."""
    session = await client.create_session(
        f"{project}-{number}", project=project, user_id="user_456", purpose="regression of the shop", tags=["nightly"],
        metadata={"test_plan": "ecommerce_regression", "environment": "staging", "agent_count": 5},
    )  # fmt: skip
    for step, status in steps.items():
        await session.record_step(step, status=status, duration=60)
    await session.add_message("assistant", "The seat map does not open.")
    await session.complete()
    return session


async def out_of_the_active_store(client, project):
    """Moves sessions that have ended to the tier of recent ones, which otherwise happens after some minutes."""
    async for _ in client.cleanup(action="archive", project=project):
        pass


class TestContext:
    async def test_users_and_sessions_at_the_same_time(self, target, name):
        async def user(number):
            async with sojourn.Client(target, user_id=f"{name}-{number}") as client:
                sessions = await asyncio.gather(*[client.create_session(state={"owner": number}) for _ in range(3)])
                for session in sessions:
                    await session.increment_state("clicks", number)
                return [one.id for one in sessions]

        ids = await asyncio.gather(*map(user, range(6)))
        async with sojourn.Client(target) as client:
            for number, own in enumerate(ids):
                found = [one.id async for one in client.list_sessions(user_id=f"{name}-{number}")]
                assert sorted(found) == sorted(own)
                for session in await asyncio.gather(*map(client.get_session, own)):
                    assert session.info.state == {"owner": number, "clicks": number}

    async def test_agents_coordinate_and_delegate(self, client, name):
        plan = await client.create_session(name, kind="plan")
        runs = [
            await client.create_session(f"{name}-{agent}", parent=name, tags=[agent]) for agent in ("one", "two")
        ]  # fmt: skip
        below = await client.create_session(f"{name}-below", parent=runs[0].id)
        for session in (*runs, below):
            await session.record_invocation("browser", duration=2, cost=0.5)
        assert [one.id async for one in client.list_sessions(parent=name, tags=["two"])] == [runs[1].id]
        found = await plan.statistics(include_children=True)
        assert (found.sessions, found.roll_up.sessions) == (1, 4)
        assert (found.roll_up.tool_duration, found.roll_up.tools[0].cost) == (timedelta(seconds=6), 1.5)

    async def test_one_agent_at_a_time(self, client, name):
        session = await client.create_session(name, max_concurrent_requests=1)
        tokens = []

        async def agent():
            async with session.track("drive the browser") as request:
                tokens.append(request.fencing_token)
                assert (await client.get_session(name)).info.admitted_requests == 1

        await asyncio.gather(*[agent() for _ in range(4)])
        assert tokens == sorted(set(tokens))

    async def test_file_uploads_and_large_data(self, client, name, tmp_path):
        session = await client.create_session(name)
        piece = bytes(range(256)) * 1024
        trace = tmp_path / "trace.zip"
        trace.write_bytes(piece * 20)
        await session.put_artifact("home.png", b"before", phase="before")
        await session.put_artifact("home.png", b"after", phase="after")
        put = await session.put_artifact("trace.zip", trace)
        assert put.size_bytes == 20 * len(piece)
        await session.download_artifact("trace.zip", tmp_path / "back.zip")
        assert (tmp_path / "back.zip").read_bytes() == trace.read_bytes()
        listed = [(one.name, one.version, one.phase) async for one in session.artifacts()]
        assert listed == [("home.png", 1, "before"), ("home.png", 2, "after"), ("trace.zip", 1, "")]
        await session.set_result("trace", put.reference())
        assert (await client.get_session(name)).info.results["trace"]["$artifact"]["sha256"] == put.sha256

    async def test_progress_in_real_time(self, client, name):
        session = await client.create_session(name, user_id=name)
        async with session.watch(kinds=["request_progressed"]) as watch, session.track("regression") as request:
            await request.progress(0.25, "15 of 60 pages")
            (change,) = (await anext(watch)).changes
            assert (change.fraction, change.text) == (0.25, "15 of 60 pages")
            (seen,) = [one async for one in client.requests(user_id=name)]
            assert (seen.name, seen.state, seen.progress) == ("regression", "admitted", 0.25)

    async def test_past_runs_are_there_and_compared(self, client, name):
        await ended(client, name, login="passed", pay="failed")
        await ended(client, name, number=2, login="failed", pay="passed")
        await out_of_the_active_store(client, name)
        found = await client.compare(f"{name}-1", f"{name}-2")
        assert [step.name for step in found.regressions] == ["login"]
        assert [step.name for step in found.fixed] == ["pay"]
        assert found.baseline.storage.tier == "recent"

    async def test_what_resources_are_used(self, client, target, name):
        session = await client.create_session(name, project=name)
        await session.add_message("assistant", "go", usage=sojourn.Usage(input_tokens=900, output_tokens=100))
        await session.record_invocation("browser", duration=30, cost=0.5)
        assert (await session.statistics()).usage.total_tokens == 1000
        report = await client.statistics(project=name, group_by="user")
        assert (report.total.sessions, report.total.tool_duration) == (1, timedelta(seconds=30))
        diagnosis = await client.diagnose()
        assert diagnosis.failed == ()
        assert {"engine", "engine.memory", "catalog", "outbox", "blobs"} <= {check.name for check in diagnosis.checks}
        top = await run("top", "--once", "--project", name, target=target)
        assert name in top.stdout, top.stderr


class TestLifecycle:
    async def test_creation(self, client, name):
        await client.create_session(name, project=name, metadata={"environment": "staging"})
        (found,) = [one async for one in client.list_sessions(project=name, metadata={"environment": "staging"})]
        assert (found.id, found.status, found.storage.tier) == (name, "active", "hot")

    async def test_completion_keeps_the_final_state_and_frees_the_active_store(self, client, name):
        session = await ended(client, name, login="passed")
        before = await session.refresh()
        await out_of_the_active_store(client, name)
        after = await session.refresh()
        assert (before.storage.tier, after.storage.tier) == ("hot", "recent")
        place = {"storage", "connection_count"}
        assert after.model_dump(exclude=place) == before.model_dump(exclude=place)

    async def test_hundreds_of_sessions_at_a_time(self, client, name):
        handles = await asyncio.gather(*[client.create_session(project=name, state={"n": n}) for n in range(300)])
        infos = await asyncio.gather(*[handle.refresh() for handle in handles])
        assert [info.state["n"] for info in infos] == list(range(300))
        assert await client.count_sessions(project=name, status="active") == 300


class TestTiers:
    async def test_abandoned_sessions_expire(self, client, name):
        session = await client.create_session(name, idle_timeout=0.5)
        async with session.watch(after=0, kinds=["status_changed"]) as watch:
            assert [change.status for change in (await anext(watch)).changes] == ["expired"]
        with pytest.raises(sojourn.SessionEndedError):
            await session.log("too late")

    async def test_sessions_nobody_uses_any_more_are_abandoned(self, client, name):
        await client.create_session(name, project=name)
        steps = [step async for step in client.cleanup(project=name, status="active", action="abandon")]
        assert (steps[-1].cleaned, (await client.get_session(name)).info.status) == (1, "abandoned")

    async def test_live_updates(self, client, name):
        async with client.watch_sessions(project=name) as watch:
            session = await client.create_session(name, project=name)
            await session.set_state({"agent": "busy"})
            seen = [await anext(watch), await anext(watch)]
            assert [change.kind for event in seen for change in event.changes] == ["session_created", "state_set"]
            assert seen[1].changes[0].values == {"agent": "busy"}

    async def test_a_snapshot_when_it_is_asked_for(self, client, name):
        storage = await (await client.create_session(name)).save()
        assert (storage.tier, bool(storage.snapshot_path)) == ("hot", True)


async def test_the_data_model(client, name):
    """`sess_123` of the document, key by key."""
    session = await ended(client, name)
    await out_of_the_active_store(client, name)
    found = (await session.refresh()).model_dump(mode="json")
    assert found["id"] == f"{name}-1"
    assert found["create_time"] < found["update_time"] == found["end_time"]
    assert found["create_time"].endswith("Z")
    assert (found["user_id"], found["status"]) == ("user_456", "completed")
    assert found["metadata"] == {"test_plan": "ecommerce_regression", "environment": "staging", "agent_count": 5}
    assert (await session.statistics()).session_duration > timedelta(0)
    assert found["storage"]["tier"] == "recent"
    assert found["storage"]["snapshot_path"]
    assert found["storage"]["archive_path"] == ""


class TestSessionApi:
    async def test_crud(self, client, name):
        session = await client.create_session(name, user_id="ada")
        await session.update(metadata={"environment": "staging"}, add_tags=["nightly"])
        found = (await client.get_session(name)).info
        assert (found.user_id, found.tags, found.metadata) == ("ada", ("nightly",), {"environment": "staging"})
        await client.delete_session(name)
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.get_session(name)

    async def test_search_and_filters(self, client, name):
        await ended(client, name)
        await client.create_session(f"{name}-2", project=name, user_id=name, purpose="smoke", tags=["nightly"])
        (hit,) = [one async for one in client.search('"seat map"', project=name, tags=["nightly"])]
        assert (hit.session.id, hit.fragments[0].source) == (f"{name}-1", "message")
        found = [one.id async for one in client.list_sessions(user_id=name, status="active", tags=["nightly"])]
        assert found == [f"{name}-2"]
        staging = [one.id async for one in client.list_sessions(project=name, metadata={"environment": "staging"})]
        assert staging == [f"{name}-1"]

    async def test_export_and_comparison(self, client, name, tmp_path):
        session = await ended(client, name, login="passed")
        await session.export(tmp_path / "run.sojourn")
        copy = await client.import_session(tmp_path / "run.sojourn", new_id=True)
        found = await client.compare(session.id, copy.session.id)
        assert (found.changed_steps, found.state, found.results) == ((), (), ())
        assert found.session_statistics == found.baseline_statistics
