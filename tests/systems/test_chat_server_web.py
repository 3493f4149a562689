"""The chat server's document where it is about handlers: `examples/chat_server.py`, and handlers of each kind, behind a
real web server that real clients call and leave."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import Annotated
from uuid import uuid4

import httpx
import pytest
import websockets
from fastapi import FastAPI, Header, Request, WebSocket
from fastapi.responses import StreamingResponse

import sojourn
from sojourn.integrations.fastapi import SessionManager, SessionSocket, TrackedSession, until_disconnected
from tests.support.waiting import wait_until
from tests.support.web import called, example, served

chat_server = example("chat_server")

LONG = "word " * 1000
"""Takes ten seconds to answer; nobody waits for it here."""


@pytest.fixture(scope="module")
def server(places, deployment):
    with places.serving(deployment) as server:
        yield server


@pytest.fixture(scope="module")
def target(server):
    return server.target


@pytest.fixture
def name():
    return f"c{uuid4().hex[:12]}"


@pytest.fixture
def manager(target, name):
    return SessionManager(client=sojourn.Client(target), project=name)  # patient on slow machines


@asynccontextmanager
async def browser(app):
    """A client of the application, over connections; `http.websocket(path)` opens a WebSocket."""
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=30) as http,
    ):
        http.websocket = lambda path: websockets.connect(f"ws://{address}{path}", proxy=None)
        yield http


@pytest.fixture
async def http(manager):
    """The chat server."""
    async with browser(chat_server.create_app(manager)) as http:
        yield http


async def create(http, **body):
    created = await http.post("/api/sessions", json=body)
    assert created.status_code == 201, created.text
    return created.json()["session_id"]


async def until_requests_are(client, session_id, *states):
    async def seen():
        return [request.state async for request in client.requests(session_id=session_id)] == list(states)

    await wait_until(seen, timeout=20, description=f"requests that are {states}")


async def endings(client, session_id):
    """How the session's requests ended, in order."""
    events = client.session(session_id).events(kinds=["request_finished", "request_lost"])
    changes = [change async for event in events for change in event.changes]
    return [getattr(change, "outcome", "lost") for change in changes]


async def deleted(client, session_id):
    with suppress(sojourn.SessionNotFoundError):
        await client.get_session(session_id)
        return False
    return True


class TestTheChatServer:
    async def test_sessions_are_created_found_and_deleted(self, http, name):
        body = {"user_id": name, "conversation_id": "conv-456", "metadata": {"client_type": "web"}}
        created = (await http.post("/api/sessions", json=body)).json()
        assert (created["user_id"], created["conversation_id"]) == (name, "conv-456")
        assert created["active_requests"] == []
        for path in (f"/api/sessions/{created['session_id']}", f"/api/users/{name}/session"):
            assert (await http.get(path)).json() == created
        path = f"/api/sessions/{created['session_id']}"
        assert (await http.delete(path)).json() == {"deleted": created["session_id"]}
        for request in (http.get, http.delete):
            missing = await request(path)
            assert (missing.status_code, missing.json()) == (404, {"detail": "Session not found"})

    async def test_a_chat_request_is_tracked_within_its_session(self, http, client):
        session_id = await create(http)
        answered = await http.post("/api/chat", params={"session_id": session_id, "message": "Hello"})
        assert (answered.status_code, answered.json()) == (200, {"response": "You said: Hello"})
        # Whoever has the answer finds the request gone.
        assert [request async for request in client.requests(session_id=session_id)] == []
        assert await endings(client, session_id) == ["succeeded"]

    async def test_an_unknown_session_is_404(self, http):
        missing = await http.post("/api/chat", params={"session_id": "nowhere", "message": "Hello"})
        assert (missing.status_code, missing.json()["reason"]) == (404, "SESSION_NOT_FOUND")
        assert "nowhere" in missing.json()["detail"]

    async def test_an_ended_session_is_404_too(self, http, client):
        session_id = await create(http)
        await client.session(session_id).complete()
        ended = await http.post("/api/chat", params={"session_id": session_id, "message": "Hello"})
        assert (ended.status_code, ended.json()["reason"]) == (404, "SESSION_ENDED")

    async def test_a_client_that_does_not_wait_for_its_answer_ends_the_request(self, http, client):
        session_id = await create(http)
        asking = asyncio.create_task(http.post("/api/chat", params={"session_id": session_id, "message": LONG}))
        await until_requests_are(client, session_id, "admitted")
        asking.cancel()
        await until_requests_are(client, session_id)
        assert await endings(client, session_id) == ["cancelled"]
        messages = [message.role async for message in client.session(session_id).messages()]
        assert messages in ([], ["user"])  # as far as it came

    async def test_metrics_and_health_are_routes(self, http):
        await create(http)
        metrics = (await http.get("/metrics")).json()
        assert metrics["active_sessions"] == 1
        assert set(metrics) == {
            "active_sessions", "total_sessions_created", "total_sessions_expired", "total_sessions_cleaned",
            "session_timeout_minutes", "max_concurrent_requests",
        }  # fmt: skip
        health = await http.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["active_sessions"]) == (200, "ok", 1)


class TestWebSockets:
    async def test_the_connection_is_a_request_of_the_session(self, http, client):
        session_id = await create(http)
        async with http.websocket(f"/ws/{session_id}") as socket:
            for text in ("Hello", "And this?"):
                await socket.send(text)
                assert json.loads(await socket.recv()) == {"response": f"You said: {text}"}
            shown = (await http.get(f"/api/sessions/{session_id}")).json()
            assert len(shown["active_requests"]) == 1

    async def test_the_session_is_cleaned_up_on_disconnect(self, http, client):
        session_id = await create(http)
        async with http.websocket(f"/ws/{session_id}") as socket:
            await socket.send("Hello")
            await socket.recv()
        await wait_until(lambda: deleted(client, session_id), timeout=20, description="the session is deleted")

    async def test_a_disconnect_is_noticed_while_the_handler_is_at_work(self, http, client):
        session_id = await create(http)
        async with http.websocket(f"/ws/{session_id}") as socket:
            await socket.send(LONG)
            session = client.session(session_id)

            async def at_work():
                return (await session.refresh()).counters.messages == 1

            await wait_until(at_work, timeout=20, description="the message is being answered")
        await wait_until(lambda: deleted(client, session_id), timeout=20, description="the session is deleted")

    async def test_an_unknown_session_refuses_the_connection(self, http):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with http.websocket("/ws/nowhere"):
                pass
        assert refused.value.response.status_code == 404
        assert json.loads(refused.value.response.body)["reason"] == "SESSION_NOT_FOUND"

    async def test_what_becomes_of_the_session_is_the_applications_choice(self, manager, client):
        app = FastAPI(lifespan=manager.lifespan)
        manager.install(app)

        @app.websocket("/keep/{session_id}")
        async def keep(socket: Annotated[SessionSocket, manager.socket()]):
            async for text in socket.iter_text():
                await socket.send_text(text.upper())

        @app.websocket("/complete/{session_id}")
        async def complete(websocket: WebSocket, session_id: str):
            async with manager.track_socket(websocket, session_id, on_disconnect="complete") as socket:
                await socket.send_text((await socket.receive_text()).upper())
                await socket.receive_text()

        async with browser(app) as http:
            for path, status in (("keep", "active"), ("complete", "completed")):
                session = await manager.create_session()
                async with http.websocket(f"/{path}/{session.id}") as socket:
                    await socket.send("hello")
                    assert await socket.recv() == "HELLO"
                await until_requests_are(client, session.id)
                assert await endings(client, session.id) == ["succeeded"]

                async def as_chosen(session=session, status=status):
                    return (await session.refresh()).status == status

                await wait_until(as_chosen, timeout=20, description=f"the session is {status}")


class TestHandlers:
    async def test_the_id_comes_from_path_query_or_header(self, manager):
        app = FastAPI(lifespan=manager.lifespan)
        manager.install(app)

        @app.post("/rooms/{room}/messages")
        async def by_path(session: Annotated[TrackedSession, manager.tracked("room")]) -> str:
            return session.id

        @app.post("/messages")
        async def by_query(session: Annotated[TrackedSession, manager.tracked("room")]) -> str:
            return session.id

        @app.post("/headed")
        async def by_header(session: Annotated[TrackedSession, manager.tracked(Header(alias="X-Session-ID"))]) -> str:
            return session.id

        async with called(app) as http:
            session = await manager.create_session()
            for path, params, headers in (
                (f"/rooms/{session.id}/messages", {}, {}),
                ("/messages", {"room": session.id}, {}),
                ("/headed", {}, {"X-Session-ID": session.id}),
            ):
                answered = await http.post(path, params=params, headers=headers)
                assert (answered.status_code, answered.json()) == (200, session.id)
            assert (await http.post("/headed")).status_code == 422
            parameters = (await http.get("/openapi.json")).json()["paths"]["/messages"]["post"]["parameters"]
            assert [(each["name"], each["in"]) for each in parameters] == [("room", "query")]

    async def test_handlers_work_for_their_session(self, manager, client):
        """What a handler raises, and what it writes after its request was taken away."""
        app = FastAPI(lifespan=manager.lifespan)
        manager.install(app)

        @app.post("/fail/{session_id}")
        async def fail(session: Annotated[TrackedSession, manager.tracked()]) -> None:
            raise sojourn.StateLimitExceededError("no room", reason="STATE_LIMIT_EXCEEDED")

        @app.post("/taken/{session_id}")
        async def taken(session: Annotated[TrackedSession, manager.tracked(on_cancel="flag")]) -> None:
            await client.cancel_request(session.id, session.request.id, force=True)
            await session.set_state({"late": True})

        async with called(app) as http:
            session = await manager.create_session()
            failed = await http.post(f"/fail/{session.id}")
            assert (failed.status_code, failed.json()) == (413, {"detail": "no room", "reason": "STATE_LIMIT_EXCEEDED"})
            assert await endings(client, session.id) == ["failed"]
            assert (await http.post(f"/taken/{session.id}")).status_code == 409
            assert (await session.refresh()).state == {}

    async def test_limits_are_429_for_the_caller_and_503_for_all(self, target, name):
        manager = SessionManager(
            target, project=name, max_concurrent_requests=3, requests_per_session=1, queue_timeout=0.05
        )
        app = FastAPI(lifespan=manager.lifespan)
        manager.install(app)

        @app.post("/wait/{session_id}")
        async def wait(session: Annotated[TrackedSession, manager.tracked()]) -> None: ...

        @app.post("/now/{session_id}")
        async def now(session: Annotated[TrackedSession, manager.tracked(policy="reject")]) -> None: ...

        async with called(app) as http:
            busy, free = [await manager.create_session() for _ in range(2)]
            async with manager.track_request(busy.id):
                for path, reason in (("wait", "QUEUE_TIMEOUT"), ("now", "LIMIT_EXCEEDED")):
                    refused = await http.post(f"/{path}/{busy.id}")
                    assert (refused.status_code, refused.json()["reason"]) == (429, reason)
                    assert int(refused.headers["Retry-After"]) >= 1
                other = await manager.create_session()
                async with manager.track_request(other.id), manager.track_request(free.id):
                    full = await http.post(f"/now/{free.id}")
                    assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
                    assert full.json()["detail"] == "the server is at capacity, try again later"
            assert (await http.post(f"/now/{busy.id}")).status_code == 200

    async def test_a_streamed_answer_is_tracked_to_its_end(self, manager, client):
        app = FastAPI(lifespan=manager.lifespan)
        manager.install(app)
        go_on = asyncio.Event()

        @app.get("/stream/{session_id}")
        async def stream(
            session: Annotated[TrackedSession, manager.tracked(streaming=True)],
        ) -> StreamingResponse:
            async def words():
                yield b"first "
                await go_on.wait()
                await session.set_state({"streamed": True})
                yield b"last"

            return StreamingResponse(words())

        async with browser(app) as http:
            session = await manager.create_session()
            async with http.stream("GET", f"/stream/{session.id}") as answer:
                pieces = answer.aiter_bytes()
                assert await anext(pieces) == b"first "
                await until_requests_are(client, session.id, "admitted")
                go_on.set()
                assert b"".join([piece async for piece in pieces]) == b"last"
            await until_requests_are(client, session.id)

            go_on.clear()
            async with http.stream("GET", f"/stream/{session.id}") as answer:
                pieces = answer.aiter_bytes()  # the connection lives as long as this
                assert await anext(pieces) == b"first "
                await until_requests_are(client, session.id, "admitted")
            await until_requests_are(client, session.id)  # who leaves releases
            assert await endings(client, session.id) == ["succeeded", "cancelled"]

    async def test_handlers_without_a_session_can_stop_with_their_client_too(self, manager):
        app, stopped = FastAPI(lifespan=manager.lifespan), asyncio.Event()

        @app.post("/work")
        async def work(request: Request) -> None:
            async with until_disconnected(request):
                try:
                    began.set()
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    stopped.set()
                    raise

        began = asyncio.Event()
        async with browser(app) as http:
            asking = asyncio.create_task(http.post("/work", json={"a": 1}))
            await began.wait()
            asking.cancel()
            async with asyncio.timeout(20):
                await stopped.wait()


class TestAServiceThatIsAway:
    async def test_health_is_down_and_requests_are_503_until_it_is_back(self, server, name):
        client = sojourn.Client(server.target, timeouts=sojourn.Timeouts(total=3))
        app = chat_server.create_app(SessionManager(client=client, project=name))
        async with called(app) as http:
            session_id = await create(http)
            await server.kill()
            message = {"session_id": session_id, "message": "Hello"}
            away, refused = await asyncio.gather(http.get("/health"), http.post("/api/chat", params=message))
            assert (away.status_code, away.json()["status"]) == (503, "down")
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
            await server.start()

            async def well():
                return (await http.get("/health")).json()["status"] == "ok"

            await wait_until(well, timeout=30, description="it is well again")
            assert (await http.post("/api/chat", params=message)).status_code == 200
