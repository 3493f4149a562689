"""The chat server's document, statement by statement, with `sojourn.integrations.fastapi`.

`test_chat_server_web.py` has what needs real connections: handlers, clients that go away, WebSockets.
"""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

import sojourn
from sojourn.integrations.fastapi import SessionManager
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def target(places, deployment):
    """A service that looks often for sessions whose time is over."""
    with places.serving(deployment, reap_seconds=0.1) as server:
        yield server.target


@pytest.fixture
def name():
    """The test's project, and what its users begin with."""
    return f"c{uuid4().hex[:12]}"


@pytest.fixture
async def manager(target, name):
    async with SessionManager(client=sojourn.Client(target), project=name) as manager:  # patient on slow machines
        yield manager


async def expired(manager, session_id):
    """Waits until the session is not found any more."""

    async def gone():
        return await manager.get_session(session_id) is None

    await wait_until(gone, description="the session expires")


async def counted(manager, **expected):
    """Waits until the metrics say so; a watch brings what is counted."""

    async def told():
        metrics = await manager.get_metrics()
        return {name: metrics[name] for name in expected} == expected

    await wait_until(told, description=f"metrics that say {expected}")


async def live_requests(manager, session_id):
    return [request.id async for request in manager.client.requests(session_id=session_id)]


class TestFeatures:
    async def test_sessions_have_unique_identifiers(self, manager):
        created = await asyncio.gather(*[manager.create_session() for _ in range(20)])
        assert len({session.id for session in created}) == 20

    async def test_graceful_shutdown_cleans_up_all_sessions(self, target, client, name):
        for on_shutdown, status in (("keep", "active"), ("complete", "completed"), ("delete", None)):
            async with SessionManager(target, project=name, on_shutdown=on_shutdown) as manager:
                ids = [(await manager.create_session()).id for _ in range(2)]
                other = await client.create_session(kind="chat", project=name)
            found = {each.id: each.status async for each in client.list_sessions(project=name)}
            assert [found.get(each) for each in ids] == [status] * 2
            assert found[other.id] == "active"  # of another back end

    async def test_sessions_are_there_after_the_next_start(self, target, name):
        manager = SessionManager(target, project=name)
        async with manager:
            session = await manager.create_session()
        async with manager:
            assert (await manager.get_session(session.id)).id == session.id
            await counted(manager, active_sessions=1, total_sessions_created=0)


class TestSessionModel:
    async def test_what_a_session_contains(self, manager, name):
        metadata = {"client_type": "web"}
        session = await manager.create_session(user_id=name, conversation_id="conv-456", metadata=metadata)
        async with manager.track_request(session.id) as tracked:
            info = await tracked.refresh()
            assert info.id == session.id
            assert info.user_id == name
            assert info.metadata == {"conversation_id": "conv-456", "client_type": "web"}
            assert info.create_time <= info.update_time  # the last activity
            assert info.admitted_requests == 1
            assert await live_requests(manager, session.id) == [tracked.request.id]

            async def connected():
                return (await tracked.refresh()).connection_count == 1

            await wait_until(connected, timeout=20, description="the connection is counted")

    async def test_user_and_conversation_are_optional(self, manager):
        info = (await manager.create_session()).info
        assert (info.user_id, info.metadata) == ("", {})


class TestRetrievingSessions:
    async def test_by_id(self, manager):
        session = await manager.create_session(metadata={"a": 1})
        found = await manager.get_session(session.id)
        assert (found.id, found.info.metadata) == (session.id, {"a": 1})
        assert await manager.get_session("nowhere") is None

    async def test_by_user(self, manager, name):
        assert await manager.get_session_by_user(name) is None
        first = await manager.create_session(user_id=name)
        await manager.create_session(user_id=f"{name}-else")
        assert (await manager.get_session_by_user(name)).id == first.id
        second = await manager.create_session(user_id=name)
        assert (await manager.get_session_by_user(name)).id in (first.id, second.id)
        for session in (first, second):
            await manager.delete_session(session.id)
        assert await manager.get_session_by_user(name) is None

    async def test_by_conversation(self, manager, name):
        session = await manager.create_session(conversation_id=name)
        assert (await manager.get_session_by_conversation(name)).id == session.id
        assert await manager.get_session_by_conversation(f"{name}-else") is None

    async def test_every_back_end_finds_them(self, manager, target, name):
        session = await manager.create_session(user_id=name)
        async with SessionManager(target, project=name) as other:
            assert (await other.get_session(session.id)).id == session.id
            assert (await other.get_session_by_user(name)).id == session.id


class TestTrackingRequests:
    async def test_a_request_is_tracked_while_its_context_lasts(self, manager):
        session = await manager.create_session()
        async with manager.track_request(session.id) as tracked:
            assert await live_requests(manager, session.id) == [tracked.request.id]
            await tracked.add_message("user", "Hello")
        assert await live_requests(manager, session.id) == []

    async def test_a_request_is_removed_however_its_context_ends(self, manager):
        session = await manager.create_session()
        with pytest.raises(ZeroDivisionError):
            async with manager.track_request(session.id):
                raise ZeroDivisionError
        assert await live_requests(manager, session.id) == []

    async def test_multiple_requests_of_a_session_run_concurrently(self, manager):
        session = await manager.create_session()
        met = asyncio.Barrier(5)

        async def process():
            async with manager.track_request(session.id) as tracked:
                await met.wait()
                await tracked.increment_state("processed")

        await asyncio.gather(*[process() for _ in range(5)])
        assert (await session.refresh()).state == {"processed": 5}

    async def test_an_unknown_session_is_an_error(self, manager):
        with pytest.raises(sojourn.SessionNotFoundError):
            async with manager.track_request("nowhere"):
                pass


class TestCleanup:
    async def test_manual(self, manager):
        session = await manager.create_session()
        assert await manager.delete_session(session.id) is True
        assert await manager.get_session(session.id) is None
        assert await manager.delete_session(session.id) is False

    async def test_inactive_sessions_expire(self, target, name):
        async with SessionManager(target, project=name, session_timeout=0.3) as manager:
            session = await manager.create_session()
            await expired(manager, session.id)
            with pytest.raises(sojourn.SessionEndedError):
                async with manager.track_request(session.id):
                    pass

    async def test_sessions_with_active_requests_are_not_cleaned_up(self, target, name):
        async with SessionManager(target, project=name, session_timeout=1) as manager:
            session = None
            while session is None:  # on a slow machine it may expire before the request is there
                created = await manager.create_session()
                try:
                    async with manager.track_request(created.id) as session:
                        younger = await manager.create_session()
                        await expired(manager, younger.id)
                        assert (await session.refresh()).is_active
                except sojourn.SessionEndedError:
                    continue
            await expired(manager, session.id)


class TestConfiguration:
    async def test_defaults(self, target):
        async with SessionManager(target) as manager:
            session = await manager.create_session()
            metrics = await manager.get_metrics()
            assert (metrics["session_timeout_minutes"], metrics["max_concurrent_requests"]) == (60, 100)
            assert session.info.idle_timeout == timedelta(minutes=60)
            await manager.delete_session(session.id)

    async def test_timeouts_for_interactive_applications_and_for_long_tasks(self, target, name):
        for minutes in (30, 120):
            async with SessionManager(target, project=name, session_timeout=timedelta(minutes=minutes)) as manager:
                assert (await manager.create_session()).info.idle_timeout == timedelta(minutes=minutes)
        async with SessionManager(target, project=name, session_timeout=None) as manager:
            assert (await manager.create_session()).info.expire_time is None

    async def test_environment_variables(self, target, monkeypatch):
        monkeypatch.setenv("MORGAN_SESSION_TIMEOUT", "90")
        monkeypatch.setenv("MORGAN_MAX_CONCURRENT", "7")
        async with SessionManager.from_environment("MORGAN_", target=target) as manager:
            metrics = await manager.get_metrics()
        assert (metrics["session_timeout_minutes"], metrics["max_concurrent_requests"]) == (90, 7)


class TestIsolation:
    async def test_data_never_crosses_session_boundaries(self, manager):
        sessions = await asyncio.gather(*[manager.create_session() for _ in range(20)])

        async def talk(number):
            for _ in range(3):
                async with manager.track_request(sessions[number].id) as tracked:
                    await tracked.set_state({"canary": number})
                    await tracked.add_message("user", f"canary {number}")

        await asyncio.gather(*map(talk, range(20)))
        for number, session in enumerate(sessions):
            assert (await session.refresh()).state == {"canary": number}
            assert [message.content async for message in session.messages()] == [f"canary {number}"] * 3

    async def test_requests_are_tracked_per_session(self, manager):
        first, second = [await manager.create_session() for _ in range(2)]
        async with manager.track_request(first.id) as one, manager.track_request(second.id) as two:
            assert await live_requests(manager, first.id) == [one.request.id]
            assert await live_requests(manager, second.id) == [two.request.id]

    async def test_cleaning_up_one_session_does_not_affect_others(self, manager):
        first, second = [await manager.create_session(state={"n": n}) for n in range(2)]
        async with manager.track_request(second.id) as tracked:
            await manager.delete_session(first.id)
            await tracked.set_state({"n": 2})
        assert (await second.refresh()).state == {"n": 2}

    async def test_sessions_of_other_applications_do_not_exist(self, manager, client, name):
        foreign = [await client.create_session(kind="chat", project=f"{name}-else"), await client.create_session(name)]
        for session in foreign:
            assert await manager.get_session(session.id) is None
            assert await manager.delete_session(session.id) is False
            with pytest.raises(sojourn.SessionNotFoundError):
                async with manager.track_request(session.id):
                    pass
            assert (await session.refresh()).revision == 1


class TestMetrics:
    async def test_get_metrics(self, target, manager, name):
        assert await manager.get_metrics() == {
            "active_sessions": 0,
            "total_sessions_created": 0,
            "total_sessions_expired": 0,
            "total_sessions_cleaned": 0,
            "session_timeout_minutes": 60,
            "max_concurrent_requests": 100,
        }
        async with SessionManager(target, project=name, session_timeout=0.2) as other:  # another back end counts, too
            sessions = [await manager.create_session() for _ in range(3)]
            short = [await other.create_session() for _ in range(2)]
            await counted(manager, total_sessions_created=5)
            await counted(other, total_sessions_created=5)
            await manager.delete_session(sessions[0].id)
            await sessions[1].complete()
            await manager.delete_session(sessions[1].id)  # it is gone already, and counted once
            for session in short:
                await expired(manager, session.id)
            for each in (manager, other):
                await counted(
                    each,
                    active_sessions=1,
                    total_sessions_created=5,
                    total_sessions_expired=2,
                    total_sessions_cleaned=4,
                )

    async def test_totals_begin_with_the_application_and_go_on_with_what_was_there(self, target, manager, name):
        old, older = [await manager.create_session() for _ in range(2)]
        async with SessionManager(target, project=name) as later:
            await counted(later, active_sessions=2, total_sessions_created=0, total_sessions_cleaned=0)
            await manager.delete_session(old.id)
            await older.complete()
            await older.resume()
            await counted(later, active_sessions=1, total_sessions_created=0, total_sessions_cleaned=2)

    async def test_active_sessions_are_exact_at_once(self, manager):
        sessions = await asyncio.gather(*[manager.create_session() for _ in range(10)])
        assert await manager.get_active_session_count() == 10
        await asyncio.gather(*[manager.delete_session(session.id) for session in sessions[:4]])
        assert await manager.get_active_session_count() == 6


class TestHealthSystem:
    async def test_health_tells_the_active_sessions(self, manager):
        await manager.create_session()
        health = await manager.health()
        assert (health.status, health.reasons, health.active_sessions) == ("ok", [], 1)

    async def test_a_back_end_at_capacity_is_degraded(self, target, name):
        async with SessionManager(target, project=name, max_concurrent_requests=1) as manager:
            session = await manager.create_session()
            async with manager.track_request(session.id):
                health = await manager.health()
                assert (health.status, health.active_requests) == ("degraded", 1)
                assert health.reasons == ["as many requests are under way as are allowed"]
            assert (await manager.health()).status == "ok"


class TestProperties:
    async def test_concurrent_request_handling(self, manager):
        """Property 12, and "handles 100+ concurrent sessions easily"."""
        sessions = await asyncio.gather(*[manager.create_session(state={"mine": n}) for n in range(100)])
        everybody = asyncio.Barrier(100)

        async def process(number):
            async with manager.track_request(sessions[number].id) as tracked:
                await everybody.wait()
                assert tracked.info.state == {"mine": number}
                await tracked.increment_state("mine", 1000)

        await asyncio.gather(*map(process, range(100)))
        found = await asyncio.gather(*[session.refresh() for session in sessions])
        assert [info.state["mine"] for info in found] == [1000 + number for number in range(100)]
        assert await manager.get_active_session_count() == 100

    async def test_more_than_max_concurrent_requests_are_refused(self, target, name):
        async with SessionManager(target, project=name, max_concurrent_requests=2) as manager:
            session = await manager.create_session()
            async with manager.track_request(session.id), manager.track_request(session.id):
                with pytest.raises(sojourn.LimitExceededError) as refused:
                    async with manager.track_request(session.id):
                        pass
            assert (refused.value.limit_name, refused.value.limit) == ("max_concurrent_requests", 2)
            async with manager.track_request(session.id):
                pass
