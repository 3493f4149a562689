"""Finding tool invocations over all sessions: those that the sessions' own logs have."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

import sojourn as sdk


@pytest.fixture
def corpus(replayed):
    return replayed.sessions


@pytest.fixture
async def client(replayed):
    async with sdk.Client(replayed.target) as client:
        yield client


@pytest.fixture
def unique():
    """A word that no other test has; sessions a test makes carry it as project, so that others do not see them."""
    return f"w{uuid4().hex[:12]}"


async def _found(results):
    return [each async for each in results]


def facts(call):
    """What lists over all sessions know of an invocation."""
    return call.model_dump(exclude={"usage", "started_revision", "finished_revision"})


async def test_all_sessions_together_have_what_each_of_them_has(client, corpus):
    for user, project in (("user-0", None), ("user-3", None), (None, "support")):
        found = await _found(client.invocations(user_id=user, project=project))
        wanted = {
            (call.session_id, call.id): facts(call)
            for each in corpus
            if (user or each.info.user_id, project or each.info.project) == (each.info.user_id, each.info.project)
            for call in each.invocations
        }
        assert {(call.session_id, call.id): facts(call) for call in found} == wanted
        assert len(found) == len(wanted)
        starts = [call.started_time for call in found]
        assert starts == sorted(starts, reverse=True)


async def test_the_uses_of_a_tool(client, corpus):
    used = Counter(call.tool for each in corpus for call in each.invocations)
    assert used["get_reservation_details"] == 187
    for tool, count in used.items():
        found = await _found(client.invocations(tool=tool, user_id=None, status="succeeded"))
        assert Counter(call.tool for call in found) == {tool: count}
    assert await _found(client.invocations(tool="get_reservation")) == []


async def test_of_one_session(client, corpus):
    each = max(corpus, key=lambda each: len(each.invocations))
    found = await _found(client.invocations(session_id=each.info.id))
    assert sorted(map(repr, map(facts, found))) == sorted(map(repr, map(facts, each.invocations)))


async def test_status_duration_and_time(client, unique):
    session = await client.create_session(f"{unique}-s", project=unique)
    began = datetime.now(UTC) - timedelta(hours=1)  # of the store's clock only so much is known
    for tool, how in (
        ("quick", {"duration": 0.1, "result": 1, "cost": 0.25}),
        ("slow", {"duration": 2.5, "result": None}),
        ("broken", {"duration": 1.0, "status": "failed", "error": "no"}),
    ):
        await session.record_invocation(tool, **how)
    async with session.invocation("open"):

        async def tools(**conditions):
            return [call.tool async for call in client.invocations(project=unique, **conditions)]

        assert await tools() == ["open", "broken", "slow", "quick"]
        assert await tools(limit=3) == ["open", "broken", "slow"]
        assert await tools(running=True) == await tools(status="running") == ["open"]
        assert await tools(status="failed") == ["broken"]
        assert await tools(status="failed", running=True) == await tools(status=["failed", "running"])
        assert await tools(status=["failed", "running"]) == ["open", "broken"]
        assert await tools(min_duration=1) == ["broken", "slow"]
        assert await tools(min_duration=0.1, max_duration=timedelta(seconds=1)) == ["broken", "quick"]
        assert await tools(started_after=began) == ["open", "broken", "slow", "quick"]
        assert await tools(started_before=began) == []
        calls = await _found(client.invocations(project=unique))
        assert await tools(started_after=calls[1].started_time) == ["open", "broken"]
        assert await tools(started_before=calls[1].started_time) == ["slow", "quick"]
        quick = calls[-1]
        assert (quick.cost, quick.duration, quick.result) == (0.25, timedelta(seconds=0.1), 1)
        assert (calls[1].error, calls[0].status, calls[0].finished_time) == ("no", "running", None)
    assert await tools(running=True) == []


async def test_lists_of_many_pages_though_starts_are_of_one_moment(client, unique):
    session = await client.create_session(f"{unique}-s", project=unique)
    for _ in range(5):
        async with session.write() as write:
            for _ in range(90):
                write.start_invocation("open")
    wanted = [call.id async for call in session.invocations()]
    found = [call.id async for call in client.invocations(project=unique)]
    assert (len(found), set(found)) == (450, set(wanted))


async def test_one_with_its_session(client, corpus, unique):
    for each in corpus[::20]:
        for call in each.invocations:
            found = await client.get_invocation(each.info.id, call.id)
            assert facts(sdk.Invocation(**found.model_dump(exclude={"session"}))) == facts(call)
            assert (found.session.id, found.session.uid) == (each.info.id, each.info.uid)
    session = await client.create_session(f"{unique}-s", project=unique)
    async with session.invocation("git") as call:
        assert (await client.get_invocation(session.id, call.id)).status == "running"
    assert (await client.get_invocation(session.id, call.id)).status == "succeeded"
    with pytest.raises(sdk.InvocationNotFoundError) as raised:
        await client.get_invocation(session.id, "other")
    assert (raised.value.session_id, raised.value.invocation_id) == (session.id, "other")
    with pytest.raises(sdk.SessionNotFoundError):
        await client.get_invocation(f"{unique}-none", call.id)
    await client.delete_session(session.id)
    with pytest.raises(sdk.SessionDeletedError):
        await client.get_invocation(session.id, call.id)
