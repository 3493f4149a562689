"""Clients compete for a session's slots and a pool's while clients and a worker are killed: no limit is ever exceeded,
order and turns are kept, tokens grow, and nothing is left at the end."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

import pytest
from google.protobuf.json_format import MessageToJson

from sojourn.v1 import admin_service_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn.v1.admin_service_pb2_grpc import AdminServiceStub
from sojourn_server.domain.requests import SCOPE_MARGIN_MS
from tests.support import wire
from tests.support.engine_probe import connect
from tests.support.request_wire import live
from tests.support.server import ServerUnderTest
from tests.support.waiting import wait_until

from .competitors import Plan
from .pool_checker import check_fairness, check_pool, check_priorities, check_turns
from .request_checker import check_requests

HOT = "hot"
POOL = "browsers"
REAP = 0.5
LEFT = re.compile(r"sj:\{\d{3}\}:(r|q|pt|pw|pf):|sj:\{\d{3}\}:p:(?!default/1:" + POOL + "$)")
"""Keys that exist only while there are requests (or scopes in use)."""


@dataclass(frozen=True)
class Size:
    """How large a competition is. Times in seconds."""

    seconds: float
    processes: int
    limit: int
    """Of the hot session; as many clients compete for it as for the pool."""
    pool: int
    users: dict[str, int]
    """Clients of each user of the pool in each process."""
    hot_clients: int
    lease: float
    hold: float
    margin: float
    """Within how long a request that began to wait is in the pool's queue, however busy the machine."""


SHORT = Size(10, 4, 3, 4, {"ann": 3, "bob": 2}, 5, lease=2, hold=0.05, margin=0.3)
LONG = Size(60, 20, 5, 10, {"ann": 3, "bob": 1, "cat": 1}, 5, lease=4, hold=0.1, margin=1.5)


class Crowd:
    """The processes of clients; those that are killed are replaced."""

    def __init__(self, target, size, chance, folder):
        self._target = target
        self._size = size
        self._chance = chance
        self._folder = folder
        self._running = []
        self._started = 0
        self.killed = 0

    def start(self):
        """One more process."""
        self._started += 1
        name = f"p{self._started}"
        size = self._size
        # A user's clients in each process share one of its two sessions.
        sessions = {f"{user}-{self._started % 2}": count for user, count in size.users.items()}
        plan = Plan(
            self._target, name, self._chance.randrange(1 << 32), HOT, size.hot_clients, POOL, sessions,
            size.lease, size.hold,
        )  # fmt: skip
        with (self._folder / f"{name}.jsonl").open("wb") as told, (self._folder / f"{name}.err").open("wb") as errors:
            command = [sys.executable, "-m", "tests.robustness.competitors", json.dumps(asdict(plan))]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=errors)
        self._running.append((name, process))

    def kill_one(self):
        """SIGKILL for one of them; another takes its place."""
        name, process = self._running.pop(self._chance.randrange(len(self._running)))
        assert process.poll() is None, self._errors(name)
        process.kill()
        process.wait()
        process.stdin.close()
        self.killed += 1
        self.start()

    async def stop(self):
        """Tells all to end what they do, and waits; they must have met nothing they cannot explain."""
        for _, process in self._running:
            process.stdin.close()
        for name, process in self._running:
            await wait_until(lambda one=process: one.poll() is not None, timeout=60, description=f"{name} ends")
            assert process.returncode == 0, self._errors(name)

    def end(self):
        for _, process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def told(self):
        """What all clients were told."""
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):  # the last line of a killed process may be cut
                    yield json.loads(line)

    def _errors(self, name):
        return f"{name}: {(self._folder / f'{name}.err').read_text()[-4000:]}"


@pytest.mark.parametrize(
    "size",
    [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.robustness)],
)
@pytest.mark.timeout(300)
async def test_competition(data_dir, tmp_path, chance, size):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            ServerUnderTest(data_dir=data_dir, workers=2, reap_seconds=REAP, log_format="json")
        )
        channel = await stack.enter_async_context(wire.channel(server.target))
        stub = wire.SessionServiceStub(channel)
        await AdminServiceStub(channel).SetPool(admin_service_pb2.SetPoolRequest(name=POOL, size=size.pool))
        await wire.create(stub, HOT, max_concurrent_requests=size.limit)
        sessions = [HOT]
        for user in size.users:
            for number in range(2):
                sessions.append(f"{user}-{number}")
                await wire.create(stub, sessions[-1], user_id=user)
        crowd = Crowd(server.target, size, chance, tmp_path)
        stack.callback(crowd.end)
        stack.callback(print, f"history: {tmp_path}")
        for _ in range(size.processes):
            crowd.start()
        worker_killed = await storm(server, crowd, size.seconds, chance)
        await crowd.stop()
        await until_empty(lambda: live(stub), 2 * size.lease + 10)
        logs = {session_id: await wire.log_of(stub, session_id) for session_id in sessions}
        for session_id, log in logs.items():
            (tmp_path / f"{session_id}.json").write_text(MessageToJson(pb.ListEventsResponse(events=log)))
        check(logs, crowd, size, worker_killed)
        # What a killed worker was about to give back is under a lease of its own, which outlives the request's.
        patience = size.lease + SCOPE_MARGIN_MS / 1000 + 10
        seconds = await until_empty(lambda: left_in(f"unix://{data_dir}/valkey/engine.sock"), patience)
        print(f"nothing left of any request after another {seconds:.1f} s")
        pools = await AdminServiceStub(channel).ListPools(admin_service_pb2.ListPoolsRequest())
        assert [(pool.size, pool.used, pool.queued) for pool in pools.pools] == [(size.pool, 0, 0)]


async def storm(server, crowd, seconds, chance):
    """Kills a process of clients about every second, and once a worker; when (us) that was."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    worker_at = loop.time() + seconds * chance.uniform(0.4, 0.6)
    worker_killed = 0
    while (left := end - loop.time()) > 0:
        await asyncio.sleep(min(chance.uniform(0.5, 2), left))
        if loop.time() > worker_at and not worker_killed:
            os.kill(chance.choice(server.worker_pids()), signal.SIGKILL)
            worker_killed = int(time.time() * 1e6)
        crowd.kill_one()
    assert worker_killed
    return worker_killed


async def left_in(url):
    """Keys and leases in the engine that exist only while there are requests."""
    async with connect(url) as engine:
        keys = [key async for key in engine.scan_iter("sj:{*", count=1000)]
        leases = [lease for key in keys if key.endswith(":lease") for lease in await engine.zrange(key, 0, -1)]
    return [key for key in keys if LEFT.match(key)] + leases


async def until_empty(look, seconds):
    """Waits until a look finds nothing, up to so many seconds; how long it took."""
    began = time.monotonic()
    while found := await look():
        assert time.monotonic() < began + seconds, f"after {seconds:g} s there are {len(found)} left: {found[:5]}"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def check(logs, crowd, size, worker_killed):
    """All that was promised."""
    lives = [life for log in logs.values() for life in check_requests(log)]
    check_told(crowd.told(), lives)
    granted = check_pool(lives, POOL, size.pool)
    check_priorities(lives, POOL, margin=size.margin, disturbed=[worker_killed])
    turns = check_turns(lives, POOL, margin=size.margin, disturbed=[worker_killed])
    shares = check_fairness(lives, POOL, least=round(size.seconds))
    outcomes = {}
    for life in lives:
        outcomes[life.outcome] = outcomes.get(life.outcome, 0) + 1
    print(
        f"{len(lives)} requests: {outcomes}; {sum(life.token > 0 for life in lives)} admitted; {len(granted)} slots of "
        f"the pool given, {turns} times in turn, while all users waited {dict(shares)}; {crowd.killed} processes and a "
        "worker killed"
    )
    for outcome in ("SUCCEEDED", "FAILED", "CANCELLED", "LOST"):
        assert outcomes.get(outcome), f"nothing ended as {outcome}: this was no competition"


def check_told(told, lives):
    """What clients were told is what the logs say."""
    by_id = {(life.session_id, life.id): life for life in lives}
    for line in told:
        life = by_id.get((line["session"], line.get("admitted") or line.get("finished")))
        if "admitted" in line:
            assert life is not None, f"told, and in no log: {line}"
            assert life.token == line["token"], f"{line}: the log says {life}"
            assert not life.pool or (life.slot, life.slot_token) == (line["slot"], line["slot_token"]), (
                f"{line}: {life}"
            )
        elif "finished" in line:
            assert life is not None, f"told, and in no log: {line}"
            assert life.outcome in ("SUCCEEDED", "FAILED", "CANCELLED"), f"{line}: the log says {life}"
