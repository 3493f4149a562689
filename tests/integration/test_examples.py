"""The examples do what they say."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import sojourn
from tests.support import processes
from tests.support.piped import Piped, start_piped
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def target() -> AsyncIterator[str]:
    async with ServerUnderTest() as server:
        yield server.target


async def start(example: str, *arguments: str | Path) -> Piped:
    """An example as a process of its own."""
    return await start_piped(
        *(str(EXAMPLES / example), *map(str, arguments)), of=processes.PROGRAM, environment=os.environ
    )


async def output(process: Piped) -> str:
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


async def test_ten_browsers_are_shared_by_priority_and_in_turn(target: str) -> None:
    printed = await output(await start("browser_pool.py", target))
    runs = re.findall(r"^(\w+) +(\d+) +browser (\d+)  priority (\d)  waited [\d.]+ s$", printed, re.MULTILINE)
    assert Counter(user for user, *_ in runs) == {"ada": 30, "bob": 6, "carol": 2}
    assert {int(slot) for _, _, slot, _ in runs} <= set(range(10))
    assert {priority for user, _, _, priority in runs if user == "carol"} == {"9"}
    assert printed.endswith("\n0 browsers at work\n")

    # Who prints first says little; the pool's tokens say who was admitted first.
    admitted: dict[int, str] = {}
    async with sojourn.Client(target) as client:
        async for session in client.list_sessions(kind="slots"):
            async for event in client.session(session.id).events(kinds="request_admitted"):
                for change in event.changes:
                    if isinstance(change, sojourn.RequestAdmitted):
                        assert change.pool_slot is not None
                        admitted[change.pool_slot.fencing_token] = change.name
    order = [name for _, name in sorted(admitted.items())]
    assert len(order) == len(runs)
    last_of_ada = max(order.index(f"ada {number}") for number in range(1, 31))
    assert order.index("carol 2") < last_of_ada
    assert order.index("bob 6") < last_of_ada


async def test_a_supervisor_asks_stuck_agents_to_stop_and_then_makes_them(target: str) -> None:
    printed = (await output(await start("supervisor.py", target))).splitlines()
    said = {name: [line for line in printed if line.startswith(f"{name}: ")] for name in ("busy", "polite", "deaf")}
    assert said == {
        "busy": ["busy: done", "busy: 5 calls, the last one succeeded"],
        "polite": ["polite: stopped when asked: no progress", "polite: 2 calls, the last one cancelled"],
        "deaf": ["deaf: lost its lease", "deaf: 2 calls, the last one interrupted"],
    }
    decided = [line.removeprefix("supervisor: ") for line in printed if line.startswith("supervisor: ")]
    assert sorted(decided) == [
        "deaf has hung at page 2 for 1.5 s",
        "deaf was forced",
        "polite has hung at page 2 for 1.5 s",
        "polite has stopped",
    ]
