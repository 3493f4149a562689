"""Concurrent callers in one Python process: the SDK's, and grpc.aio's own against the floor.

`python -m bench.callers MODE ...` measures once and prints a JSON object. A process of its own, because a client
library's threads would disturb every later measurement in the same process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import uvloop

from bench.processes import CpuMeter
from bench.requests import MESSAGE_BYTES, session_ids

Call = Callable[[int], Awaitable[object]]


async def measure(call: Call, options: argparse.Namespace) -> dict[str, float]:
    """Run the callers, each awaiting one call after the other, and count what is done within the window."""
    calls = 0

    async def caller(number: int) -> None:
        nonlocal calls
        while True:
            await call(number)
            calls += 1

    meter = CpuMeter(options.server_pid, options.engine_pid)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller(number)) for number in range(options.callers)]
        await asyncio.sleep(options.warmup)
        before, begin = calls, time.perf_counter()
        meter.start()
        await asyncio.sleep(options.seconds)
        cpu, seconds, done = meter.stop(), time.perf_counter() - begin, calls - before
        for task in tasks:
            task.cancel()
    return {
        "calls": done,
        "rate": done / seconds,
        "server_cpu": cpu.server,
        "engine_cpu": cpu.engine,
        "server_share": cpu.server_share,
        "load_share": cpu.load_share,
    }


async def sdk(options: argparse.Namespace) -> dict[str, float]:
    """Writes or reads through `sojourn.Client`."""
    import sojourn

    async with sojourn.Client(options.target) as client:
        handles = [client.session(session_id) for session_id in session_ids(options.sessions, options.count)]
        text = "m" * MESSAGE_BYTES

        async def write(number: int) -> None:
            await handles[number % len(handles)].add_message("user", text)

        async def get(number: int) -> None:
            await client.get_session(handles[number % len(handles)].id)

        # One answer looked at in full, through the real client.
        before = (await client.get_session(handles[0].id)).info
        await write(0)
        after = (await client.get_session(handles[0].id)).info
        if after.revision != before.revision + 1 or after.counters.messages != before.counters.messages + 1:
            raise SystemExit(f"a write did not do what it should: {before} became {after}")
        return await measure(write if options.mode == "sdk-write" else get, options)


async def echo(options: argparse.Namespace) -> dict[str, float]:
    """Bare calls through grpc.aio."""
    import grpc

    from bench import floors

    async with grpc.aio.insecure_channel(options.target) as channel:
        reply: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(floors.REPLY)
        request = floors.reply_request(options.request_bytes, options.reply_bytes)

        async def call(number: int) -> None:
            if len(await reply(request)) != options.reply_bytes:
                raise SystemExit("the floor answered with another size")

        return await measure(call, options)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["echo", "sdk-write", "sdk-get"])
    parser.add_argument("--target", required=True)
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warmup", type=float, required=True)
    parser.add_argument("--server-pid", type=int)
    parser.add_argument("--engine-pid", type=int)
    parser.add_argument("--sessions", default="write", help="prefix of the sessions' ids")
    parser.add_argument("--count", type=int, default=64, help="how many sessions there are")
    parser.add_argument("--request-bytes", type=int, default=64)
    parser.add_argument("--reply-bytes", type=int, default=64)
    options = parser.parse_args()
    result = uvloop.run(echo(options) if options.mode == "echo" else sdk(options))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
