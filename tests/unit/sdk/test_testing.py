"""The private server for users' own tests: it starts, is really private, and always ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import sojourn
from sojourn.testing import ServerProcess, ServerStartError
from tests.support.waiting import wait_until

# A runner that holds a server and tells its pid, until it is killed.
RUNNER = """
import time
from sojourn.testing import ServerProcess
process = ServerProcess()
process.start()
process.wait_ready(60)
print(process.pid, flush=True)
time.sleep(600)
"""


def tree(pid: int) -> list[psutil.Process]:
    """The process and all its children."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [item for item in processes if item.is_running() and item.status() != psutil.STATUS_ZOMBIE]


async def test_a_server_for_one_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SOJOURN_DATA_DIR", str(tmp_path))  # settings of the environment do not reach it
    async with sojourn.testing.server(log_level="debug") as target:
        assert target.startswith("127.0.0.1:")
        async with sojourn.Client(target) as client:
            session = await client.create_session("s", state={"k": 1})
            async with session.watch(after=0) as watch:
                await session.add_message("user", "hello")
                assert [(await anext(watch)).revision for _ in range(2)] == [1, 2]
            assert (await client.get_session("s")).info.state == {"k": 1}
    assert os.listdir(tmp_path) == []
    with pytest.raises(sojourn.ServerUnreachableError):
        await sojourn.Client(target, timeouts=sojourn.Timeouts(connect=0.2)).connect()


async def test_a_server_that_does_not_start_tells_why():
    with pytest.raises(ServerStartError, match=r"ended with status(?s:.*)log_level"):
        async with sojourn.testing.server(log_level="shouting"):
            pytest.fail("started")


async def test_a_cancelled_test_leaves_no_server_behind():
    started = asyncio.Event()

    async def work() -> None:
        async with sojourn.testing.server():
            started.set()
            await asyncio.Event().wait()

    before = {child.pid for child in psutil.Process().children()}
    task = asyncio.create_task(work())
    await started.wait()
    [child] = [child for child in psutil.Process().children() if child.pid not in before]
    processes = tree(child.pid)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(lambda: not alive(processes))


async def test_the_server_ends_with_a_runner_that_is_killed(tmp_path: Path):
    runner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNNER, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert runner.stdout is not None
    processes = tree(int(await runner.stdout.readline()))
    runner.kill()
    await runner.wait()
    await wait_until(lambda: not alive(processes), timeout=20, description="the server to end by itself")


def test_stopping_can_be_repeated():
    process = ServerProcess()
    process.start()
    process.wait_ready(60)
    processes = tree(process.pid)
    process.stop()
    process.stop()
    assert not alive(processes)


def test_the_fixture_is_found_by_pytest_and_shared_by_a_run(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(
        "targets = set()\n"
        "def test_one(sojourn_server): targets.add(sojourn_server)\n"
        "def test_two(sojourn_server): targets.add(sojourn_server)\n"
        "def test_same(): assert len(targets) == 1 and targets.pop().startswith('127.0.0.1:')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
