"""One client process that holds a request and tells, a JSON line each, what happens to it; signals do the rest:
`python -m tests.robustness.holder TARGET SESSION REQUEST LEASE`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc

from sojourn.v1 import event_pb2
from tests.support import wire
from tests.support.request_wire import Track, begin

from .request_checker import FENCED


async def hold(target: str, session_id: str, request_id: str, lease: float) -> None:
    """Holds the request, with a heartbeat each third of its lease; when it is lost, writes with its token once more."""
    async with wire.connect(target) as stub, Track(stub, begin(session_id, request_id, lease=lease)) as track:
        request = await track.admitted()
        tell(admitted=request.fencing_token)
        track.beat(lease / 3)
        failure = await track.ended(timeout=600)
        if track.broken:
            async with Track(stub, begin(session_id, request_id, resume=True)) as again:
                failure = await again.ended()
        change = event_pb2.Change(custom=event_pb2.Custom(type=FENCED + request_id))
        late = await refused(stub, wire.write(session_id, change, fencing_token=request.fencing_token))
        tell(ended=failure.reason if failure else "", deadline=track.deadline, late=late)


async def refused(stub: Any, write: Any) -> str:
    """Why a write is refused; empty when it is committed."""
    try:
        await stub.WriteSession(write)
    except grpc.aio.AioRpcError as error:
        return wire.failure_of(error).reason
    return ""


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
