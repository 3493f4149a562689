"""The MCP server of `sojourn mcp`: its tools, and the program over standard input and output and over HTTP."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

import sojourn
from sojourn.cli import main
from sojourn.integrations.mcp import sojourn_server as tools_for
from tests.support.command import PROGRAM

ERAS = ["auto", "legacy"]
"""The protocol without a handshake, and the one before it."""


@pytest.fixture
async def client(sojourn_server):
    """The service that the tools are for."""
    async with sojourn.Client(sojourn_server, user_id="agent", project=f"p{uuid4().hex[:12]}") as client:
        yield client


def working(client, *, mode="auto", **options):
    """A client of the server, both in this process."""
    return Client(tools_for(client, **options), mode=mode)


async def use(agent, tool, **arguments):
    """What a tool returns, as the schema says."""
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


async def failure(agent, tool, **arguments):
    """What a model reads of a tool that fails."""
    result = await agent.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


class TestTools:
    async def test_they_say_what_they_are_for(self, client):
        async with working(client) as agent:
            tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
            wanted = "create_session get_session list_sessions search_sessions resume_session update_session log"
            wanted += " fork_session add_message get_messages record_invocation list_invocations set_state get_state"
            wanted += " set_result complete_session delete_session session_statistics"
            assert set(tools) == set(wanted.split())
            for tool in tools.values():
                assert tool.description
                assert tool.output_schema["type"] == "object"
                assert tool.annotations.open_world_hint is False
                undescribed = [
                    name for name, field in tool.input_schema["properties"].items() if not field.get("description")
                ]
                assert undescribed == []
            reading = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
            assert reading == {name for name in tools if name.startswith(("get_", "list_", "search_", "session_"))}
            destroying = {name for name, tool in tools.items() if tool.annotations.destructive_hint}
            assert destroying == {"delete_session"}
            assert "session_id" in agent.instructions

    @pytest.mark.parametrize("mode", ERAS)
    async def test_a_piece_of_work_from_its_beginning_to_its_end(self, client, mode):
        async with working(client, mode=mode) as agent:
            made = await use(
                agent, "create_session", purpose="Debug authentication issue", tags=["bug-fix"], metadata={"ticket": 7},
                state={"phase": "start"},
            )  # fmt: skip
            own = {"session_id": made["session_id"]}
            assert (made["status"], made["user_id"], made["state"]) == ("active", "agent", {"phase": "start"})

            await use(agent, "add_message", **own, role="user", content="What files were changed?")
            call = await use(
                agent, "record_invocation", **own, tool_name="git_tool", arguments={"since": "v1"}, result=["auth.py"],
                duration_ms=150.5, cost=0.5,
            )  # fmt: skip
            await use(
                agent, "add_message", **own, role="tool", content="auth.py", tool_name="git_tool",
                invocation_id=call["invocation_id"],
            )  # fmt: skip
            await use(agent, "set_state", **own, values={"phase": "fix", "draft": 1})
            await use(agent, "set_state", **own, values={"phase": "done"}, delete=["draft"])
            await use(agent, "set_result", **own, name="verdict", value={"fixed": True})
            await use(agent, "log", **own, text="found it", level="warning")
            await use(agent, "update_session", **own, add_tags=["done"], metadata={"priority": "high"})

            state = await use(agent, "get_state", **own, keys=["phase", "draft"])
            assert (state["values"], state["missing"]) == ({"phase": "done"}, ["draft"])
            talk = await use(agent, "get_messages", **own, limit=1)
            assert [message["tool_name"] for message in talk["messages"]] == ["git_tool"]
            assert talk["total"] == 2
            (used,) = (await use(agent, "list_invocations", **own))["invocations"]
            assert (used["invocation_id"], used["status"], used["duration_ms"], used["result"]) == (
                call["invocation_id"], "succeeded", 150.5, ["auth.py"],
            )  # fmt: skip
            figures = (await use(agent, "session_statistics", **own, include_children=True))["statistics"]
            assert (figures["tools_used"], figures["total_duration_ms"], figures["cost"]) == (["git_tool"], 150.5, 0.5)

            await use(agent, "complete_session", **own)
            ended = await use(agent, "get_session", **own)
        assert (ended["status"], ended["results"]) == ("completed", {"verdict": {"fixed": True}})
        assert set(ended["tags"]) == {"bug-fix", "done"}
        assert ended["metadata"] == {"ticket": 7, "priority": "high"}

    async def test_an_agent_finds_its_work_again_and_goes_on(self, client):
        async with working(client) as agent:
            word = f"w{uuid4().hex}"
            ids = []
            for number in range(3):
                made = await use(agent, "create_session", purpose=f"{word} {number}", tags=[word])
                ids.append(made["session_id"])
            await use(agent, "add_message", session_id=ids[0], role="user", content="the gazebo leans to the left")
            await use(agent, "complete_session", session_id=ids[0], status="failed", error='{"missing": "scaffold"}')

            listed = await use(agent, "list_sessions", tags=[word], limit=2)
            assert ([one["session_id"] for one in listed["sessions"]], listed["more"]) == (ids[:0:-1], True)
            failed = await use(agent, "list_sessions", tags=[word], status="failed")
            assert [(one["session_id"], one["error"]) for one in failed["sessions"]] == [
                (ids[0], '{"missing": "scaffold"}')
            ]
            (found,) = (await use(agent, "search_sessions", query="gazebo leans", sources=["message"]))["found"]
            assert (found["session"]["session_id"], found["matches"]) == (ids[0], ["the gazebo leans to the left"])

            resumed = await use(agent, "resume_session", session_id=ids[0])
            assert (resumed["resumed"], resumed["session"]["status"]) == (True, "active")
            assert [message["content"] for message in resumed["conversation"]["messages"]] == [
                "the gazebo leans to the left"
            ]
            again = await use(agent, "resume_session", session_id=ids[0], messages=0)
            assert (again["resumed"], again["conversation"]["messages"]) == (False, [])

            fork = await use(agent, "fork_session", session_id=ids[0])
            assert (fork["parent"], fork["total_messages"]) == (ids[0], 1)
            assert (await use(agent, "delete_session", session_id=fork["session_id"]))["deleted"] is True

    async def test_errors_name_the_reason_and_the_next_step(self, client):
        async with working(client) as agent:
            gone = await failure(agent, "get_session", session_id="no-such-session")
            assert "SESSION_NOT_FOUND: " in gone
            assert "list_sessions" in gone
            assert "INVALID_FIELD: " in await failure(agent, "get_session", session_id="no/id")
            assert "Field required" in await failure(agent, "get_session")
            made = await use(agent, "create_session")
            own = {"session_id": made["session_id"]}
            assert "SESSION_ALREADY_EXISTS: " in await failure(agent, "create_session", **own)
            conflict = await failure(agent, "set_state", **own, values={"a": 1}, expected_revision=9)
            assert "REVISION_CONFLICT: " in conflict
            assert "decide anew" in conflict
            await use(agent, "complete_session", **own)
            ended = await failure(agent, "log", **own, text="late")
            assert "SESSION_ENDED: " in ended
            assert "resume_session" in ended

    async def test_read_only(self, client):
        async with working(client, read_only=True) as agent:
            tools = (await agent.list_tools()).tools
            assert tools
            assert all(tool.annotations.read_only_hint for tool in tools)
            assert "Unknown tool" in await failure(agent, "create_session")


@asynccontextmanager
async def by_hand(*arguments):
    """`sojourn mcp` as a process whose pipes the test reads and writes itself."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    process = await asyncio.create_subprocess_exec(PROGRAM, "mcp", *arguments, stdin=-1, stdout=-1, stderr=-1, env=own)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def exchange(process, method, **params):
    """Sends a message; the line that answers a request."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if method.startswith("notifications/"):
        process.stdin.write(json.dumps(message).encode() + b"\n")
        return None
    process.stdin.write(json.dumps(message | {"id": method}).encode() + b"\n")
    answer = json.loads(await asyncio.wait_for(process.stdout.readline(), 100))
    assert answer["id"] == method
    return answer["result"]


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}}


@pytest.fixture(scope="module")
def served(sojourn_server):
    """The URL of a `sojourn mcp --http`."""
    command = [PROGRAM, "mcp", "--target", sojourn_server, "--project", "shop", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stderr.readline()
            assert told.startswith("serving MCP at http://127.0.0.1:"), told
            yield told.split()[-1]
        finally:
            process.terminate()


class TestProgram:
    async def test_programs_share_a_directory_over_stdio(self, tmp_path):
        """`SESSION_STORAGE_PATH`: the directory that sessions are kept in. Nobody started a server."""
        place = ["--data-dir", str(tmp_path / ".sessions")]
        how = StdioServerParameters(command=str(PROGRAM), args=["mcp", "--user", "ada", *place])
        with (tmp_path / "log").open("w") as errors:
            async with Client(stdio_client(how, errlog=errors)) as agent, by_hand(*place) as other:
                made = await use(agent, "create_session", purpose="remember me")
                assert made["user_id"] == "ada"
                own = {"session_id": made["session_id"]}

                await exchange(other, "initialize", **HELLO)
                await exchange(other, "notifications/initialized")
                call = {"name": "set_state", "arguments": own | {"values": {"seen": True}}}
                written = await exchange(other, "tools/call", **call)
                assert written["structuredContent"] == own | {"revision": 2}
                refused = await exchange(other, "tools/call", name="get_session", arguments={"session_id": "none"})
                assert refused["isError"] is True
                other.stdin.close()  # which tells it to end
                assert await asyncio.wait_for(other.stdout.read(), 100) == b""  # nothing but the protocol came
                assert await asyncio.wait_for(other.wait(), 100) == 0

                assert (await use(agent, "get_state", **own))["values"] == {"seen": True}
        assert any((tmp_path / ".sessions").iterdir())

    @pytest.mark.parametrize("mode", ERAS)
    async def test_over_http(self, sojourn_server, served, mode):
        async with Client(served, mode=mode) as agent:
            made = await use(agent, "create_session", purpose="over HTTP")
            assert made["project"] == "shop"
        async with sojourn.Client(sojourn_server) as client:
            assert (await client.get_session(made["session_id"])).info.purpose == "over HTTP"

    def test_readable_when_it_cannot_serve(self, monkeypatch):
        away = CliRunner().invoke(main, ["mcp", "--target", "localhost:1"])
        assert (away.exit_code, away.stdout) == (4, "")
        assert "no server answers at localhost:1" in away.stderr
        wrong = CliRunner().invoke(main, ["mcp", "--http", "nowhere"])
        assert (wrong.exit_code, wrong.stdout) == (2, "")
        assert "for example 127.0.0.1:8931" in wrong.stderr
        both = CliRunner().invoke(main, ["mcp", "--target", "localhost:1", "--data-dir", "somewhere"])
        assert (both.exit_code, both.stdout) == (2, "")
        for name in [name for name in sys.modules if name.startswith("sojourn.integrations.mcp")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
        missing = CliRunner().invoke(main, ["mcp"])
        assert (missing.exit_code, missing.stdout) == (1, "")
        assert "pip install 'sojourn[mcp]'" in missing.stderr
        with pytest.raises(ImportError, match=r"pip install 'sojourn\[mcp\]'"):
            importlib.import_module("sojourn.integrations.mcp")
