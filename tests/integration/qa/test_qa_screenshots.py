"""Screenshots of QA tests, from whatever drives a browser."""

import asyncio
import threading

from sojourn.qa import (
    QAContext,
    get_session_logs,
    step,
)

PNG = b"\x89PNG\r\n\x1a\n"


class TestScreenshots:
    class Driver:
        """As Selenium's."""

        def get_screenshot_as_png(self):
            return PNG + b"selenium"

    class Element:
        """As Selenium's: its `screenshot` is another thing."""

        screenshot_as_png = PNG + b"element"

        def screenshot(self, filename):
            raise AssertionError("not this")

    class SyncPage:
        """As Playwright's sync API's."""

        def __init__(self):
            self.thread = threading.current_thread()

        def screenshot(self):
            assert threading.current_thread() is self.thread
            return PNG + b"sync"

    class AsyncPage:
        async def screenshot(self):
            return b"\xff\xd8\xffasync"

    async def test_from_whatever_drives_a_browser(self, qa, workflow, client, tmp_path):
        (tmp_path / "file.png").write_bytes(PNG + b"file")

        @workflow.step
        async def loop(context: QAContext) -> None:
            await context.screenshot("one", self.AsyncPage())
            await context.screenshot("one", self.Driver(), name="driver.png")
            await context.screenshot("one", self.Element(), name="element.png")
            await context.screenshot("one", tmp_path / "file.png", name="file.png")
            context.page = self.AsyncPage()
            assert (await context.screenshot("two")).name == "loop-two.jpg"

        @workflow.step
        def plain(context: QAContext) -> None:
            assert context.screenshot("one", self.SyncPage()).result().version == 1
            context.screenshot("one", bytearray(PNG + b"bytes"), name="driver.png")
            context.screenshot("one", self.AsyncPage(), name="async.jpg")

        result = await qa().run_qa_test(workflow)
        assert result["errors"] == {}
        session = client.session(result["session_id"])
        kept = {
            (shot["name"], shot["version"]): await session.get_artifact(shot["name"], version=shot["version"])
            for shot in result["screenshots"]["one"]
        }
        assert {data.removeprefix(PNG) for data in kept.values()} == {
            b"\xff\xd8\xffasync", b"selenium", b"element", b"file", b"sync", b"bytes"
        }  # fmt: skip
        assert {version for name, version in kept if name == "driver.png"} == {1, 2}

    async def test_a_browser_that_runs_a_loop_of_its_own_in_its_thread(self, qa, workflow):
        """As Playwright's sync API does: what is plain must not be taken for async."""

        @step
        def plain_step(context: QAContext) -> None: ...

        @workflow.step
        def plain(context: QAContext) -> None:
            loop = asyncio.new_event_loop()
            asyncio._set_running_loop(loop)
            try:
                context.screenshot("before", self.SyncPage())
                context.log("taken")
                plain_step(context)
            finally:
                asyncio._set_running_loop(None)
                loop.close()

        result = await qa().run_qa_test(workflow)
        assert (result["errors"], result["executed_nodes"]) == ({}, ["plain_step", "plain"])
        assert len(result["screenshots"]["before"]) == 1

    async def test_what_cannot_be_photographed_fails_the_node(self, qa, workflow):
        @workflow.step
        async def nothing(context: QAContext) -> None:
            await context.screenshot("before")

        @workflow.step
        async def number(context: QAContext) -> None:
            await context.screenshot("before", 7)

        errors = (await qa().run_qa_test(workflow))["errors"]
        assert "a Playwright page, a Selenium driver" in errors["nothing"]
        assert "a Playwright page, a Selenium driver" in errors["number"]

    async def test_a_failure_is_recorded_although_the_browser_is_gone(self, qa, workflow, sojourn_server):
        class Gone:
            async def screenshot(self):
                raise ConnectionError("browser has been closed")

        @workflow.step
        async def fails(context: QAContext) -> None:
            context.page = Gone()
            raise ValueError("first of all")

        result = await qa().run_qa_test(workflow)
        assert (result["errors"], result["screenshots"]) == ({"fails": "ValueError: first of all"}, {})
        logs = await get_session_logs(result["session_id"], target=sojourn_server)
        assert "no screenshot of the failure: ConnectionError: browser has been closed" in logs

    async def test_plain_nodes_are_photographed_in_their_thread(self, qa, workflow):
        @workflow.step
        def fails(context: QAContext) -> None:
            context.page = self.SyncPage()
            raise ValueError

        assert [each["node"] for each in (await qa().run_qa_test(workflow))["screenshots"]["failure"]] == ["fails"]
