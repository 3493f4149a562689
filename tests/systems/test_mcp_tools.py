"""The MCP tools' session management, statement by statement, in the order of its document.

`test_mcp_server.py` has its integration with MCP servers: the middleware, and the server of `sojourn mcp`.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

import sojourn
from tests.support.waiting import wait_until


@pytest.fixture
def name():
    """What a test's users, tags and sessions begin with."""
    return f"m{uuid4().hex[:12]}"


async def ids(found):
    return [one.id async for one in found]


async def documents(directory):
    """The JSON files of a directory by name, as a script reads them."""
    return {path.name: json.loads(path.read_text()) for path in sorted(directory.iterdir())}


class TestOverview:
    async def test_one_session_spans_several_tools(self, client):
        session = await client.create_session(purpose="release")
        for tool in ("git_tool", "test_runner", "git_tool"):
            await session.record_invocation(tool, duration=0.1)
        assert (await session.refresh()).tools == {"git_tool": 2, "test_runner": 1}

    async def test_conversation_history_has_user_assistant_and_tool_messages(self, client):
        session = await client.create_session()
        await session.add_message("user", "What files were changed?")
        await session.add_message("assistant", "Let me look.")
        await session.add_message("tool", "auth.py", tool_name="git_tool", invocation_id="inv_001")
        await session.add_message("assistant", "auth.py was changed.")
        messages = [message async for message in session.messages()]
        assert [message.role for message in messages] == ["user", "assistant", "tool", "assistant"]
        assert (messages[2].content, messages[2].tool_name, messages[2].invocation_id) == (
            "auth.py", "git_tool", "inv_001",
        )  # fmt: skip
        times = [message.time for message in messages]
        assert times == sorted(times)
        assert all(time.tzinfo is not None for time in times)


class TestStorageStructure:
    @pytest.fixture
    async def exported(self, client, tmp_path):
        """A session as a directory: two invocations of one tool, one of another."""
        session = await client.create_session(purpose="Debug authentication issue", tags=["bug-fix"])
        await session.add_message("user", "What files were changed?")
        for number, tool in enumerate(("git_tool", "log_analysis", "git_tool"), 1):
            await session.record_invocation(tool, duration=0.1, result=number, invocation_id=f"inv_{number:03}")
        await session.put_artifact("inv_001/diff.txt", b"- old\n+ new\n")
        return await session.export_directory(tmp_path)

    async def test_session_centric_view(self, exported):
        metadata = json.loads((exported / "metadata.json").read_text())
        assert metadata["id"] == exported.name
        assert metadata["purpose"] == "Debug authentication issue"
        assert len((exported / "conversation.jsonl").read_text().splitlines()) == 1
        calls = await documents(exported / "invocations")
        assert [call["id"] for call in calls.values()] == ["inv_001", "inv_002", "inv_003"]

    async def test_tool_centric_view_without_duplicates(self, exported):
        calls = await documents(exported / "by-tool" / "git_tool")
        assert [call["result"] for call in calls.values()] == [1, 3]
        assert list(await documents(exported / "by-tool" / "log_analysis")) == ["0002-log_analysis-inv_002.json"]
        for link in (exported / "by-tool").glob("*/*"):
            assert link.is_symlink()
            assert link.resolve().parent == (exported / "invocations").resolve()

    async def test_tool_specific_files_are_artifacts(self, exported):
        (folder,) = (exported / "artifacts").iterdir()
        assert (folder / "1").read_bytes() == b"- old\n+ new\n"


class TestConfiguration:
    async def test_session_retention_days(self, deployment):
        settings = {"retention_seconds": 0.2, "recent_after_seconds": 0, "archiver_seconds": 0.1}
        async with deployment.server(**settings) as server, sojourn.Client(server.target) as client:
            session = await client.create_session()
            await session.complete()

            async def gone():
                try:
                    await client.get_session(session.id)
                except sojourn.SessionNotFoundError:
                    return True
                return False

            await wait_until(gone, timeout=30, description="the session is deleted when its time is over")

    async def test_session_storage_backend_memory(self, sojourn_server):
        async with sojourn.Client(sojourn_server) as client:
            session = await client.create_session(purpose="a test")
            assert (await client.get_session(session.id)).info.purpose == "a test"


class TestBasicUsage:
    async def test_create_a_session(self, client, name):
        session = await client.create_session(
            purpose="Debug authentication issue", user_id=name, tags=["bug-fix", "authentication"]
        )
        assert session.id
        info = (await client.get_session(session.id)).info
        assert (info.purpose, info.user_id, info.status) == ("Debug authentication issue", name, "active")
        assert set(info.tags) == {"bug-fix", "authentication"}

    async def test_link_an_invocation(self, client):
        session = await client.create_session()
        await session.record_invocation("git_tool", invocation_id="inv_001", duration=timedelta(milliseconds=150.5))
        await session.put_artifact("inv_001/record.jsonl", b"{}\n")
        found = await client.get_invocation(session.id, "inv_001")
        assert (found.tool, found.duration) == ("git_tool", timedelta(milliseconds=150.5))
        assert found.session.id == session.id
        assert await session.get_artifact("inv_001/record.jsonl") == b"{}\n"

    async def test_duration_is_optional(self, client):
        session = await client.create_session()
        await session.record_invocation("git_tool", invocation_id="inv_001")
        assert (await session.statistics()).tools[0].invocations == 1

    async def test_complete_the_session(self, client):
        session = await client.create_session()
        await session.complete()
        info = await session.refresh()
        assert (info.status, info.is_active) == ("completed", False)
        assert info.end_time is not None


class TestMultiToolWorkflow:
    async def test_statistics_of_several_tools(self, client):
        session = await client.create_session(purpose="Investigate production issue", tags=["production", "urgent"])
        for tool in ("git_tool", "log_analysis", "knowledge_indexer"):
            await session.record_invocation(tool, invocation_id=f"inv_{tool}", duration=0.1)
            await session.add_message("tool", "Analysis complete", tool_name=tool)
        stats = await session.statistics()
        tools_used = [tool.tool for tool in stats.tools]
        total_duration_ms = stats.tool_duration / timedelta(milliseconds=1)
        assert set(tools_used) == {"git_tool", "log_analysis", "knowledge_indexer"}
        assert total_duration_ms == 300
        assert (stats.counters.invocations, stats.counters.messages) == (3, 3)


class TestQuerying:
    @pytest.fixture
    async def five(self, client, name):
        """Three active sessions with tags, one of another user, one that has ended."""
        made = {}
        for label, user, tags in (
            ("urgent", name, ["bug-fix", "urgent"]),
            ("bug", name, ["bug-fix"]),
            ("plain", name, []),
            ("other", f"{name}-b", ["bug-fix", "urgent"]),
            ("ended", name, ["bug-fix", "urgent"]),
        ):
            made[label] = (await client.create_session(user_id=user, tags=tags, project=name)).id
        await client.session(made["ended"]).complete()
        return made

    async def test_all_active_sessions(self, client, name, five):
        active = await ids(client.list_sessions(status="active", project=name))
        assert set(active) == set(five.values()) - {five["ended"]}

    async def test_by_user(self, client, name, five):
        assert await ids(client.list_sessions(user_id=f"{name}-b")) == [five["other"]]

    async def test_by_tags(self, client, name, five):
        found = await ids(client.list_sessions(tags=["bug-fix"], project=name))
        assert set(found) == {five[label] for label in ("urgent", "bug", "other", "ended")}

    async def test_combined_and_limited(self, client, name, five):
        conditions = {"tags": ["bug-fix", "urgent"], "status": sojourn.SessionStatus.ACTIVE, "project": name}
        assert set(await ids(client.list_sessions(**conditions, limit=10))) == {five["urgent"], five["other"]}
        assert await ids(client.list_sessions(**conditions, limit=1)) == [five["other"]]  # the newest


class TestLifecycle:
    async def test_create_with_an_id_of_ones_own(self, client, name):
        session = await client.create_session(name)
        assert session.id == name
        with pytest.raises(sojourn.SessionAlreadyExistsError):
            await client.create_session(name)

    async def test_update_metadata(self, client, name):
        session = await client.create_session(name, purpose="first", tags=["old"], metadata={"kept": 1})
        await client.session(name).update(
            purpose="Updated purpose", add_tags=["new-tag"], remove_tags=["old"], metadata={"priority": "high"}
        )
        info = await session.refresh()
        assert (info.purpose, info.tags) == ("Updated purpose", ("new-tag",))
        assert info.metadata == {"kept": 1, "priority": "high"}

    @pytest.mark.parametrize("status", ["completed", "failed", "abandoned"])
    async def test_complete_with_each_status(self, client, status):
        session = await client.create_session()
        await session.complete(status=status)
        assert (await session.refresh()).status == status
        with pytest.raises(sojourn.SessionEndedError):
            await session.complete()

    async def test_delete(self, client, name):
        await client.create_session(name)
        await client.delete_session(name)
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.get_session(name)

    async def test_clean_up_old_sessions(self, client, name):
        session = await client.create_session(project=name)
        assert [done async for done in client.cleanup(older_than=timedelta(days=30), project=name)][-1].cleaned == 0
        await asyncio.sleep(0.02)  # it must be older than what follows
        last = [done async for done in client.cleanup(older_than=timedelta(milliseconds=10), project=name)][-1]
        assert (last.cleaned, last.done) == (1, True)
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.get_session(session.id)


class TestSessionManager:
    async def test_what_is_not_there(self, client, name):
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.get_session(name)
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.session(name).statistics()
        with pytest.raises(sojourn.SessionNotFoundError):
            await client.session(name).record_invocation("git_tool")

    async def test_lists_are_as_long_as_asked_for(self, client, name):
        for _ in range(3):
            await client.create_session(project=name)
        assert len(await ids(client.list_sessions(project=name, limit=2))) == 2
        assert len(await ids(client.list_sessions(project=name))) == 3


class TestSessionMetadata:
    async def test_everything_is_tracked(self, client, name):
        before = datetime.now(UTC) - timedelta(minutes=5)  # the server's clock may differ
        session = await client.create_session(user_id=name, purpose="Code review", tags=["review"], metadata={"pr": 12})
        await session.record_invocation("git_tool", duration=0.25, cost=0.5)
        await session.record_invocation(
            "llm", duration=0.5, cost=0.25, usage=sojourn.Usage(input_tokens=100, output_tokens=20)
        )
        info = await session.refresh()
        assert info.id == session.id
        assert before < info.create_time <= info.update_time
        assert (info.status, info.user_id, info.purpose, info.tags) == ("active", name, "Code review", ("review",))
        assert info.counters.invocations == 2
        assert set(info.tools) == {"git_tool", "llm"}
        assert (await session.statistics()).tool_duration == timedelta(seconds=0.75)
        assert info.usage.cost == 0.75
        assert (info.usage.input_tokens, info.usage.output_tokens, info.usage.total_tokens) == (100, 20, 120)
        assert info.metadata == {"pr": 12}


class TestDesignDecisions:
    async def test_all_invocations_of_a_session_and_the_session_of_an_invocation(self, client, name):
        sessions = [await client.create_session(user_id=name) for _ in range(2)]
        for number, session in enumerate(sessions):
            await session.record_invocation(f"{name}-tool", invocation_id=f"{name}-{number}")
            await session.record_invocation("other")
        found = [(call.id, call.session_id) async for call in client.invocations(tool=f"{name}-tool")]
        assert sorted(found) == [(f"{name}-{number}", session.id) for number, session in enumerate(sessions)]
        of_one = [call.tool async for call in client.invocations(session_id=sessions[0].id)]
        assert sorted(of_one) == sorted([f"{name}-tool", "other"])


class Agent:
    """An agent as `utils/agent` has them: it works with or without a session."""

    def __init__(self):
        self._client = self._session = None

    def set_session_manager(self, client):
        self._client = client

    def set_session(self, session_id):
        self._session = self._client.session(session_id)

    async def invoke(self, task):
        if self._session is None:
            return await self._answer(task)
        await self._session.add_message("user", task)
        async with self._session.invocation("reviewer", arguments={"task": task}) as call:
            call.result = await self._answer(task)
            call.usage = sojourn.Usage(input_tokens=10, output_tokens=5)
        await self._session.add_message("assistant", call.result)
        return call.result

    async def _answer(self, task):
        if "fail" in task:
            raise ValueError("no such file")
        return f"{task}: fine"


class TestIntegrationWithAgents:
    async def test_all_invocations_of_an_agent_are_tracked(self, client):
        session = await client.create_session(purpose="Code review")
        agent = Agent()
        agent.set_session_manager(client)
        agent.set_session(session.id)
        assert await agent.invoke("Review this code") == "Review this code: fine"
        with pytest.raises(ValueError, match="no such file"):
            await agent.invoke("fail at this")
        calls = [call async for call in session.invocations()]
        assert [(call.status, call.result, call.error) for call in calls] == [
            ("succeeded", "Review this code: fine", ""),
            ("failed", None, "no such file"),
        ]
        assert [message.role async for message in session.messages()] == ["user", "assistant", "user"]
        assert (await session.refresh()).usage.total_tokens == 15

    async def test_an_agent_works_without_a_session(self):
        assert await Agent().invoke("Review this code") == "Review this code: fine"


class TestExamples:
    async def test_a_server_with_recorded_tools_and_its_agent(self, sojourn_server):
        example = Path(__file__).parents[2] / "examples" / "mcp_tools.py"
        process = await asyncio.create_subprocess_exec(sys.executable, example, sojourn_server, stdout=-1, stderr=-1)
        out, err = (text.decode() for text in await asyncio.wait_for(process.communicate(), 100))
        assert process.returncode == 0, err
        lines = out.splitlines()
        assert lines[:3] == ["user: An umbrella, please.", "in_stock: 3", "reserve: one umbrella is yours"]
        assert re.fullmatch(r"2 tools, 3 invocations in \d+ ms, 1 failed", lines[-1])
