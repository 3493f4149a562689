"""A supervisor finds agents that are stuck and stops them: it asks first, then it takes their lease away.

python examples/supervisor.py [HOST:PORT]

A stuck agent is alive, so its lease is renewed and never runs out: only its lack of progress tells. Three agents work
here. One gets on. One hangs in a tool, but stops when it is asked. One hangs and does not listen.
"""

import asyncio
import sys
import time

import sojourn

PATIENCE = 1.5  # seconds without progress, and again after having asked


async def agent(client: sojourn.Client, name: str, *, hangs: bool, listens: bool = True) -> None:
    session = await client.create_session(kind="agent", purpose=name)
    try:
        # An agent that listens is interrupted wherever it waits. The other one is only told, and does not look.
        async with session.track(name, on_cancel="raise" if listens else "flag") as request:
            for page in range(1, 6):
                await request.progress(page / 5, f"page {page}")
                async with session.invocation("fetch_page", arguments={"page": page}):
                    await asyncio.sleep(3600 if hangs and page == 2 else 0.7)
        print(f"{name}: done", flush=True)
    except sojourn.RequestCancelledError as error:
        print(f"{name}: stopped when asked: {error.cancel_reason}", flush=True)
    except sojourn.LeaseLostError:
        print(f"{name}: lost its lease", flush=True)
    calls = [call async for call in session.invocations()]
    print(f"{name}: {len(calls)} calls, the last one {calls[-1].status}", flush=True)


async def supervise(client: sojourn.Client) -> None:
    """Look at every live request again and again; end those that do not get on."""
    seen: dict[str, tuple[str, float]] = {}
    while True:
        async for request in client.requests(state="admitted"):
            text, since = seen.get(request.id, ("", 0.0))
            if request.progress_text != text:
                seen[request.id] = request.progress_text, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                print(f"supervisor: {request.name} has hung at {text} for {PATIENCE} s", flush=True)
                await stop(client, request)
        await asyncio.sleep(0.2)


async def stop(client: sojourn.Client, request: sojourn.Request) -> None:
    session = await client.get_session(request.session_id)  # what happens from here on, the watch below sees
    await session.cancel_request(request.id, reason="no progress")
    try:
        async with asyncio.timeout(PATIENCE):
            async for event in session.watch(after=session.info.cursor, kinds=["request_finished", "request_lost"]):
                if any(getattr(change, "request_id", "") == request.id for change in event.changes):
                    print(f"supervisor: {request.name} has stopped", flush=True)
                    return
    except TimeoutError:
        # From now on its fencing token is refused, whatever it does; the call it left open is closed as interrupted.
        await session.cancel_request(request.id, reason="it does not listen", force=True)
        print(f"supervisor: {request.name} was forced", flush=True)


async def main(target: str) -> None:
    async with sojourn.Client(target) as client:
        supervisor = asyncio.create_task(supervise(client))
        await asyncio.gather(
            agent(client, "busy", hangs=False),
            agent(client, "polite", hangs=True),
            agent(client, "deaf", hangs=True, listens=False),
        )
        supervisor.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:7431"))
