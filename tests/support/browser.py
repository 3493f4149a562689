"""The browser of this machine, for tests that drive a real one."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

NONE = "no browser is installed: `make browser` installs Debian's chromium, or name one in SOJOURN_CHROMIUM"

_FLAGS = [
    "--no-sandbox",  # which wants more rights than containers give
    "--disable-gpu",
    "--disable-dev-shm-usage",  # too small in many containers
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

_LAUNCH = 120_000
"""Milliseconds a start may take on a busy machine."""


def chromium() -> str | None:
    """Path of the browser: SOJOURN_CHROMIUM, else what is installed; None when there is none."""
    named = os.environ.get("SOJOURN_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser of one's own, through Playwright."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_FLAGS, timeout=_LAUNCH)
        try:
            yield browser
        finally:
            await browser.close()
