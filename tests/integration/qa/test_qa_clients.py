"""QA clients: one run at a time, resumed by whoever comes."""

import asyncio

import pytest

import sojourn
import sojourn.embedded
from sojourn.qa import (
    OutputError,
    QAClient,
    QAContext,
    QASessionManager,
    Registry,
    SessionBusyError,
    TestMismatchError,
    UnknownNodeError,
    UnknownTestError,
    Workflow,
)
from sojourn.qa.connections import let_go
from tests.support.waiting import wait_until

PNG = b"\x89PNG\r\n\x1a\n"


class TestClients:
    async def test_a_run_whose_caller_is_cancelled_can_be_resumed(self, qa, workflow, client):
        begun, ran = asyncio.Event(), []

        @workflow.step
        async def first(context: QAContext) -> None:
            ran.append("first")

        @workflow.step(after=first)
        async def second(context: QAContext) -> None:
            ran.append("second")
            begun.set()
            await asyncio.sleep(3600 if context.run_number == 1 else 0)

        one = qa()
        running = asyncio.create_task(one.run_qa_test(workflow))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await client.get_session(one.session_id)).info.is_active
        assert (await one.run_qa_test(workflow))["executed_nodes"] == ["first", "second"]
        assert ran == ["first", "second", "second"]

    async def test_who_does_not_want_to_wait_long_is_refused(self, qa, workflow):
        begun, go = asyncio.Event(), asyncio.Event()

        @workflow.step
        async def waits(context: QAContext) -> None:
            begun.set()
            await go.wait()

        one = qa()
        running = asyncio.create_task(one.run_qa_test(workflow))
        await begun.wait()
        with pytest.raises(SessionBusyError) as caught:
            await qa(one.session_id).run_qa_test(workflow, timeout=0.1)
        assert caught.value.session_id == one.session_id
        go.set()
        assert (await running)["success"]

    async def test_a_run_whose_lease_is_taken_away_writes_nothing_more(self, qa, workflow, client):
        begun = asyncio.Event()

        @workflow.step
        async def waits(context: QAContext) -> None:
            begun.set()
            await asyncio.sleep(3600 if context.run_number == 1 else 0)

        one = qa()
        running = asyncio.create_task(one.run_qa_test(workflow))
        await begun.wait()
        [request] = [each async for each in client.requests(session_id=one.session_id)]
        await client.cancel_request(one.session_id, request.id, force=True)
        with pytest.raises(sojourn.LeaseLostError):
            await running
        info = (await client.get_session(one.session_id)).info
        assert (info.is_active, info.steps) == (True, {})
        assert (await one.run_qa_test(workflow))["success"]

    async def test_a_connection_of_the_callers_own_is_used_and_left_open(self, qa, workflow, client, tmp_path):
        workflow.add(lambda context: 1, name="node")
        async with qa() as kept:
            await kept.run_qa_test(workflow)
            assert (await kept.run_qa_test(workflow))["context_summary"]["run_number"] == 1
        result = await QAClient(client=client, results_dir=tmp_path).run_qa_test(workflow)
        manager = QASessionManager(client=client)
        assert (await manager.get_session(result["session_id"])).status == "completed"

    async def test_what_is_asked_for_must_exist(self, qa, workflow):
        one = qa(registry=Registry())
        with pytest.raises(UnknownTestError):
            await one.run_qa_test("nothing")
        with pytest.raises(TestMismatchError, match="no test is named"):
            await one.run_qa_test()
        assert one.session_id is None, "no session was made for it"
        workflow.add(lambda context: 1, name="node")
        await one.run_qa_test(workflow)
        with pytest.raises(UnknownNodeError, match="no node 'nod' to run again"):
            await one.run_qa_test(workflow, rerun=["nod"])
        with pytest.raises(OutputError, match="inputs cannot be kept"):
            await qa().run_qa_test(workflow, inputs={"page": object()})
        with pytest.raises(sojourn.InvalidFieldError, match="'wait' or 'refuse'"):
            await qa().run_qa_test(workflow, if_running="reject")
        with pytest.raises(sojourn.InvalidFieldError, match="a mapping from names"):
            await qa().run_qa_test(workflow, inputs=[1])

    async def test_without_a_server_there_is_one_in_the_memory_directory(self, tmp_path, workflow, monkeypatch):
        monkeypatch.delenv("SOJOURN_TARGET", raising=False)
        monkeypatch.setattr("sojourn.embedded.DEFAULT_TARGET", "127.0.0.1:1")
        monkeypatch.setenv("QA_MEMORY_DIR", str(tmp_path / "memory"))
        workflow.add(lambda context: 1, name="node")
        try:
            results = await asyncio.gather(
                *[QAClient(results_dir=tmp_path / "results").run_qa_test(workflow) for _ in range(5)]
            )
            listed = await QASessionManager().list_all_sessions()
            assert {each.session_id for each in listed} == {each["session_id"] for each in results}
            assert len(listed) == 5
        finally:
            let_go(tmp_path / "memory")
        await wait_until(
            lambda: sojourn.embedded.find(tmp_path / "memory") is None, timeout=60, description="the server ends"
        )


class TestResuming:
    async def test_a_workflow_that_changed_runs_what_is_new(self, qa):
        ran = []

        def version(*names):
            test = Workflow("changing", register=False)
            for before, name in zip((None, *names), names, strict=False):

                async def node(context, name=name):
                    ran.append(name)
                    assert name != "broken"

                test.add(node, name=name, after=[before] if before else [])
            return test

        first = await qa().run_qa_test(version("open", "broken", "close"))
        assert first["failed_nodes"] == ["broken"]
        second = await qa(first["session_id"]).run_qa_test(version("open", "mended", "close"))
        assert ran == ["open", "broken", "mended", "close"]
        assert (second["executed_nodes"], second["failed_nodes"]) == (["open", "mended", "close"], [])
        assert second["errors"] == {"broken": "not part of the newest run"}

    async def test_chosen_nodes_run_again_with_what_comes_after_them(self, qa, workflow):
        ran = []
        for name, after in {"a": [], "b": ["a"], "c": ["b"], "aside": ["a"]}.items():
            workflow.add(lambda context: ran.append(context.node), name=name, after=after)
        session_id = (await qa().run_qa_test(workflow))["session_id"]
        assert set(ran) == {"a", "b", "c", "aside"}
        again = await qa(session_id).run_qa_test(workflow, rerun=["b"])
        assert ran[4:] == ["b", "c"]
        assert again["executed_nodes"][2:] == ["b", "c"]
        assert again["context_summary"]["run_id"] == f"test-{session_id}-2"

    async def test_a_run_can_be_stopped_and_resumed(self, qa, workflow, client):
        begun, ran = asyncio.Event(), []

        @workflow.step
        async def waits(context: QAContext) -> None:
            ran.append(context.run_number)
            begun.set()
            await asyncio.sleep(3600 if context.run_number == 1 else 0)

        one = qa()
        running = asyncio.create_task(one.run_qa_test(workflow))
        await begun.wait()
        [request] = [each async for each in client.requests(session_id=one.session_id)]
        await client.cancel_request(one.session_id, request.id, reason="the build is broken")
        with pytest.raises(sojourn.RequestCancelledError, match="the build is broken"):
            await running
        assert (await qa(one.session_id).run_qa_test(workflow))["status"] == "completed"
        assert ran == [1, 2]

    async def test_a_session_is_of_one_test(self, qa, workflow):
        workflow.add(lambda context: 1, name="node")
        other = Workflow("other", register=False)
        other.add(lambda context: 1, name="node")
        one = qa()
        await one.run_qa_test(workflow)
        with pytest.raises(TestMismatchError, match="is of test 'workflow', not 'other': use another client"):
            await one.run_qa_test(other)
