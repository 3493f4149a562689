"""One agent of a testing web GUI: `python gui_agent.py TARGET PLAN NAME`.

It does every run of the plan that is delegated to it: a session of the project PLAN with the tag NAME. What it is to
do is in the run's state: `steps`, which of them fail (`failing`), which one waits for a person (`approval`), and to
whom it delegates further runs (`delegate_to`). It knows nothing that is not in a session, so another process may go on
for it. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import sojourn


async def work(target: str, plan: str, name: str) -> None:
    """Does the runs that are there, then those that come."""
    async with (
        sojourn.Client(target, project=plan, user_id="ada", writer=name) as client,
        client.watch_sessions(
            project=plan, tags=[name], status="active", kinds=["session_created"], snapshot=True
        ) as runs,
    ):
        for session in runs.snapshots:
            await Run(client, session.id, name).finish()
        async for event in runs:
            await Run(client, event.session_id, name).finish()


class Run:
    """One session that was delegated to an agent, from wherever it stands."""

    def __init__(self, client: sojourn.Client, session_id: str, agent: str) -> None:
        self.client, self.session, self.agent = client, client.session(session_id), agent

    async def finish(self) -> None:
        """Does what is left to do, and completes it."""
        state = (await self.session.refresh()).state
        # The process that takes it up in its place gives the same id, and so takes its place at once.
        async with self.session.track(f"{self.agent} works", request_id="work", lease_ttl=60) as request:
            done = (await self.session.refresh()).steps
            for number, step in enumerate(state["steps"]):
                await request.progress(number / len(state["steps"]), step)
                if step not in done:
                    await self.do(step, state)
            await self.session.put_artifact("page.png", f"{self.session.id} as a picture".encode(), phase="after")
            await self.session.add_message(
                "assistant",
                f"The seat map was tried by the {self.agent}.",
                usage=sojourn.Usage(input_tokens=100, output_tokens=10, cost=0.25),
            )
            for agent in state["delegate_to"]:
                await self.delegate(agent, state)
        await self.session.complete()

    async def do(self, step: str, state: dict[str, Any]) -> None:
        async with self.session.invocation("browser", arguments={"open": step}) as call:
            if step == state["approval"]:
                await self.approved()
            call.result = {"title": step}
        failed = step in state["failing"]
        await self.session.record_step(
            step, status="failed" if failed else "passed", duration=2, error="no such button" if failed else None
        )

    async def approved(self) -> None:
        """Waits until a person says so in the session's state."""
        info = await self.session.refresh()
        if not info.state.get("approved"):
            async for event in self.session.watch(after=info.cursor, kinds=["state_set"]):
                if any("approved" in change.values for change in event.changes if change.kind == "state_set"):
                    return

    async def delegate(self, agent: str, state: dict[str, Any]) -> None:
        """A run below this one; the same one however often this is asked for."""
        await self.client.create_session(
            f"{self.session.id}-{agent}", kind="run", parent=self.session.id, tags=[agent],
            state=state | {"delegate_to": [], "approval": ""}, if_exists="return",
        )  # fmt: skip


def main() -> None:
    loop = asyncio.new_event_loop()
    loop.add_reader(sys.stdin, lambda: os._exit(0))
    loop.run_until_complete(work(*sys.argv[1:]))


if __name__ == "__main__":
    main()
