"""Two writers on one session: whatever happens to notifications, connections and the server, every watcher sees
exactly the log."""

import asyncio
import contextlib
import signal
from contextlib import AsyncExitStack

import pytest
from redis.exceptions import RedisError

import sojourn
from tests.support import wire
from tests.support.engine_probe import connect
from tests.support.server import ServerUnderTest
from tests.support.workers import stubs_on_all_workers

from .actors import SdkWatcher, Watcher, Writer
from .checker import END, check_acknowledged, check_log, check_watcher, labelled, seen

SID = "both"


async def kill_subscriptions(url, killed):
    """Ends every subscription of the engine five times a second."""
    while True:
        await asyncio.sleep(0.2)
        with contextlib.suppress(RedisError, OSError):
            async with connect(url) as client:
                killed.append(await client.execute_command("CLIENT KILL TYPE pubsub"))


@pytest.mark.parametrize(
    "seconds", [pytest.param(4, id="short"), pytest.param(30, id="long", marks=pytest.mark.robustness)]
)
async def test_two_writers_and_every_kind_of_watcher(data_dir, tmp_path, chance, seconds):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerUnderTest(data_dir=data_dir, workers=2))
        stubs = await stubs_on_all_workers(server, stack)
        await wire.create(stubs[0], SID)
        clients = [await stack.enter_async_context(sojourn.Client(server.target)) for _ in range(3)]
        writers = [Writer(client, SID, name, chance) for client, name in zip(clients, ("ann", "bob"), strict=False)]
        watchers = {f"on connection {number}": Watcher(stub, SID) for number, stub in enumerate(stubs)}
        watchers["reconnecting"] = Watcher(stubs[0], SID, lifetime=0.1)
        watchers["with a stored cursor"] = Watcher(stubs[-1], SID, store=tmp_path / "cursor")
        watchers["of the SDK"] = SdkWatcher(clients[2], SID)

        writing = [asyncio.create_task(writer.run()) for writer in writers]
        watching = [asyncio.create_task(watcher.run()) for watcher in watchers.values()]
        killed = []
        killing = asyncio.create_task(kill_subscriptions(f"unix://{data_dir}/valkey/engine.sock", killed))
        await asyncio.sleep(seconds / 2)
        server.signal(chance.choice((signal.SIGKILL, signal.SIGTERM)))
        await server.exited()
        await server.start()
        await asyncio.sleep(seconds / 2)
        for writer in writers:
            writer.stopped = True
        await asyncio.gather(*writing)
        await stubs[0].WriteSession(wire.write(SID, labelled(END)))
        await asyncio.wait_for(asyncio.gather(*watching), 30)
        killing.cancel()

        log = seen(await wire.log_of(stubs[0], SID))
        check_log(log)
        for writer in writers:
            assert len(writer.acknowledged) > 10 * seconds
            check_acknowledged(writer.acknowledged, log)
        assert len(log) == 2 + sum(len(writer.acknowledged) for writer in writers)
        for name, watcher in watchers.items():
            check_watcher(watcher.events, log, name=name)
        assert watchers["reconnecting"].connections > seconds
        assert watchers["with a stored cursor"].connections >= 2
        assert any(killed)
