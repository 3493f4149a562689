"""Two writers change the same plan: `expected_revision` makes sure that neither overwrites what it has not seen.

python examples/two_writers.py [HOST:PORT]
"""

import asyncio
import sys

import sojourn


async def add_step(client: sojourn.Client, session_id: str, step: str) -> int:
    """Append a step to the plan; returns how many attempts that took."""
    attempts = 0
    while True:
        attempts += 1
        session = await client.get_session(session_id)
        plan = [*session.info.state["plan"], step]
        try:
            await session.set_state({"plan": plan}, expected_revision=session.info.revision)
        except sojourn.RevisionConflictError:
            continue  # the other one was faster: read again, decide anew
        return attempts


async def main(target: str) -> None:
    async with sojourn.Client(target) as client:
        session = await client.create_session(purpose="plan a trip", state={"plan": []})
        steps = [f"{writer} {number}" for writer in ("flight", "hotel") for number in (1, 2, 3)]
        attempts = await asyncio.gather(*(add_step(client, session.id, step) for step in steps))
        await session.refresh()
        print(f"{len(session.info.state['plan'])} steps in the plan after {sum(attempts)} attempts")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:7431"))
