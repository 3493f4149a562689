"""Runs of QA tests: what nodes may do, and what becomes of those that misbehave."""

import asyncio
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sojourn.qa import (
    OutputError,
    QAContext,
    Registry,
    Workflow,
    WorkflowError,
    get_session_logs,
    qa_test,
    step,
)

PNG = b"\x89PNG\r\n\x1a\n"


class TestNodes:
    async def test_a_node_that_leaves_no_json_has_failed_and_the_others_go_on(self, qa, workflow):
        workflow.add(lambda context: object(), name="returns")
        workflow.add(lambda context: "x" * (2 << 20), name="returns_much")

        @workflow.step
        async def sets(context: QAContext) -> None:
            context.test_results["bad"] = {1, 2, object()}

        @workflow.step(after=sets)
        async def follows(context: QAContext) -> None: ...

        @workflow.step
        async def knows(context: QAContext) -> None:
            with pytest.raises(OutputError, match="result 'worse' cannot be kept"):
                await context.set_result("worse", object())
            with pytest.raises(OutputError):
                context.outputs.update(worse=b"\xff")
            context.test_results |= {"fine": None}

        workflow.add(lambda context: (1, {"a": Path("b")}), name="good")
        result = await qa().run_qa_test(workflow)
        assert set(result["failed_nodes"]) == {"returns", "returns_much", "sets"}
        assert result["errors"]["returns"].startswith("OutputError: what node 'returns' returned cannot be kept")
        assert "2,097,154 bytes" in result["errors"]["returns_much"]
        assert (result["test_results"], result["outputs"]) == ({"fine": None}, {"good": [1, {"a": "b"}]})
        assert result["skipped_nodes"] == ["follows"]

    async def test_what_turns_out_not_to_be_kept_fails_the_node_alone(self, qa, workflow):
        """Values that were good when they were set, and those that only the server refuses."""
        deep = value = {}
        for _ in range(100):
            value["deeper"] = value = {}
        ended = asyncio.Event()

        @workflow.step
        async def other(context: QAContext) -> None:
            context.test_results["other"] = 1
            await ended.wait()

        @workflow.step
        async def changes(context: QAContext) -> None:
            context.test_results["changed"] = held = {}
            held["page"] = object()

        @workflow.step(after=changes)
        async def follows(context: QAContext) -> None: ...

        @workflow.step
        async def nested(context: QAContext) -> dict:
            ended.set()
            return deep

        result = await qa().run_qa_test(workflow)
        assert set(result["failed_nodes"]) == {"changes", "nested"}
        assert "InvalidFieldError" in result["errors"]["nested"]
        assert result["executed_nodes"] == ["other"]

    async def test_a_node_is_tried_again_and_stopped_in_time(self, qa, workflow):
        attempts = []

        @workflow.step(retries=2)
        async def flaky(context: QAContext) -> int:
            attempts.append(1)
            if len(attempts) < 3:
                raise ValueError("not yet")
            return len(attempts)

        @workflow.step(timeout=0.05)
        async def slow(context: QAContext) -> None:
            await asyncio.sleep(3600)

        @workflow.step(timeout=60)
        async def impatient(context: QAContext) -> None:
            raise TimeoutError("its own")

        result = await qa().run_qa_test(workflow)
        assert result["outputs"] == {"flaky": 3}
        assert result["errors"]["slow"] == "TimeoutError: took longer than 0.05 s"
        assert result["errors"]["impatient"] == "TimeoutError: its own"

    async def test_whatever_a_node_raises_it_has_failed(self, qa, workflow):
        @workflow.step
        def stops(context: QAContext) -> None:
            next(iter(()))

        @workflow.step
        async def fails(context: QAContext) -> None:
            pytest.fail("as pytest says it")

        @workflow.step
        async def cancelled(context: QAContext) -> None:
            raise asyncio.CancelledError

        @workflow.step
        async def passes(context: QAContext) -> None: ...

        result = await qa().run_qa_test(workflow)
        assert set(result["failed_nodes"]) == {"stops", "fails", "cancelled"}
        assert result["executed_nodes"] == ["passes"]
        assert result["errors"]["fails"] == "Failed: as pytest says it"

    async def test_plain_functions_share_one_thread(self, qa, workflow):
        threads = []

        @workflow.setup
        def browser(context: QAContext):
            threads.append(threading.current_thread())
            yield
            threads.append(threading.current_thread())

        for name in ("a", "b", "c"):
            workflow.add(lambda context: threads.append(threading.current_thread()), name=name)
        assert (await qa().run_qa_test(workflow))["success"]
        assert len(threads) == 5
        assert len(set(threads)) == 1
        assert threads[0] is not threading.main_thread()

    async def test_outputs_and_results_can_be_taken_back_and_replaced(self, qa, workflow, client):
        @workflow.step
        async def sets(context: QAContext) -> None:
            context.outputs["a"], context.outputs["b"] = 1, {"n": 1}
            await context.set_result("r", {"n": 1})

        @workflow.step(after=sets)
        async def changes(context: QAContext) -> None:
            assert (await context.client.get_session(context.session_id)).info.results == {"r": {"n": 1}}
            del context.outputs["a"]
            context.outputs["b"]["n"] = 2
            context.test_results["r"]["n"] = 2

        result = await qa().run_qa_test(workflow)
        assert (result["outputs"], result["test_results"]) == ({"b": {"n": 2}}, {"r": {"n": 2}})
        state = (await client.get_session(result["session_id"])).info.state
        assert {key for key in state if key.startswith("outputs.")} == {"outputs.b"}

    async def test_a_node_can_do_whatever_sessions_can(self, qa, workflow, client):
        @workflow.step
        async def talks(context: QAContext) -> None:
            await context.session.add_message("assistant", "clicking")
            async with context.session.invocation("click", arguments={"button": "Go"}) as call:
                call.result = "clicked"

        info = (await client.get_session((await qa().run_qa_test(workflow))["session_id"])).info
        assert (info.counters.messages, info.tools) == (1, {"click": 1})

    async def test_many_lines_are_all_in_the_log(self, qa, workflow, sojourn_server):
        @workflow.step
        def chatty(context: QAContext) -> None:
            for number in range(1000):
                context.log.info("line %d", number)
            context.log("x" * 100_000)
            context.log("careful", level=30)

        session_id = (await qa().run_qa_test(workflow))["session_id"]
        lines = (await get_session_logs(session_id, lines=2000, target=sojourn_server)).splitlines()
        numbers = [line.split()[-1] for line in lines if ": line " in line]
        assert numbers == [str(number) for number in range(1000)]
        assert any("characters left out" in line for line in lines)
        assert any(line.endswith("WARNING chatty: careful") for line in lines)


class TestSetups:
    async def test_they_are_made_for_every_run_that_has_work(self, qa, workflow):
        happened = []

        @workflow.setup
        @asynccontextmanager
        async def server(context: QAContext):
            happened.append("server")
            yield
            happened.append("server stops")

        @workflow.setup
        async def browser(context: QAContext):
            happened.append("browser")
            yield
            happened.append("browser stops")

        @workflow.step(always=True)
        async def sign_in(context: QAContext) -> None:
            happened.append("sign in")

        @workflow.step(after=sign_in)
        async def buy(context: QAContext) -> None:
            happened.append("buy")
            assert context.run_number > 1

        once = ["server", "browser", "sign in", "buy", "browser stops", "server stops"]
        session_id = (await qa().run_qa_test(workflow))["session_id"]
        assert happened == once
        assert (await qa(session_id).run_qa_test(workflow))["success"]
        assert happened == once * 2, "a node that is always run is run again"
        await qa(session_id).run_qa_test(workflow)
        assert happened == once * 2, "nothing was left to do"

    async def test_without_one_no_node_runs(self, qa, workflow):
        @workflow.setup
        async def browser(context: QAContext):
            if context.run_number == 1:
                raise FileNotFoundError("no browser")
            yield

        workflow.add(lambda context: 1, name="node")
        first = await qa().run_qa_test(workflow)
        assert (first["failed_nodes"], first["skipped_nodes"]) == (["setup.browser"], ["node"])
        assert first["errors"]["node"] == "setup.browser failed"
        second = await qa(first["session_id"]).run_qa_test(workflow)
        assert (second["executed_nodes"], second["failed_nodes"]) == (["node"], [])

    async def test_one_that_cannot_be_torn_down_is_told_of(self, qa, workflow, sojourn_server):
        @workflow.setup
        def browser(context: QAContext):
            yield
            raise OSError("it hangs")

        workflow.add(lambda context: 1, name="node")
        result = await qa().run_qa_test(workflow)
        assert result["success"]
        assert "teardown failed: OSError: it hangs" in await get_session_logs(
            result["session_id"], target=sojourn_server
        )


class TestSteps:
    async def test_a_plain_function_has_plain_steps(self, qa):
        registry, called = Registry(), []

        @step
        def add(context: QAContext, number: int) -> int:
            called.append(number)
            if number == 2 and context.run_number == 1:
                raise ValueError("two")
            return number + context.inputs["more"]

        @qa_test("adding", registry=registry)
        def adding(context: QAContext) -> list[int]:
            return [add(context, number) for number in (1, 2)]

        first = await qa(registry=registry).run_qa_test("adding", inputs={"more": 10})
        assert (first["executed_nodes"], first["failed_nodes"], first["skipped_nodes"]) == (
            ["add"], ["add-2"], ["adding"]
        )  # fmt: skip
        second = await qa(first["session_id"], registry=registry).run_qa_test()
        assert second["outputs"] == {"add": 11, "add-2": 12, "adding": [11, 12]}
        assert called == [1, 2, 2]

    async def test_a_function_may_go_on_after_a_step_that_failed(self, qa):
        @step
        async def optional(context: QAContext) -> None:
            raise ValueError

        async def tolerant(context: QAContext) -> str:
            with pytest.raises(ValueError):
                await optional(context)
            return "fine"

        test = Workflow("tolerant", register=False)
        test.add(tolerant)
        result = await qa().run_qa_test(test)
        assert (result["executed_nodes"], result["failed_nodes"]) == (["tolerant"], ["optional"])

    async def test_a_plain_step_must_not_stop_the_event_loop(self, qa, workflow):
        @step
        def blocking(context: QAContext) -> None: ...

        @workflow.step
        async def calls(context: QAContext) -> None:
            with pytest.raises(WorkflowError, match="would stop the event loop"):
                blocking(context)

        assert (await qa().run_qa_test(workflow))["success"]

    async def test_a_step_that_is_chosen_is_called_again(self, qa):
        called = []

        @step
        async def one(context: QAContext) -> None:
            called.append("one")

        @step
        async def two(context: QAContext) -> None:
            called.append("two")

        async def both(context: QAContext) -> None:
            await one(context)
            await two(context)

        test = Workflow("both", register=False)
        test.add(both)
        session_id = (await qa().run_qa_test(test))["session_id"]
        await qa(session_id).run_qa_test(test, rerun=["two"])
        assert called == ["one", "two", "two"]
