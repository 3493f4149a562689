"""The examples do what they say."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import sojourn
import sojourn.testing
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def target() -> AsyncIterator[str]:
    async with sojourn.testing.server() as address:
        yield address


async def start(example: str, *arguments: str | Path) -> asyncio.subprocess.Process:
    """An example as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLES / example, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def output(process: asyncio.subprocess.Process) -> str:
    """What an example prints until it ends."""
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def test_two_writers_lose_no_step(target: str) -> None:
    printed = await output(await start("two_writers.py", target))
    match = re.fullmatch(r"6 steps in the plan after (\d+) attempts\n", printed)
    assert match is not None, printed
    assert int(match[1]) >= 6


async def test_a_watcher_resumes_after_being_killed(target: str, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    async with sojourn.Client(target) as client:
        session = await client.create_session()
        await session.set_state({"n": 1})

        first = await start("resume_watch.py", session.id, cursor, target)
        try:
            newest = (await client.get_session(session.id)).info.cursor
            await wait_until(lambda: cursor.exists() and cursor.read_text() == newest, description="both events kept")
        finally:
            first.kill()
            await first.wait()

        await session.set_state({"n": 2})
        await session.complete()
    second = await output(await start("resume_watch.py", session.id, cursor, target))
    assert second == "3 state_set\n4 status_changed\n"
