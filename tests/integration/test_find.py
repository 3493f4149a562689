"""Finding sessions by their labels and times: 100 recorded conversations, replayed."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.waiting import wait_until

RECORDED = {"kind": "replay"}


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


async def ids(sessions):
    return [session.id async for session in sessions]


async def _found(results):
    return [each async for each in results]


class TestConditions:
    async def test_all_of_them_newest_first(self, client, corpus):
        listed = [session async for session in client.list_sessions(**RECORDED)]
        assert [session.id for session in listed] == [each.info.id for each in corpus]
        assert len(listed) == 100
        for session, each in zip(listed, corpus, strict=True):
            whole = each.info.model_dump(exclude={"state", "results", "connection_count", "storage"})
            assert session.model_dump(include=set(whole)) == whole
            assert (session.state, session.results) == ({}, {})

    @pytest.mark.parametrize(
        ("conditions", "chosen"),
        [
            ({"user_id": "user-2"}, lambda s: s.user_id == "user-2"),
            ({"user_id": "user"}, lambda s: False),
            ({"project": "travel"}, lambda s: s.project == "travel"),
            ({"status": "completed"}, lambda s: True),
            ({"status": ["active", "failed"]}, lambda s: False),
            ({"tags": ["airline", "even"]}, lambda s: "even" in s.tags),
            ({"tags": ["group-1", "group-2"]}, lambda s: False),
            ({"any_tags": ["group-1", "group-2"]}, lambda s: {"group-1", "group-2"} & set(s.tags)),
            ({"any_tags": ["group-1", "even"], "project": "support"}, lambda s: "group-1" in s.tags),
            ({"metadata": {"reward": 1.0}}, lambda s: s.metadata["reward"] == 1.0),
            ({"metadata": {"reward": 1}}, lambda s: s.metadata["reward"] == 1),
            ({"metadata": {"reward": 1.0, "task_id": 3}},
             lambda s: (s.metadata["reward"], s.metadata["task_id"]) == (1, 3)),
            ({"metadata": {"reward": "1.0"}}, lambda s: False),
            ({"metadata": {"nothing": None}}, lambda s: False),
            ({"parent": "rec-airline-1"}, lambda s: False),
            ({"tiers": ["hot", "recent", "archive"]}, lambda s: True),
            ({"user_id": "user-1", "metadata": {"reward": 0.0}, "any_tags": ["group-1"]},
             lambda s: s.user_id == "user-1" and s.metadata["reward"] == 0),
        ],
    )  # fmt: skip
    async def test_each_condition_and_several(self, client, corpus, conditions, chosen):
        wanted = [each.info.id for each in corpus if chosen(each.info)]
        assert await ids(client.list_sessions(**RECORDED, **conditions)) == wanted
        assert await client.count_sessions(**RECORDED, **conditions) == len(wanted)

    @pytest.mark.parametrize("what", ["created", "updated", "ended"])
    async def test_times_include_their_beginning_and_exclude_their_end(self, client, corpus, what):
        field = {"created": "create_time", "updated": "update_time", "ended": "end_time"}[what]
        times = sorted(getattr(each.info, field) for each in corpus)
        first, last = times[20], times[70]
        bounds = {f"{what}_after": first, f"{what}_before": last}
        wanted = {each.info.id for each in corpus if first <= getattr(each.info, field) < last}
        assert set(await ids(client.list_sessions(**RECORDED, **bounds))) == wanted
        assert await client.count_sessions(**RECORDED, **bounds) == len(wanted) >= 50

    async def test_a_limit_is_the_beginning_of_the_whole(self, client, corpus):
        assert await ids(client.list_sessions(**RECORDED, limit=7)) == [each.info.id for each in corpus[:7]]

    async def test_lists_of_many_pages(self, client, unique):
        created = [
            client.create_session(f"{unique}-{number}", project=unique, purpose=f"many {unique}")
            for number in range(450)
        ]
        handles = await asyncio.gather(*created)
        wanted = sorted(((each.info.create_time, each.id) for each in handles), reverse=True)
        assert await ids(client.list_sessions(project=unique)) == [session_id for _, session_id in wanted]
        assert await client.count_sessions(project=unique) == 450
        found = [found.session.id async for found in client.search(unique)]
        assert sorted(found) == sorted(each.id for each in handles)


class TestConsistency:
    async def test_what_was_acknowledged_is_found_at_once(self, client, unique):
        session = await client.create_session(f"{unique}-s", project=unique)
        for number in range(20):
            await session.update(add_tags=[f"t{number}"], metadata={"number": number})
            await session.add_message("user", f"{unique}x{number}")
            await session.record_invocation(f"tool-{unique}-{number}", duration=0.1)
            found = await asyncio.gather(
                ids(client.list_sessions(project=unique, tags=[f"t{number}"], metadata={"number": number})),
                client.count_sessions(project=unique, text=f"{unique}x{number}"),
                _found(client.search(f"{unique}x{number}")),
                _found(client.invocations(tool=f"tool-{unique}-{number}")),
            )
            assert [len(found[0]), found[1], len(found[2]), len(found[3])] == [1, 1, 1, 1], number
        await session.complete(status="failed")
        assert await ids(client.list_sessions(project=unique, status="failed")) == [session.id]
        await client.delete_session(session.id)
        assert await client.count_sessions(project=unique) == 0
        assert await _found(client.search(f"{unique}x1")) == []

    async def test_who_does_not_wait_is_told_what_may_be_missing(self, client, unique):
        await client.create_session(f"{unique}-s", project=unique)
        listed = client.list_sessions(project=unique, consistency="eventual")
        await _found(listed)
        assert timedelta(0) <= listed.lag < timedelta(minutes=1)

        async def counted():
            return await client.count_sessions(project=unique, consistency="eventual") == 1

        await wait_until(counted, description="the catalog has caught up")
        strong = client.list_sessions(project=unique)
        await _found(strong)
        assert strong.lag == timedelta(0)
