"""Workers, engine and server killed at random under idempotent writers: nothing acknowledged is lost, nothing happens
twice, every watcher sees exactly the log."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress

import pytest

import sojourn
from tests.support import wire
from tests.support.server import ServerUnderTest

from .actors import SdkWatcher, Watcher, Writer
from .checker import END, check_acknowledged, check_log, check_watcher, labelled, seen

SESSIONS = ("s0", "s1", "s2")


async def kill_at_random(server, chance, seconds, kinds):
    """Kills something every second or so; which, and when, is up to chance. Returns what was killed."""
    killed = []
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(chance.uniform(0.2, 1.5), left))
        what = chance.choice(kinds)
        killed.append(what)
        if what == "server":
            await server.kill()
            await server.start()
            continue
        pid = server.engine_pid() if what == "engine" else chance.choice(server.worker_pids() or [0])
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)
    return killed


@pytest.mark.parametrize(
    ("seconds", "kinds"),
    [
        pytest.param(4, ("worker", "engine"), id="short"),
        pytest.param(60, ("worker", "worker", "engine", "server"), id="long", marks=pytest.mark.robustness),
    ],
)
@pytest.mark.timeout(240)
async def test_whatever_is_killed(data_dir, chance, seconds, kinds):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(data_dir=data_dir, workers=2, keeper=True))
        stub = await stack.enter_async_context(wire.connect(server.target))
        for session_id in SESSIONS:
            await wire.create(stub, session_id)
        clients = [await stack.enter_async_context(sojourn.Client(server.target)) for _ in range(3)]
        writers = {
            session_id: [Writer(client, session_id, f"w{number}", chance) for number, client in enumerate(clients)]
            for session_id in SESSIONS
        }
        watchers = {
            session_id: [Watcher(stub, session_id), SdkWatcher(clients[0], session_id)] for session_id in SESSIONS
        }
        watching = [asyncio.create_task(one.run()) for group in watchers.values() for one in group]
        writing = [asyncio.create_task(one.run()) for group in writers.values() for one in group]
        killed = await kill_at_random(server, chance, seconds, kinds)
        print(f"killed: {killed}")
        assert killed
        for group in writers.values():
            for writer in group:
                writer.stopped = True
        await asyncio.wait_for(asyncio.gather(*writing), 60)
        for session_id in SESSIONS:
            async with clients[0].session(session_id).write() as write:
                write.add_custom(labelled(END).custom.type)
        await asyncio.wait_for(asyncio.gather(*watching), 30)
        for session_id in SESSIONS:
            session = await clients[0].get_session(session_id)
            log = seen([event async for event in session.events()])
            check_log(log)
            for writer in writers[session_id]:
                check_acknowledged(writer.acknowledged, log)
            total = sum(len(writer.acknowledged) for writer in writers[session_id])
            assert len(log) == 2 + total
            assert sum(session.info.state.values()) == total
            for number, watcher in enumerate(watchers[session_id]):
                check_watcher(watcher.events, log, name=f"watcher {number} of {session_id}")
