"""A week at the testing web GUI: a plan that lasts for days, three agents that are processes of their own and delegate
runs to each other, a person who watches, and a crash of everything at once in the middle.

A day is what three runs take, and the month after which a run is archived passes when the server is started anew.
"""

import asyncio
import os
import signal
import subprocess
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

import sojourn
from tests.support import processes
from tests.support.waiting import wait_until

from . import gui_agent

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
AGENTS = ("explorer", "checker", "reporter")
STEPS = ["search", "book", "pay"]
PLAN = {"test_plan": "ecommerce_regression", "environment": "staging"}
SETTINGS = {
    "recent_after_seconds": 0, "archiver_seconds": 0.3, "project_seconds": 0.2, "snapshot_seconds": 1,
}  # fmt: skip
A_MONTH_LATER = {"SOJOURN_ARCHIVE_AFTER_SECONDS": "0"}


class Agents:
    """The agents' processes."""

    def __init__(self, target, plan, log):
        self.target, self.plan, self.log = target, plan, log
        self._running = {}

    def start(self, name):
        with self.log.open("ab") as file:
            log = file.fileno()
            self._running[name] = processes.start(
                gui_agent.__file__, self.target, self.plan, name,
                of=processes.PROGRAM, environment=os.environ, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self, *names):
        for name in names:
            process = self._running.pop(name)
            process.send_signal(signal.SIGKILL)
            await wait_until(lambda process=process: process.poll() is not None, description=f"{name} is dead")
            process.stdin.close()

    async def kill_all(self):
        await self.kill(*self._running)


class Dashboard:
    """What a person sees: every event of the plan's sessions, as it happens."""

    def __init__(self):
        self.events = {}
        """Those of each session, in the order they came."""
        self.completed = set()

    async def run(self, watch):
        async for event in watch:
            if not event.changes:
                continue  # it left the active store
            self.events.setdefault(event.session_id, []).append(event)
            if any(change.kind == "status_changed" and change.status == "completed" for change in event.changes):
                self.completed.add(event.session_id)

    async def sees_completed(self, *session_ids):
        await wait_until(lambda: self.completed.issuperset(session_ids), timeout=40, description=f"{session_ids} end")

    def shows(self, session_id, text):
        """Whether the session told, as its progress, that it is at this text."""
        changes = [change for event in self.events.get(session_id, ()) for change in event.changes]
        return any(change.kind == "request_progressed" and change.text == text for change in changes)


class Week:
    """The plan, and what its user does each day."""

    def __init__(self, client, plan, dashboard):
        self.client, self.plan, self.dashboard = client, plan, dashboard

    def run(self, day, agent="explorer"):
        """The id of an agent's run."""
        return f"{self.plan}-{day}" if agent == "explorer" else f"{self.plan}-{day}-{agent}"

    def runs(self, *days):
        return [self.run(day, agent) for day in days for agent in AGENTS]

    async def begin(self, day, **state):
        """Delegates a run to the explorer, which will delegate to the others."""
        wanted = {"steps": STEPS, "failing": [], "approval": "", "delegate_to": AGENTS[1:]}
        await self.client.create_session(
            self.run(day), kind="run", parent=self.plan, tags=["explorer"], state=wanted | state
        )

    async def passes(self, *days, **state):
        for day in days:
            await self.begin(day, **state)
            await self.dashboard.sees_completed(*self.runs(day))

    async def in_tier(self, tier, count):
        """Waits until so many of the plan's sessions are in a tier."""

        async def there():
            return await self.client.count_sessions(project=self.plan, tiers=[tier], consistency="eventual") == count

        await wait_until(there, timeout=40, description=f"{count} sessions in the tier {tier}")

    async def is_saved(self):
        """Waits until the plan, which goes on, has a snapshot."""

        async def saved():
            found = self.client.list_sessions(project=self.plan, kind="plan", tiers=["hot"], consistency="eventual")
            return [one async for one in found if one.is_active and one.storage.snapshot_path]

        await wait_until(saved, timeout=40, description="the plan is saved")

    async def history(self, session_id):
        """What is told of a session, wherever it is."""
        session = await self.client.get_session(session_id)
        info = session.info.model_copy(update={"storage": None, "connection_count": 0})
        return info, await self.events(session_id), await session.get_artifact("page.png")

    async def events(self, session_id):
        return [event async for event in self.client.session(session_id).events()]


@pytest.mark.timeout(180)
async def test_a_week_of_three_agents_with_a_crash_in_the_middle(deployment, tmp_path):
    plan = f"plan-{uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(deployment.server(**SETTINGS))
        async with sojourn.Client(server.target, project=plan) as client:
            agents = Agents(server.target, plan, tmp_path / "log")
            stack.push_async_callback(agents.kill_all)

            top = await client.create_session(
                plan, kind="plan", user_id="ada", purpose="nightly regression",
                metadata=PLAN | {"agent_count": 3},
            )  # fmt: skip
            dashboard = Dashboard()
            watch = await stack.enter_async_context(client.watch_sessions(project=plan))
            watching = asyncio.create_task(dashboard.run(watch))
            week = Week(client, plan, dashboard)
            for agent in AGENTS:
                agents.start(agent)

            # Three days: what has ended leaves the active store, what goes on is saved there.
            await week.passes("monday", "tuesday", "wednesday")
            await week.in_tier("recent", 9)
            await week.is_saved()
            before = {run: await week.history(run) for run in week.runs("monday", "tuesday", "wednesday")}
            storage = (await client.get_session(week.run("monday"))).info.storage
            assert (bool(storage.snapshot_path), storage.archive_path) == (True, "")

            # Thursday's run waits for a person when everything dies at once. A month passes.
            await week.begin("thursday", approval="pay")
            thursday = client.session(week.run("thursday"))
            await wait_until(lambda: dashboard.shows(thursday.id, "pay"), description="the explorer is at the end")
            await wait_until(open_invocation(thursday), description="the explorer waits for a person")
            await agents.kill("explorer")
            await server.kill()
            server.set(**A_MONTH_LATER)
            await server.start()

            # All of it is there, in another tier; nothing was done twice; the run goes on where it was.
            await week.in_tier("archive", 9)
            assert {run: await week.history(run) for run in before} == before
            storage = (await client.get_session(week.run("monday"))).info.storage
            assert (storage.snapshot_path, bool(storage.archive_path)) == ("", True)
            agents.start("explorer")
            await thursday.set_state({"approved": True})
            await dashboard.sees_completed(*week.runs("thursday"))
            assert steps_of(dashboard.events[thursday.id]) == STEPS
            calls = [(call.arguments["open"], call.status) async for call in thursday.invocations()]
            assert calls == [
                ("search", "succeeded"), ("book", "succeeded"), ("pay", "interrupted"), ("pay", "succeeded"),
            ]  # fmt: skip

            # On Friday something breaks; the week ends.
            await week.passes("friday", failing=["book"])
            await week.passes("saturday", "sunday")
            await top.set_result("verdict", "book was broken on friday")
            await top.complete()
            await week.in_tier("archive", 22)

            # The sums over everything that was delegated.
            found = (await top.statistics(include_children=True)).roll_up
            assert (found.sessions, found.sessions_by_status) == (22, {"completed": 22})
            assert (found.steps_passed, found.steps_failed) == (60, 3)
            (browser,) = found.tools
            assert (browser.invocations, browser.succeeded, browser.failed) == (64, 63, 1)
            assert (found.usage.total_tokens, found.usage.cost) == (21 * 110, pytest.approx(21 * 0.25))

            # Past runs beside each other, found by what was said, and taken along.
            compared = await client.compare(week.run("monday", "checker"), week.run("friday", "checker"))
            assert [step.name for step in compared.regressions] == ["book"]
            said = [one.session.id async for one in client.search('"seat map" reporter', project=plan)]
            assert sorted(said) == sorted(week.run(day, "reporter") for day in DAYS)
            await client.session(week.run("friday")).export(tmp_path / "friday.sojourn", artifacts=True)
            copy = await client.import_session(tmp_path / "friday.sojourn", new_id=True)
            _, events, picture = await week.history(copy.session.id)
            _, first_events, first_picture = await week.history(week.run("friday"))
            assert (told(events)[1:], picture) == (told(first_events)[1:], first_picture)  # but for its uid

            # An archived run is found by its facts, and goes on when it is resumed.
            archived = [one async for one in client.list_sessions(project=plan, tiers=["archive"], metadata=PLAN)]
            assert [one.id for one in archived] == [plan]
            assert await top.resume()
            assert (top.info.storage.tier, top.info.results) == ("hot", {"verdict": "book was broken on friday"})

            # Who watched saw everything once and in order, through the crash.
            assert agents.log.read_text() == ""
            watching.cancel()
            for run in week.runs(*DAYS):
                assert told(dashboard.events[run]) == told(await week.events(run)), run


def open_invocation(session):
    async def found():
        return (await session.refresh()).counters.open_invocations == 1

    return found


def steps_of(events):
    return [change.name for event in events for change in event.changes if change.kind == "step_finished"]


def told(events):
    return [(event.revision, event.commit_time, event.writer, event.changes) for event in events]
