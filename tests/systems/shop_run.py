"""A QA run of the shop in a real browser: `python -m tests.systems.shop_run TARGET SHOP RESULTS PROJECT [SESSION]`.

Prints the run's result as JSON. Without SESSION it begins a new session.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Page, expect

from sojourn.qa import QAClient, QAContext, Workflow
from tests.support.browser import browsing

TEST = "buy a lantern"
PATIENCE = 60_000
"""Milliseconds that a page may take: what is slow here is the machine."""

shopping = Workflow(TEST, purpose="A lantern can be bought", tags=["shop"])


@shopping.setup
async def browser(context: QAContext) -> AsyncIterator[None]:
    async with browsing() as browser:
        context.local["browser"] = browser
        yield


async def page_of(context: QAContext, path: str) -> Page:
    """A page of the shop; nodes run concurrently, so each has its own. A node that fails is photographed with it."""
    page: Page = await context.local["browser"].new_page(viewport={"width": 480, "height": 320})
    page.set_default_timeout(PATIENCE)
    context.page = page
    await page.goto(context.inputs["shop"] + path)
    return page


@shopping.step
async def open_shop(context: QAContext) -> dict[str, str]:
    page = await page_of(context, "/")
    await context.screenshot("before", page)
    return {"title": await page.title()}


@shopping.step(after=open_shop)
async def fill_cart(context: QAContext) -> dict[str, str]:
    page = await page_of(context, "/")
    await page.click("#add")
    count = page.locator("#count")
    await expect(count).not_to_have_text("0", timeout=PATIENCE)
    await context.screenshot("cart", page)
    context.log("the cart holds %s", await count.text_content())
    context.test_results["in the cart"] = int(await count.text_content() or 0)
    return {"count": await count.text_content() or ""}


@shopping.step(after=fill_cart)
async def offer(context: QAContext) -> str:
    page = await page_of(context, "/offer")
    price = page.locator("#price")
    await expect(price).not_to_have_text("...", timeout=PATIENCE)
    text = await price.text_content() or ""
    assert text == "90.00", f"the offer says {text!r}"
    return text


@shopping.step(after=fill_cart)
async def pay(context: QAContext) -> str:
    page = await page_of(context, "/pay")
    await context.screenshot("paying", page)
    await expect(page.locator("#state")).to_have_text("paid, thank you", timeout=PATIENCE)
    return "paid"


@shopping.step(after=pay)
async def receipt(context: QAContext) -> str:
    page = await page_of(context, "/receipt")
    await context.screenshot("after", page)
    return await page.locator("#number").text_content() or ""


async def main(target: str, shop: str, results_dir: str, project: str, session: str | None = None) -> dict[str, Any]:
    client = QAClient(session_uuid=session, target=target, results_dir=results_dir, user_id="ada", project=project)
    return await client.run_qa_test(TEST if session is None else None, inputs={"shop": shop})


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:])), default=str))
