"""The recorded conversations, completed, on their way down the tiers while readers loop over them: every read at every
moment returns the same."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest

import sojourn
from sojourn.cli._replaying import Replayer, no_pace
from sojourn.cli.conversations import read_lines
from sojourn.cli.openai_format import messages_of, writes_in
from tests.support.catalogs import Databases
from tests.support.object_store import ObjectStore
from tests.support.recordings import recorded_lines, recordings
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

SETTINGS = {
    "recent_after_seconds": 0.3, "archive_after_seconds": 1, "archiver_seconds": 0.1, "project_seconds": 0.1,
    "log_events_kept": 5,
}  # fmt: skip
READERS = 2


@asynccontextmanager
async def files_and_sqlite():
    async with ServerUnderTest(ephemeral=True, **SETTINGS) as server:
        yield server


@asynccontextmanager
async def s3_and_postgresql():
    databases = Databases()
    try:
        async with ObjectStore() as objects:
            environment = {f"AWS_{name.upper()}": text for name, text in objects.options.items() if name != "endpoint"}
            environment["AWS_ENDPOINT_URL"] = objects.endpoint
            catalog = await databases.migrated("postgresql")
            async with ServerUnderTest(
                ephemeral=True, environment=environment, catalog=catalog, blobs=objects.url, **SETTINGS
            ) as server:
                yield server
    finally:
        databases.close()


class Reader:
    """Reads sessions that have ended again and again."""

    def __init__(self, client):
        self.client = client
        self.first = {}
        """What each session was when it was read first."""
        self.tiers = Counter()
        self.rounds = 0

    async def run(self):
        while True:
            async for found in self.client.list_sessions(status="completed", consistency="eventual"):
                await self.read(found.id)
            self.rounds += 1

    async def read(self, session_id):
        session = await self.client.get_session(session_id)
        events = [event async for event in session.events()]
        self.tiers[session.info.storage.tier] += 1
        seen = session.info.model_copy(update={"storage": None, "connection_count": 0}), events
        assert self.first.setdefault(session_id, seen) == seen, f"{session_id} in {session.info.storage}"


async def replay(client, lines):
    """Recordings as sessions `rec-airline-<number>` that are completed."""
    replayer = Replayer(client=client, prefix="rec", name="airline", pace=no_pace)
    await replayer.run(iter(lines), concurrency=8)
    assert not replayer.tally.failures


@pytest.mark.parametrize("place", [files_and_sqlite, s3_and_postgresql])
@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.robustness)])
@pytest.mark.timeout(120)
async def test_every_read_at_every_moment_returns_the_same(place, count):
    numbered = list(read_lines(str(recordings()), None))[:count]
    lines = recorded_lines()[:count]
    async with place() as server, sojourn.Client(server.target) as client:
        readers = [Reader(client) for _ in range(READERS)]
        reading = [asyncio.create_task(reader.run()) for reader in readers]
        await replay(client, numbered)
        reader = readers[0]

        async def archived():
            if failed := [task for task in reading if task.done()]:
                failed[0].result()
            return await client.count_sessions(tiers=["archive"]) == len(lines)

        await wait_until(archived, timeout=60, description="all are archived")
        rounds = reader.rounds
        await wait_until(lambda: reader.rounds >= rounds + 2, timeout=30, description="all are read in the archive")
        for task in reading:
            assert not task.done() or task.result()
            task.cancel()

        assert len(reader.first) == len(lines)
        for number, line in enumerate(lines, 1):
            _, events = reader.first[f"rec-airline-{number}"]
            assert messages_of(writes_in(events)) == line["traj"]
        seen = sum((one.tiers for one in readers), Counter())
        print(f"reads: {dict(seen)}")
        assert seen["archive"] > 0
