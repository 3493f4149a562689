"""A QA run in a real browser, killed in the middle and finished on another machine, while somebody watches."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sojourn import ArtifactAttached, LogAppended, ResultSet, StepFinished
from tests.support.browser import NONE, chromium
from tests.support.shop import Shop
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason=NONE),
    # Two browsers are started; twice that for another place to keep the same screenshots would show nothing more.
    pytest.mark.parametrize("deployment", ["distributed"], indirect=True, scope="module"),
    pytest.mark.timeout(300),
]

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 60
PNG = b"\x89PNG\r\n\x1a\n"


@asynccontextmanager
async def machine(*arguments):
    """A process that does a run of the shop's test; a process group, for its browser is part of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SOJOURN_TARGET", "QA_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.systems.shop_run", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=PROJECT, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class Watcher:
    """What somebody sees who watches a session from its beginning."""

    def __init__(self):
        self.events = []

    async def watch(self, client, session_id):
        async for event in client.session(session_id).watch(after=0):
            self.events.append(event)

    def changes(self, kind):
        return [change for event in self.events for change in event.changes if isinstance(change, kind)]

    def outcomes(self):
        """(node, run, status) in the order they were seen."""
        return [(step.name, step.run, str(step.status)) for step in self.changes(StepFinished)]

    def phases(self):
        return [shot.phase for shot in self.changes(ArtifactAttached)]

    async def until(self, seen, description):
        await wait_until(seen, timeout=PATIENCE, description=description)


async def the_session(client, project):
    """The project's session, as soon as there is one."""

    async def first():
        return [session.id async for session in client.list_sessions(project=project)]

    return (await wait_until(first, timeout=PATIENCE, description="the run's session"))[0]


async def test_a_run_that_was_killed_is_finished_on_another_machine_with_only_what_was_left(client, tmp_path):
    watcher, project = Watcher(), f"shop-{tmp_path.name}-{os.getpid()}"
    with Shop() as shop:
        async with machine(client.target, shop.url, tmp_path / "one", project) as first:
            session_id = await the_session(client, project)
            watching = asyncio.create_task(watcher.watch(client, session_id))
            await watcher.until(
                lambda: ("offer", 1, "failed") in watcher.outcomes() and "paying" in watcher.phases(),
                "the offer has failed and the payment hangs, live",
            )
            os.killpg(first.pid, signal.SIGKILL)
            await first.wait()
        seen_before = len(watcher.events)
        before = list(shop.visits)

        shop.mended.set()
        shop.paid.set()
        async with machine(client.target, shop.url, tmp_path / "two", project, session_id) as second:
            out, err = await second.communicate()
        assert second.returncode == 0, err.decode()
        result = json.loads(out.splitlines()[-1])
        after = shop.visits[len(before) :]

    # Only what was left was done again.
    summary = result["context_summary"]
    assert summary["session_id"] == session_id
    assert sorted(summary["executed_nodes"]) == ["fill_cart", "offer", "open_shop", "pay", "receipt"]
    assert (summary["failed_nodes"], summary["success_rate"]) == ([], 100.0)
    assert sorted(after) == ["/bank", "/offer", "/pay", "/price", "/receipt"]
    assert before.count("/cart") == 1

    # The session has all of it: outcomes by run, outputs, results, the log, screenshots by phase as artifacts.
    session = await client.get_session(session_id)
    info = session.info
    assert info.kind == "qa-session"
    assert {name: (str(step.status), step.run) for name, step in info.steps.items()} == {
        "open_shop": ("passed", 1),
        "fill_cart": ("passed", 1),
        "offer": ("passed", 2),
        "pay": ("passed", 2),
        "receipt": ("passed", 2),
    }
    assert info.results["in the cart"] == 1
    artifacts = [artifact async for artifact in session.artifacts()]
    by_node = {}
    for artifact in artifacts:
        by_node.setdefault(artifact.labels["node"], []).append(artifact)
        assert (await session.get_artifact(artifact.name, version=artifact.version)).startswith(PNG)
    assert {node: sorted(each.phase for each in shots) for node, shots in by_node.items() if node != "offer"} == {
        "open_shop": ["before"],
        "fill_cart": ["cart"],
        "pay": ["paying", "paying"],
        "receipt": ["after"],
    }

    # The failing node was recorded with its screenshot.
    (failed,) = [step for step in watcher.changes(StepFinished) if step.status == "failed"]
    assert failed.name == "offer"
    assert "the offer says 'price unknown'" in failed.error
    (photo,) = by_node["offer"]
    assert failed.output["screenshot"]["$artifact"]["sha256"] == photo.sha256

    # The watcher missed nothing, and saw the first run while it was going on.
    await watcher.until(lambda: len(watcher.events) >= session.revision, "every event")
    watching.cancel()
    assert [event.revision for event in watcher.events] == list(range(1, len(watcher.events) + 1))
    assert seen_before > 5
    assert any("the cart holds 1" in line.text for line in watcher.changes(LogAppended))
    assert [result.name for result in watcher.changes(ResultSet)].count("in the cart") == 1

    # Each machine has its own directory, with its run's log and screenshots as files.
    one, two = (sorted(path.name for path in (tmp_path / name).rglob("*.png")) for name in ("one", "two"))
    assert len(one) == 4
    assert len(two) == 2
