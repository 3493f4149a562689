"""The query service's document, statement by statement, against `examples/query_service.py` in this process."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

import sojourn
from tests.support.waiting import wait_until
from tests.support.web import called, example

service = example("query_service")


@pytest.fixture(scope="module")
def server(places, deployment):
    """A service that allows ten sessions a user."""
    with places.serving(deployment, sessions_per_user=10, reap_seconds=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def target(server):
    return server.target


@pytest.fixture
async def http(target):
    """The query service; its sessions live for a day."""
    async with called(service.create_app(AGENTS, target=target)) as http:
        yield http


@pytest.fixture
async def hasty(target):
    """The same with sessions that expire after a moment."""
    settings = service.Settings(timeout_hours=0.2 / 3600)
    async with called(service.create_app(AGENTS, target=target, settings=settings)) as http:
        yield http


@pytest.fixture
def user():
    return f"john-{uuid4().hex[:8]}"


async def failing(query, parameters):
    raise RuntimeError(f"no answer to {query.text}")


async def remembering(query, parameters):
    """Answers with what it knew before: what an agent's memory is."""
    return " | ".join(message.content for message in await query.history(None)) or "nothing yet"


AGENTS = {"simple": service.simple, "advanced": service.advanced, "failing": failing, "remembering": remembering}


async def ask(http, query, **body):
    """What the service answers; the answer's metadata, else the error's."""
    return await http.post("/query", json={"query": query, **body})


async def session(http, session_id):
    found = await http.get(f"/sessions/{session_id}")
    assert found.status_code == 200, found.text
    return found.json()


async def until_expired(http, session_id):
    """A session that nobody uses is not found any more."""

    async def gone():
        return (await http.get(f"/sessions/{session_id}")).status_code == 404

    await wait_until(gone, description="the session expires")


async def deleted(client, session_id):
    try:
        await client.get_session(session_id)
    except sojourn.SessionDeletedError:
        return True
    return False


class TestFeatures:
    async def test_a_session_is_created_if_no_thread_id_is_provided(self, http, user):
        first, second = [(await ask(http, "Hello, how are you?", user_id=user)).json() for _ in range(2)]
        assert first["metadata"]["thread_id"] != second["metadata"]["thread_id"]
        assert (await session(http, first["metadata"]["thread_id"]))["status"] == "active"

    async def test_binding_a_session_to_a_user_is_optional(self, http, user):
        nobodys = (await ask(http, "Hello")).json()["metadata"]["thread_id"]
        johns = (await ask(http, "Hello", user_id=user)).json()["metadata"]["thread_id"]
        assert (await session(http, nobodys))["user_id"] == ""
        assert (await session(http, johns))["user_id"] == user

    async def test_each_session_stores_the_history_of_queries_and_responses(self, http, client):
        thread_id = (await ask(http, "One", agent_type="simple")).json()["metadata"]["thread_id"]
        await ask(http, "Two", agent_type="simple", thread_id=thread_id)
        messages = [(message.role, message.content) async for message in client.session(thread_id).messages()]
        assert messages == [
            ("user", "One"), ("assistant", "You said: One"), ("user", "Two"), ("assistant", "You said: Two"),
        ]  # fmt: skip

    async def test_expired_sessions_are_removed_automatically(self, hasty):
        await until_expired(hasty, (await hasty.post("/sessions", json={})).json()["session_id"])


class TestStorageTypes:
    async def test_in_memory_storage(self, sojourn_server):
        async with called(service.create_app(AGENTS, target=sojourn_server)) as http:
            assert (await ask(http, "Hello")).status_code == 200

    async def test_sessions_are_preserved_after_a_restart(self, server):
        async with called(service.create_app(AGENTS, target=server.target)) as http:
            thread_id = (await ask(http, "I am a Python programmer")).json()["metadata"]["thread_id"]
            await server.kill()
            await server.start()
        async with called(service.create_app(AGENTS, target=server.target)) as http:
            known = await ask(http, "Who am I?", agent_type="remembering", thread_id=thread_id)
            assert known.json()["response"].startswith("I am a Python programmer | ")


class TestConfiguration:
    def test_the_section_of_the_configuration_file(self, tmp_path, monkeypatch):
        (tmp_path / "config.yaml").write_text(
            "sessions:\n  storage_type: memory\n  db_path: data/sessions.db\n  timeout_hours: 24\n"
            "  cleanup_interval_minutes: 60\n  max_sessions_per_user: 10\n"
        )
        monkeypatch.setenv("QUERY_SERVICE_CONFIG", str(tmp_path / "config.yaml"))
        assert service.configured() == service.Settings(timeout_hours=24, cleanup_interval_minutes=60)

    async def test_timeout_hours_of_inactivity(self, http):
        created = (await http.post("/sessions", json={})).json()
        info = await session(http, created["session_id"])
        begun, ends = [datetime.fromisoformat(info[when]) for when in ("last_activity", "expires_at")]
        assert ends - begun == timedelta(hours=24)

    async def test_cleanup_runs_by_itself_in_its_interval(self, target, client):
        settings = service.Settings(timeout_hours=0.1 / 3600, cleanup_interval_minutes=0.1 / 60)
        async with called(service.create_app(AGENTS, target=target, settings=settings)) as http:
            session_id = (await http.post("/sessions", json={})).json()["session_id"]
            await wait_until(lambda: deleted(client, session_id), description="the session is cleaned up")

    async def test_a_user_has_at_most_max_sessions_per_user(self, http, user):
        created = await asyncio.gather(*[http.post("/sessions", json={"user_id": user}) for _ in range(13)])
        assert sorted(response.status_code for response in created) == [201] * 10 + [429] * 3
        assert {response.headers.get("Retry-After") for response in created if response.status_code == 429} == {"1"}
        assert (await ask(http, "Hello", user_id=user)).status_code == 429
        # What is there goes on, and who ends one has room again.
        known = next(response.json()["session_id"] for response in created if response.status_code == 201)
        assert (await ask(http, "Hello", user_id=user, thread_id=known)).status_code == 200
        assert (await http.delete(f"/sessions/{known}")).status_code == 200
        assert (await ask(http, "Hello", user_id=user)).status_code == 200

    async def test_no_limit(self, sojourn_server, user):
        async with called(service.create_app(AGENTS, target=sojourn_server)) as http:
            created = await asyncio.gather(*[http.post("/sessions", json={"user_id": user}) for _ in range(15)])
            assert {response.status_code for response in created} == {201}


class TestEndpoints:
    async def test_post_query(self, http, user):
        answered = await http.post(
            "/query",
            json={
                "query": "Your question",
                "agent_type": "advanced",
                "thread_id": f"session_{user}",
                "user_id": user,
                "parameters": {},
            },
        )
        assert answered.status_code == 200
        answer = answered.json()
        assert answer["response"] == "You said: Your question. That is new to me."
        assert answer["execution_time"] > 0
        assert answer["metadata"] == {"thread_id": f"session_{user}", "user_id": user, "agent_type": "advanced"}

    async def test_post_query_refuses_what_makes_no_sense(self, http, client, user):
        unknown = await ask(http, "Hello", agent_type="unheard-of", user_id=user)
        assert (unknown.status_code, "unheard-of" in unknown.text) == (422, False)
        assert (await ask(http, "Hello", thread_id="no id", user_id=user)).status_code == 422
        assert (await http.post("/query", json={"user_id": user})).status_code == 422
        assert await client.count_sessions(user_id=user) == 0

    async def test_post_sessions(self, http, user):
        body = {"user_id": user, "metadata": {"source": "webapp", "version": "1.0"}}
        created = await http.post("/sessions", json=body)
        assert created.status_code == 201
        assert created.json()["user_id"] == user
        assert created.json()["metadata"].items() >= {"source": "webapp", "version": "1.0", "query_count": 0}.items()
        assert (await http.post("/sessions", json={})).status_code == 201  # all of it is optional

    async def test_get_session(self, http, user):
        created = (await http.post("/sessions", json={"user_id": user})).json()
        assert await session(http, created["session_id"]) == created
        assert (await http.get("/sessions/nowhere")).status_code == 404

    async def test_delete_session(self, http, user):
        session_id = (await http.post("/sessions", json={"user_id": user})).json()["session_id"]
        assert (await http.delete(f"/sessions/{session_id}")).json() == {"deleted": session_id}
        for request in (http.get, http.delete):
            assert (await request(f"/sessions/{session_id}")).status_code == 404

    async def test_only_threads_are_sessions_of_the_service(self, http, client, user):
        await client.create_session(user, kind="qa-session")
        for request in (http.get, http.delete):
            assert (await request(f"/sessions/{user}")).status_code == 404
        assert (await ask(http, "Hello", thread_id=user)).status_code == 409

    async def test_get_sessions_of_a_user(self, http, user):
        ids = [(await http.post("/sessions", json={"user_id": user})).json()["session_id"] for _ in range(3)]
        listed = (await http.get(f"/users/{user}/sessions")).json()
        assert listed["count"] == 3
        assert {each["session_id"] for each in listed["sessions"]} == set(ids)
        assert (await http.get(f"/users/{user}-else/sessions")).json()["sessions"] == []

    async def test_sessions_cleanup_by_hand(self, hasty, client):
        session_id = (await hasty.post("/sessions", json={})).json()["session_id"]
        await until_expired(hasty, session_id)
        assert (await hasty.post("/sessions/cleanup")).json()["cleaned_sessions"] >= 1
        assert await deleted(client, session_id)


class TestUsageExamples:
    async def test_creating_a_session_and_a_conversation(self, http, user):
        response = await http.post("/sessions", json={"user_id": user, "metadata": {"source": "chat_app"}})
        session_id = response.json()["session_id"]
        await ask(http, "I am a Python programmer", thread_id=session_id, user_id=user)
        response = await ask(http, "What tools do you recommend for work?", thread_id=session_id, user_id=user)
        # The agent has the context of the first question.
        assert response.json()["response"].endswith("Before that: I am a Python programmer")

    async def test_automatic_session_creation(self, http, user):
        response = await ask(http, "Hello, how are you?", user_id=user)
        session_id = response.json()["metadata"]["thread_id"]
        again = await ask(http, "Do you know me?", user_id=user, thread_id=session_id)
        assert again.json()["metadata"]["thread_id"] == session_id

    async def test_session_monitoring(self, http, user):
        session_id = (await ask(http, "One", user_id=user, agent_type="simple")).json()["metadata"]["thread_id"]
        await asyncio.gather(*[ask(http, "More", user_id=user, thread_id=session_id) for _ in range(2)])
        sessions = (await http.get(f"/users/{user}/sessions")).json()["sessions"]
        assert [(each["session_id"], each["metadata"]["query_count"]) for each in sessions] == [(session_id, 3)]

        async def told():
            stats = (await http.get("/sessions/stats")).json()
            return stats if stats["users"].get(user, {}).get("messages") == 6 else None

        stats = await wait_until(told, description="statistics of what was said")
        assert stats["active_sessions_memory"] >= 1
        assert stats["users"][user]["sessions"] == 1
        assert stats["users"][user]["tools"] == {"recall": {"invocations": 2, "succeeded": 2, "failed": 0}}

    async def test_the_number_of_active_sessions_is_exact(self, http, client, user):
        async def active():
            return (await http.get("/sessions/stats")).json()["active_sessions_memory"]

        async def settled():  # what other tests left has expired
            listed = client.list_sessions(kind="thread", status="active")
            return not [each.id async for each in listed if each.idle_timeout < timedelta(hours=1)]

        await wait_until(settled, description="the other tests' sessions expire")
        before = await active()
        ids = [(await http.post("/sessions", json={"user_id": user})).json()["session_id"] for _ in range(3)]
        assert await active() == before + 3
        await client.session(ids[0]).complete()
        await http.delete(f"/sessions/{ids[1]}")
        assert await active() == before + 1


class TestSessionStructure:
    async def test_metadata(self, http, user):
        body = {"user_id": user, "metadata": {"plan": "pro"}}
        session_id = (await http.post("/sessions", json=body)).json()["session_id"]
        await ask(http, "First", thread_id=session_id, user_id=user, agent_type="simple")
        await ask(http, "Last", thread_id=session_id, user_id=user, agent_type="advanced")
        assert (await session(http, session_id))["metadata"] == {
            "query_count": 2,
            "last_query": "Last",
            "last_agent_type": "advanced",
            "created_from": "sessions",
            "plan": "pro",
        }
        by_query = (await ask(http, "Hello", user_id=user)).json()["metadata"]["thread_id"]
        assert (await session(http, by_query))["metadata"]["created_from"] == "query"

    async def test_context(self, http, user):
        question = "Why? " * 200
        answered = await ask(http, question, user_id=user, agent_type="simple")
        context = (await session(http, answered.json()["metadata"]["thread_id"]))["context"]
        assert context["last_query"] == question  # in full
        assert context["last_response"] == f"You said: {question}"[:499] + "…"  # cut off
        assert context["last_execution_time"] == answered.json()["execution_time"]
        assert context["last_agent_used"] == "simple"
        assert (context["error_count"], context["last_error"]) == (0, "")

    async def test_errors_are_counted_and_the_session_goes_on(self, http, user):
        thread_id = (await ask(http, "Hello", user_id=user, agent_type="simple")).json()["metadata"]["thread_id"]
        for number in range(2):
            failed = await ask(http, f"question {number}", user_id=user, thread_id=thread_id, agent_type="failing")
            assert failed.status_code == 500
            assert failed.json()["detail"] == f"no answer to question {number}"
            assert failed.json()["metadata"]["thread_id"] == thread_id
        context = (await session(http, thread_id))["context"]
        assert (context["error_count"], context["last_error"]) == (2, "no answer to question 1")
        assert (context["query_count"], context["last_response"]) == (3, "You said: Hello")
        assert (await ask(http, "Hello", user_id=user, thread_id=thread_id)).status_code == 200

    async def test_counters_are_exact_whoever_asks_at_the_same_time(self, http, user):
        session_id = (await http.post("/sessions", json={"user_id": user})).json()["session_id"]
        agents = ["simple", "advanced", "failing"] * 6
        await asyncio.gather(
            *[ask(http, f"q{n}", thread_id=session_id, user_id=user, agent_type=a) for n, a in enumerate(agents)]
        )
        context = (await session(http, session_id))["context"]
        assert (context["query_count"], context["error_count"]) == (18, 6)


class TestSecurity:
    async def test_sessions_are_not_shared_between_users(self, http, user):
        thread_id = (await ask(http, "My secret", user_id=user)).json()["metadata"]["thread_id"]
        for stranger in ({"user_id": f"{user}-else"}, {}):
            refused = await ask(http, "What was said?", thread_id=thread_id, **stranger)
            assert refused.status_code == 403
            assert "secret" not in refused.text
        assert (await session(http, thread_id))["context"]["query_count"] == 1

    async def test_what_users_send_is_data(self, http, client, user):
        hostile = "'; DROP TABLE sessions; --\u202e\U0001f600"
        answered = await ask(http, hostile, user_id=f"{user}{hostile}", agent_type="simple")
        info = await session(http, answered.json()["metadata"]["thread_id"])
        assert (info["user_id"], info["context"]["last_query"]) == (f"{user}{hostile}", hostile)
        assert await client.count_sessions(user_id=f"{user}{hostile}") == 1


class TestMigration:
    async def test_a_thread_id_that_does_not_exist_is_created_with_that_id(self, http, user):
        answered = await ask(http, "Hello", thread_id=f"session_{user}", user_id=user)
        assert answered.json()["metadata"]["thread_id"] == f"session_{user}"
        together = await asyncio.gather(
            *[ask(http, "Hello", thread_id=f"new_{user}", user_id=user, agent_type="simple") for _ in range(5)]
        )
        assert {response.status_code for response in together} == {200}
        assert (await session(http, f"new_{user}"))["context"]["query_count"] == 5

    async def test_a_query_alone_is_enough(self, http):
        assert (await ask(http, "Hello")).status_code == 200

    async def test_one_that_has_expired_is_as_if_it_did_not_exist(self, http, client, user):
        thread = await client.thread(f"session_{user}", user_id=user, idle_timeout=0.3)
        with suppress(sojourn.SessionEndedError):  # on a slow machine it has expired by now
            await thread.session.add_message("user", "Long ago")
        await until_expired(http, thread.id)
        answered = await ask(http, "Do you know me?", thread_id=thread.id, user_id=user, agent_type="remembering")
        assert (answered.status_code, answered.json()["response"]) == (200, "nothing yet")
        assert (await session(http, thread.id))["context"]["query_count"] == 1


class TestTroubleshooting:
    async def test_too_many_sessions_of_a_user_are_those_that_have_not_expired(self, target, user):
        """The remedies of the document: a shorter timeout makes room by itself."""
        settings = service.Settings(timeout_hours=0.3 / 3600)
        async with called(service.create_app(AGENTS, target=target, settings=settings)) as http:
            await asyncio.gather(*[http.post("/sessions", json={"user_id": user}) for _ in range(10)])

            async def room():
                return (await ask(http, "Hello", user_id=user)).status_code == 200

            await wait_until(room, description="sessions expire and make room")
