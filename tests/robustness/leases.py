"""What tests of leases look with: a witness of every renewal, and processes that hold requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from sojourn.v1 import session_service_pb2 as pb
from tests.support import processes, wire
from tests.support.piped import Piped, start_piped
from tests.support.request_wire import end_of, live
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until
from tests.support.workers import connections


class Witness:
    """Sees when leases run out, by the store's clock, as the service itself lists them; runs as long as its block."""

    def __init__(self, stub: Any, *session_ids: str) -> None:
        self._stub = stub
        self._session_ids = session_ids
        self.deadlines: dict[str, float] = {}
        """The latest of each request, in seconds."""

    async def __aenter__(self) -> Witness:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _look(self) -> None:
        while True:
            for session_id in self._session_ids:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    for request in await live(self._stub, session_id=session_id):
                        at = request.lease_expire_time.ToMicroseconds() / 1e6
                        self.deadlines[request.id] = max(at, self.deadlines.get(request.id, 0))
            await asyncio.sleep(0.02)


class Program:
    """A client process of one of this folder's modules; it tells what happens to it."""

    def __init__(self, process: Piped) -> None:
        self._process = process
        self.token = 0

    def signal(self, number: int) -> float:
        """Sends a signal; when that was."""
        self._process.send_signal(number)
        return time.time()

    def close_stdin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def line(self, timeout: float = 30.0) -> dict[str, Any]:
        """The next thing it tells."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout):
            line = await self._process.stdout.readline()
        assert line, "the client ended without a word"
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def running(module: str, *arguments: object) -> AsyncIterator[Program]:
    """A process of the module; it is killed at the block's end."""
    process = await start_piped(
        "-m", f"tests.robustness.{module}", *map(str, arguments),
        of=processes.PROGRAM, environment=os.environ, stderr=2,
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def holding(target: str, session_id: str, request_id: str, lease: float) -> AsyncIterator[Program]:
    """A process that holds the request, from its admission to the block's end; see `holder`."""
    async with running("holder", target, session_id, request_id, lease) as program:
        program.token = (await program.line())["admitted"]
        yield program


async def end_in_log(stub: Any, session_id: str, request_id: str, *, within: float) -> tuple[str, float]:
    """How and when, by the store's clock, a request ended; it must within so many seconds."""

    async def look() -> tuple[str, float] | None:
        return end_of(await wire.log_of(stub, session_id), request_id)

    found: tuple[str, float] = await wait_until(look, timeout=within, description=f"{request_id} ends")
    return found


async def stub_by_worker(server: ServerUnderTest, stack: contextlib.AsyncExitStack) -> dict[int, Any]:
    """A stub for each worker, by its process id."""
    found: dict[int, Any] = {}
    workers = set(server.worker_pids())
    for _ in range(64):
        before = connections(server)
        stub = await stack.enter_async_context(wire.connect(server.target))
        await stub.ListSessions(pb.ListSessionsRequest(page_size=1), wait_for_ready=True)
        after = connections(server)
        grown = [pid for pid in after if after[pid] > before.get(pid, 0)]
        if len(grown) == 1:
            found.setdefault(grown[0], stub)
        if found.keys() == workers:
            return found
    raise AssertionError(f"one worker got no connection: {connections(server)}")
