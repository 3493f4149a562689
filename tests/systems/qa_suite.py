"""The tests of a team, as a module of theirs defines them; run as a program, it runs one of them.

python -m tests.systems.qa_suite TARGET SESSION_ID RESULTS_DIR
"""

import asyncio
import sys
from pathlib import Path

from sojourn.qa import QAClient, QAContext, Workflow, qa_test, setup, step

PNG = b"\x89PNG\r\n\x1a\n"


class Page:
    """What drives a browser, as far as screenshots go."""

    def __init__(self, picture: bytes) -> None:
        self.picture = picture

    async def screenshot(self) -> bytes:
        return self.picture


@qa_test("my_test")
async def my_test(context: QAContext) -> str:
    context.test_results["greeting"] = "hello"
    context.log("said hello")
    return "done"


@step
async def search(context: QAContext, words: str) -> list[str]:
    return words.split()


@step
async def book(context: QAContext, flight: str) -> None:
    if context.inputs.get("full"):
        raise ValueError(f"flight {flight} is full")


@qa_test("booking_test")
async def booking_test(context: QAContext) -> None:
    for flight in await search(context, "LH2034 SJ418"):
        await book(context, flight)


@step(test="login_test")
async def open_page(context: QAContext) -> dict[str, str]:
    await context.screenshot("before", PNG + b"page")
    return {"title": "Welcome"}


@step(test="login_test", after=["open_page"])
async def sign_in(context: QAContext) -> None:
    if context.inputs.get("broken"):
        context.page = Page(PNG + b"wrong password")
        raise AssertionError("the password is wrong")
    await context.screenshot("after", Page(PNG + b"signed in"))


@step(test="login_test", after=["sign_in"])
async def read_inbox(context: QAContext) -> int:
    return 3


@step(test="login_test", after=["open_page"])
def check_footer(context: QAContext) -> str:
    return context.outputs["open_page"]["title"]


class Diary:
    """What the nodes of the long test wrote, and what they wait for."""

    def __init__(self, directory: Path) -> None:
        self.file, self.report = directory / "diary", directory / "report"

    @property
    def inputs(self):
        return {"diary": str(self.file), "report": str(self.report)}

    @property
    def nodes(self):
        return self.file.read_text().split() if self.file.exists() else []


long_running = Workflow("long_running_test", purpose="import everything and wait for the report")


@setup(test=long_running)
def diary(context: QAContext):
    with Path(context.inputs["diary"]).open("a", buffering=1) as context.local["diary"]:
        yield


def noted(context: QAContext) -> None:
    """Every run of a node is a line of a file, whichever process it was in."""
    context.local["diary"].write(f"{context.node}\n")


@long_running.step
async def prepare(context: QAContext) -> dict[str, int]:
    noted(context)
    await context.screenshot("prepared", PNG + b"prepared")
    return {"rows": 100}


@long_running.step(after=prepare)
def import_data(context: QAContext) -> int:
    noted(context)
    return context.outputs["prepare"]["rows"] * 2


@long_running.step(after=import_data)
async def wait_for_report(context: QAContext) -> str:
    noted(context)
    while not Path(context.inputs["report"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.02)
    return "report"


@long_running.step(after=wait_for_report)
async def compare(context: QAContext) -> int:
    noted(context)
    return context.outputs["import_data"]


async def main(target: str, session_id: str, results_dir: str) -> None:
    await QAClient(session_uuid=session_id, target=target, results_dir=results_dir).run_qa_test()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
