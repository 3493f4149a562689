"""MCP servers whose tool calls are recorded in sessions: the middleware, with the SDK's own client."""

import asyncio
import base64
import logging
import os
import socket
from contextlib import asynccontextmanager
from uuid import uuid4

import mcp_types as types
import pytest
import uvicorn
from mcp import Client, MCPError
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

import sojourn
from sojourn.integrations.mcp import RECORD_KEY, SessionRecorder, current_call, session_meta
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000)
PATIENCE = 60
ERAS = ["auto", "legacy"]
"""The protocol without a handshake, and the one before it."""


@pytest.fixture
async def session(client):
    return await client.create_session(purpose="what the tools did")


@pytest.fixture
def nobody():
    """A target where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def high_level(recorder):
    """A server with functions as tools."""
    server = MCPServer("tools", middleware=[recorder], log_level="CRITICAL")

    @server.tool()
    def git_log(path: str) -> dict[str, list[str]]:
        return {"commits": [f"changed {path}"]}

    return server


def low_level(recorder):
    """A server with handlers of its own."""

    async def listed(ctx, params):
        schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
        return types.ListToolsResult(tools=[types.Tool(name="git_log", input_schema=schema)])

    async def called(ctx, params):
        assert set(params.arguments) == {"path"}, "the tool sees no more than its own arguments"
        structured = {"commits": [f"changed {params.arguments['path']}"]}
        return types.CallToolResult(content=[], structured_content=structured)

    server = Server("tools", on_list_tools=listed, on_call_tool=called)
    server.middleware.append(recorder)
    return server


@asynccontextmanager
async def calling(recorder, *tools, mode="auto"):
    """A client of a server with these functions as tools, and with `git_log` when there are none."""
    server = high_level(recorder)
    for tool in tools:
        server.tool()(tool)
    async with recorder, Client(server, mode=mode) as client:
        yield client


async def only_call(session):
    """The session's one invocation."""
    (call,) = [call async for call in session.invocations()]
    return call


def record(result):
    """What the result tells of its record."""
    return (result.meta or {}).get(RECORD_KEY)


def recording(client, **options):
    """A recorder whose records are awaited, however busy the machine is."""
    return SessionRecorder(client, patience=PATIENCE, **options)


class TestWhatIsRecorded:
    @pytest.mark.parametrize("mode", ERAS)
    @pytest.mark.parametrize("make", [high_level, low_level])
    async def test_a_call_that_names_a_session(self, client, session, make, mode):
        async with Client(make(recording(client)), mode=mode) as caller:
            result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        assert result.structured_content == {"commits": ["changed src"]}
        call = await only_call(session)
        assert (call.tool, call.arguments, call.result, call.status) == (
            "git_log", {"path": "src"}, {"commits": ["changed src"]}, "succeeded",
        )  # fmt: skip
        assert call.duration.total_seconds() > 0
        told = {"session_id": session.id, "invocation_id": call.id}
        assert record(result) == told | {"outcome": "recorded", "revision": call.finished_revision}

    @pytest.mark.parametrize("make", [high_level, low_level])
    async def test_tools_work_without_sessions(self, client, session, make):
        async with Client(make(recording(client))) as caller:
            for nothing in ({}, {"session_id": None}, {"session_id": ""}):
                result = await caller.call_tool("git_log", {"path": "src", **nothing})
                assert result.structured_content == {"commits": ["changed src"]}
                assert record(result) is None
        assert [call async for call in session.invocations()] == []

    @pytest.mark.parametrize("mode", ERAS)
    async def test_over_http(self, client, session, mode):
        recorder = recording(client)
        served = uvicorn.Server(uvicorn.Config(high_level(recorder).streamable_http_app(), log_config=None))
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        serving = asyncio.create_task(served.serve(sockets=[listening]))
        try:
            await wait_until(lambda: served.started, description="the HTTP server serves")
            async with Client(f"http://127.0.0.1:{port}/mcp", mode=mode) as caller:
                await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        finally:
            served.should_exit = True
            await serving
        assert (await only_call(session)).result == {"commits": ["changed src"]}

    async def test_calls_at_the_same_time_go_each_to_its_own_session(self, client):
        sessions = [await client.create_session() for _ in range(8)]
        async with calling(recording(client)) as caller:
            await asyncio.gather(
                *[
                    caller.call_tool("git_log", {"path": f"{one.id}/{number}", "session_id": one.id})
                    for number in range(5)
                    for one in sessions
                ]
            )
        for one in sessions:
            paths = {call.arguments["path"] async for call in one.invocations()}
            assert paths == {f"{one.id}/{number}" for number in range(5)}

    async def test_results_join_the_conversation_if_wanted(self, client, session):
        async with calling(recording(client, messages=True)) as caller:
            result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        (message,) = [message async for message in session.messages()]
        assert (message.role, message.tool_name) == ("tool", "git_log")
        assert message.invocation_id == record(result)["invocation_id"]
        assert message.content == result.content[0].text

    async def test_a_tool_says_what_it_cost_and_writes_to_the_session(self, client, session):
        async def translate(text: str) -> str:
            call = current_call()
            call.cost, call.usage = 0.25, sojourn.Usage(input_tokens=7, output_tokens=3)
            await (await call.session()).set_state({"language": "fr"})
            return text.upper()

        async with calling(recording(client), translate) as caller:
            await caller.call_tool("translate", {"text": "a", "session_id": session.id})
        call = await only_call(session)
        assert (call.cost, call.usage.input_tokens, call.usage.output_tokens) == (0.25, 7, 3)
        info = await session.refresh()
        assert (info.state, info.usage.cost, info.usage.total_tokens) == ({"language": "fr"}, 0.25, 10)
        assert current_call() is None

    async def test_each_round_of_a_call_that_asks_for_input(self, client, session):
        question = types.ElicitRequestFormParams(message="Sure?", requested_schema={"type": "object", "properties": {}})

        async def called(ctx, params):
            if not params.input_responses:
                return types.InputRequiredResult(input_requests={"sure": types.ElicitRequest(params=question)})
            return types.CallToolResult(content=[types.TextContent(text="deleted")])

        async def sure(context, params):
            return types.ElicitResult(action="accept", content={})

        async def listed(ctx, params):
            return types.ListToolsResult(tools=[types.Tool(name="delete", input_schema={"type": "object"})])

        server = Server("tools", on_list_tools=listed, on_call_tool=called)
        server.middleware.append(recording(client, argument=None))
        async with Client(server, elicitation_callback=sure) as caller:
            result = await caller.call_tool("delete", {"path": "src"}, meta=session_meta(session.id))
        assert result.content[0].text == "deleted"
        asked, done = [call async for call in session.invocations()]
        assert asked.result["inputRequests"]["sure"]["params"]["message"] == "Sure?"
        assert (asked.status, done.status, done.result) == ("succeeded", "succeeded", "deleted")


class TestHandles:
    @pytest.mark.parametrize("make", [high_level, low_level])
    async def test_models_see_the_argument(self, client, make):
        async with Client(make(recording(client))) as caller:
            schema = (await caller.list_tools()).tools[0].input_schema
        assert set(schema["properties"]) == {"path", "session_id"}
        assert "Id of the session" in schema["properties"]["session_id"]["description"]
        assert schema["required"] == ["path"]

    async def test_it_may_have_another_name_or_none(self, client, session):
        async with calling(recording(client, argument="sojourn")) as caller:
            assert set((await caller.list_tools()).tools[0].input_schema["properties"]) == {"path", "sojourn"}
            await caller.call_tool("git_log", {"path": "src", "sojourn": session.id})
        await only_call(session)
        async with calling(recording(client, argument=None)) as caller:
            assert set((await caller.list_tools()).tools[0].input_schema["properties"]) == {"path"}

    async def test_the_application_names_the_session_in_meta_and_wins(self, client, session):
        other = await client.create_session()
        async with calling(recording(client)) as caller:
            meta = session_meta(session.id, invocation_id="toolu_01")
            await caller.call_tool("git_log", {"path": "src", "session_id": other.id}, meta=meta)
        call = await only_call(session)
        assert (call.id, call.arguments) == ("toolu_01", {"path": "src"})
        assert [call async for call in other.invocations()] == []

    @pytest.mark.parametrize("mode", ERAS)
    async def test_a_tool_keeps_an_argument_of_that_name_of_its_own(self, client, session, mode):
        def close_browser(session_id: str) -> str:
            return f"closed {session_id}"

        async with calling(recording(client), close_browser, mode=mode) as caller:
            result = await caller.call_tool("close_browser", {"session_id": "browser-1"}, meta=session_meta(session.id))
            assert result.content[0].text == "closed browser-1"
            schema = (await caller.list_tools()).tools[1].input_schema
            assert "description" not in schema["properties"]["session_id"]
        assert (await only_call(session)).arguments == {"session_id": "browser-1"}

    async def test_who_may_record_where_is_for_the_server_to_say(self, client, session):
        async def authorize(ctx, session_id):
            return session_id != session.id

        async def broken(ctx, session_id):
            raise RuntimeError("the directory of users is away")

        async with calling(recording(client, authorize=authorize)) as caller:
            result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        assert result.structured_content == {"commits": ["changed src"]}
        assert record(result)["reason"] == "SESSION_NOT_FOUND"
        async with calling(recording(client, authorize=None)) as caller:
            await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        async with calling(recording(client, authorize=broken)) as caller:
            result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        assert record(result)["reason"] == "SESSION_NOT_FOUND"
        assert len([call async for call in session.invocations()]) == 1


class TestFailures:
    async def test_errors_of_tools_are_recorded_as_failed(self, client, session):
        def push() -> str:
            raise ToolError("rejected: not a fast-forward")

        def crash() -> str:
            raise RuntimeError("the password is swordfish")

        def refuse() -> str:
            raise MCPError(code=-32602, message="no such branch")

        async with calling(recording(client), push, crash, refuse) as caller:
            for tool in ("push", "crash", "no_such_tool"):
                assert (await caller.call_tool(tool, {"session_id": session.id})).is_error
            with pytest.raises(MCPError, match="no such branch"):
                await caller.call_tool("refuse", {"session_id": session.id})
        calls = {call.tool: call async for call in session.invocations()}
        assert {call.status for call in calls.values()} == {"failed"}
        assert "not a fast-forward" in calls["push"].error
        assert "swordfish" not in calls["crash"].error  # as the client sees it
        assert calls["no_such_tool"].error == "Unknown tool: no_such_tool"
        assert calls["refuse"].error == "no such branch"
        assert (await session.refresh()).counters.failed_invocations == 4

    @pytest.mark.parametrize("mode", ERAS)
    async def test_a_cancelled_call(self, client, session, mode):
        begun = asyncio.Event()

        async def forever() -> str:
            begun.set()
            await asyncio.Event().wait()
            return "never"

        async with calling(recording(client), forever, mode=mode) as caller:
            waiting = asyncio.create_task(caller.call_tool("forever", {"session_id": session.id}))
            await begun.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

            async def over():
                return [call async for call in session.invocations() if call.status == "cancelled"]

            (call,) = await wait_until(over, description="the cancellation is recorded")
        assert call.tool == "forever"

    async def test_an_unknown_or_ended_session_does_not_break_the_tool(self, client, session, caplog):
        await session.complete()
        unknown = f"unknown-{uuid4().hex}"
        async with calling(recording(client)) as caller:
            for given, reason in (
                (unknown, "SESSION_NOT_FOUND"), (session.id, "SESSION_ENDED"), ("no/id", "INVALID_FIELD"),
                (7, "SESSION_NOT_FOUND"),
            ):  # fmt: skip
                result = await caller.call_tool("git_log", {"path": "src", "session_id": given})
                assert result.structured_content == {"commits": ["changed src"]}
                assert (record(result)["outcome"], record(result)["reason"]) == ("lost", reason)
        told = [entry.getMessage() for entry in caplog.records if entry.name == "sojourn.mcp"]
        assert f"is not recorded in session '{unknown}': SESSION_NOT_FOUND" in told[0]

    async def test_a_service_that_is_away_holds_nobody_up(self, session, nobody, caplog):
        caplog.set_level(logging.CRITICAL)
        recorder = SessionRecorder(nobody, patience=0.05)
        async with calling(recorder) as caller:
            for _ in range(3):
                result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
                assert result.structured_content == {"commits": ["changed src"]}
                assert record(result)["outcome"] in ("pending", "lost")

    async def test_a_start_that_was_lost_is_made_up_for(self, client, session):
        class BrieflyAway(SessionRecorder):
            times = 0

            async def _connected(self):
                self.times += 1
                if self.times == 1:
                    raise sojourn.StoreUnavailableError("the engine restarts")
                return await super()._connected()

        async with calling(BrieflyAway(client, patience=PATIENCE)) as caller:
            await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        assert (await only_call(session)).status == "succeeded"

    async def test_a_call_is_recorded_though_the_service_restarts_meanwhile(self, tmp_path):
        patient = sojourn.Timeouts(total=100, attempt=100)
        async with (
            ServerUnderTest(data_dir=tmp_path) as server,
            sojourn.Client(server.target, timeouts=patient) as client,
        ):
            session = await client.create_session()

            async def restart() -> str:
                await server.start()
                return "restarted"

            async with calling(recording(client), restart) as caller:
                await server.kill()
                result = await caller.call_tool("restart", {"session_id": session.id})
            assert record(result)["outcome"] == "recorded"
            assert (await only_call(session)).result == {"result": "restarted"}

    async def test_calls_that_must_be_recorded_are_refused_when_they_cannot_be(self, client, session, nobody):
        runs = []

        def deploy() -> str:
            runs.append(1)
            return "deployed"

        async with calling(recording(client, required=True), deploy) as caller:
            assert (await caller.list_tools()).tools[1].input_schema["required"] == ["session_id"]
            assert (await caller.call_tool("deploy", {"session_id": session.id})).content[0].text == "deployed"
            assert runs == [1]
            for arguments, why in (
                ({}, "must be called with the id of the session"), ({"session_id": "nope"}, "SESSION_NOT_FOUND"),
            ):  # fmt: skip
                refused = await caller.call_tool("deploy", arguments)
                assert refused.is_error
                assert why in refused.content[0].text
        away = SessionRecorder(nobody, required=True, patience=0.05)
        async with calling(away, deploy) as caller:
            refused = await caller.call_tool("deploy", {"session_id": session.id})
            assert "cannot be recorded" in refused.content[0].text
        assert runs == [1]


class TestWhatIsKeptOut:
    async def test_secrets(self, client, session):
        def login(user: str, dbPassword: str) -> dict[str, str]:  # noqa: N803
            return {"token": "tok-12345", "said": f"welcome {user}, tok-12345 for {dbPassword}"}

        def whoami() -> str:
            return '{"name": "Lovelace", "X-Auth-Token": "tok-67890"}'

        async with calling(recording(client, messages=True), login, whoami) as caller:
            arguments = {"user": "ada", "dbPassword": "swordfish", "session_id": session.id}
            result = await caller.call_tool("login", arguments)
            assert "swordfish" in result.content[0].text
            await caller.call_tool(
                "login", {"dbPassword": "swordfish", "url": "//ada:swordfish@db", "session_id": session.id}
            )  # tells what it got
            await caller.call_tool("whoami", {"session_id": session.id})
        events = [event.model_dump_json() async for event in session.events()]
        assert "welcome ada" in "".join(events)
        assert "Field required" in "".join(events)
        assert "Lovelace" in "".join(events)
        secrets = ("swordfish", "tok-12345", "tok-67890")
        assert not [event for event in events if any(secret in event for secret in secrets)]

    async def test_what_a_hook_takes_out(self, client, session):
        def pay(card: str) -> str:
            return "paid"

        def redact(tool, arguments):
            return {key: f"…{value[-4:]}" for key, value in arguments.items()}

        async with calling(recording(client, redact=redact), pay) as caller:
            await caller.call_tool("pay", {"card": "4111111111111111", "session_id": session.id})
        assert (await only_call(session)).arguments == {"card": "…1111"}

    async def test_a_hook_that_fails_keeps_the_arguments_out(self, client, session):
        def redact(tool, arguments):
            raise KeyError("card")

        async with calling(recording(client, redact=redact)) as caller:
            result = await caller.call_tool("git_log", {"path": "src", "session_id": session.id})
        assert record(result)["outcome"] == "recorded"
        assert (await only_call(session)).arguments == "[not recorded: the redact hook raised KeyError]"


class TestLargeResults:
    async def test_they_become_artifacts(self, client, session):
        def dump(rows: str) -> dict[str, str]:
            return {"rows": rows * 2}

        async with calling(recording(client, max_value_bytes=10_000), dump) as caller:
            await caller.call_tool("dump", {"rows": "é" * 20_000, "session_id": session.id})
        call = await only_call(session)
        for value, what in ((call.arguments, "arguments"), (call.result, "result")):
            name = value["$artifact"]["name"]
            assert name == f"{call.id}/{what}.json"
            assert b'{"rows": "' in await session.get_artifact(name)

    async def test_or_are_cut(self, client, session):
        def dump() -> str:
            return "x" * 20_000

        recorder = recording(client, max_value_bytes=1_000, artifacts=False, messages=True)
        async with calling(recorder, dump) as caller:
            result = await caller.call_tool("dump", {"session_id": session.id})
        assert len(result.content[0].text) == 20_000
        call = await only_call(session)
        assert call.result["$cut"]["size_bytes"] > 20_000
        (message,) = [message async for message in session.messages()]
        assert message.content == f"{'x' * 1_000}… [cut: 20000 bytes]"

    async def test_larger_than_the_service_takes(self, client, session):
        def dump() -> str:
            return "x" * (5 << 20)

        async with calling(recording(client, messages=True), dump) as caller:
            result = await caller.call_tool("dump", {"session_id": session.id})
        assert record(result)["outcome"] == "recorded"
        assert (await only_call(session)).result["$artifact"]["size_bytes"] > 5 << 20

    async def test_images_are_artifacts(self, client, session):
        def screenshot() -> Image:
            return Image(data=PNG, format="png")

        async with calling(recording(client, messages=True), screenshot) as caller:
            result = await caller.call_tool("screenshot", {"session_id": session.id})
        assert base64.b64decode(result.content[0].data) == PNG
        (block,) = (await only_call(session)).result
        assert (block["type"], block["$artifact"]["content_type"]) == ("image", "image/png")
        assert await session.get_artifact(block["$artifact"]["name"]) == PNG
        assert [message.content async for message in session.messages()] == ["[image image/png]"]

    async def test_what_is_too_deep_is_recorded_as_text(self, client, session):
        def nested() -> dict[str, list]:  # type: ignore[type-arg]
            value = []
            for _ in range(60):
                value = [value]
            return {"value": value}

        async with calling(recording(client), nested) as caller:
            result = await caller.call_tool("nested", {"session_id": session.id})
        assert record(result)["outcome"] == "recorded"
        assert (await only_call(session)).result == '{"value": ' + "[" * 61 + "]" * 61 + "}"


class TestConfiguration:
    @pytest.mark.parametrize("enabled", ["true", "false"])
    async def test_session_storage_enabled(self, target, client, session, monkeypatch, enabled):
        monkeypatch.setenv("SESSION_STORAGE_ENABLED", enabled)
        monkeypatch.setenv("SOJOURN_TARGET", target)
        recorder = SessionRecorder(patience=PATIENCE)  # on the server of the environment, connected when it is needed
        recorders = [recorder] if os.environ["SESSION_STORAGE_ENABLED"] == "true" else []
        server = MCPServer("tools", middleware=recorders, lifespan=recorder.lifespan)

        @server.tool()
        def ping() -> str:
            return "pong"

        async with Client(server) as caller:
            assert (await caller.call_tool("ping", {}, meta=session_meta(session.id))).content[0].text == "pong"
        assert (await session.refresh()).counters.invocations == len(recorders)
