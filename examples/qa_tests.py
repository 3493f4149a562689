"""Two QA tests: a workflow whose nodes run as their turn comes, and a function that calls steps.

python examples/qa_tests.py [HOST:PORT]

The first run of the workflow fails, as the shop is closed. The second goes on in the same session: what passed is not
run again. Then three users run both at once, each in sessions of their own. Without a server one is started, which
keeps its data in `memory`; logs and screenshots are in `results`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

from sojourn.qa import QAClient, QAContext, QASessionManager, Workflow, qa_test, step

shopping = Workflow("shopping", purpose="something can be bought")


class Browser:
    """In the place of Playwright's: `async with async_playwright() as playwright: ...`"""

    async def screenshot(self) -> bytes:
        return b"\x89PNG\r\n\x1a\n and so on"


@shopping.setup
async def browser(context: QAContext) -> AsyncIterator[None]:
    context.page = Browser()  # each run has its own; who fails is photographed with it
    yield


@shopping.step
async def open_shop(context: QAContext) -> dict[str, str]:
    await context.screenshot("before")
    return {"title": "The Shop"}


@shopping.step(after=open_shop)
async def check_title(context: QAContext) -> None:
    assert context.outputs["open_shop"]["title"] == "The Shop"


@shopping.step(after=open_shop)
async def buy(context: QAContext) -> None:
    context.log("trying to buy a %s", "lantern")
    assert context.inputs["open"], "the shop is closed"
    context.test_results["order"] = "SJ-4711"


@shopping.step(after=[buy, check_title])
async def pay(context: QAContext) -> None:
    await context.screenshot("after")


@step
async def search(context: QAContext, word: str) -> int:
    return len(word)


@qa_test("searching")
async def searching(context: QAContext) -> None:
    for word in ("lantern", "rope"):
        assert await search(context, word) > 0


async def main(target: str | None) -> None:
    first = await QAClient("ada", "shop", target=target).run_qa_test("shopping", inputs={"open": False})
    print("first run:", first["executed_nodes"], "failed:", first["errors"]["buy"])

    session_id = first["context_summary"]["session_id"]
    second = await QAClient(session_uuid=session_id, target=target).run_qa_test(inputs={"open": True})
    print("second run:", second["executed_nodes"], f"{second['success_rate']:.0f} %", second["test_results"])

    users = ("ada", "grace", "joan")
    runs = [
        QAClient(user, "shop", target=target).run_qa_test(test, inputs={"open": True})
        for user in users
        for test in ("shopping", "searching")
    ]
    print("at once:", [result["status"] for result in await asyncio.gather(*runs)])

    manager = QASessionManager(target=target)
    for summary in reversed(await manager.list_all_sessions(limit=7, project="shop")):
        print(f"{summary.user_id:6} {summary.test_name:10} {summary.success_rate:.0f} %")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
