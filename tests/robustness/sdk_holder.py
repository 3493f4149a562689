"""One SDK client process that tracks a request and tells, a JSON line each, how that goes:
`python -m tests.robustness.sdk_holder TARGET SESSION REQUEST LEASE`. It finishes when standard input ends."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import sojourn


async def track(target: str, session_id: str, request_id: str, lease: float) -> None:
    """Tracks the request until told to stop; what the with-statement raises is told by its name."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    async with sojourn.Client(target) as client:
        session = client.session(session_id)
        tell(begins=request_id)
        try:
            async with session.track("work", request_id=request_id, lease_ttl=lease) as request:
                tell(admitted=request.fencing_token)
                await stop.wait()
                await session.set_state({"written": request_id})
        except sojourn.SojournError as error:
            tell(failed=type(error).__name__, text=str(error))
        else:
            tell(finished=request_id)


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    asyncio.run(track(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
