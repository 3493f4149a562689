"""The embedded engine and its owner's death: it never runs for nobody, and never twice on one directory."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import structlog.testing

from sojourn_server.store import engine_process
from sojourn_server.store.engine import EmbeddedEngine
from sojourn_server.store.engine_errors import DataDirLockedError, EngineStartError
from tests.support.engine_probe import get, gone, put
from tests.support.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary directories are made during the test; short, as a socket's path has to be."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


@asynccontextmanager
async def owner(*arguments):
    """Another process that owns an engine; yields it and what it says of the engine."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.engine_owner", *map(str, arguments),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=PROJECT, limit=1 << 20,
    )  # fmt: skip
    try:
        # Its log lines go to the same stream.
        while line := await process.stdout.readline():
            if line.startswith(b"{"):
                break
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_killing_the_owner_ends_the_engine_and_a_new_start_works_at_once(tmp_path, loop):
    async with owner(tmp_path, loop) as (process, engine):
        await put(engine["url"], "k", "v")
        process.kill()
        await process.wait()
        async with EmbeddedEngine(tmp_path) as again:
            assert again.pid != engine["pid"]
            assert gone(engine["pid"])
            assert await get(again.url, "k") == "v"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_an_ephemeral_engine_and_its_directory_go_with_a_killed_owner(temporary, loop):
    async with owner("ephemeral", loop) as (process, engine):
        assert len(list(temporary.iterdir())) == 1
        process.kill()
        await wait_until(lambda: gone(engine["pid"]), description="the engine's end")
        await wait_until(lambda: not list(temporary.iterdir()), description="the directory's end")


async def orphan(process, engine) -> None:
    """Kills the engine's guard and its owner, so that the engine is left over."""
    (guard,) = psutil.Process(engine["pid"]).children()
    guard.kill()
    process.kill()
    await process.wait()
    assert not gone(engine["pid"])


async def test_an_engine_left_over_is_shut_down_first(tmp_path):
    async with owner(tmp_path) as (process, engine):
        await put(engine["url"], "k", "v")
        await orphan(process, engine)
        with structlog.testing.capture_logs() as logs:
            async with EmbeddedEngine(tmp_path) as again:
                assert gone(engine["pid"])
                assert await get(again.url, "k") == "v"
    assert "engine left over by an earlier run: shutting it down" in [entry["event"] for entry in logs]
    assert "User requested shutdown" in (tmp_path / "valkey" / "engine.log").read_text()


async def test_an_engine_left_over_that_hangs_is_killed(tmp_path):
    async with owner(tmp_path) as (process, engine):
        await put(engine["url"], "k", "v")
        await orphan(process, engine)
        os.kill(engine["pid"], signal.SIGSTOP)
        async with EmbeddedEngine(tmp_path, stop_timeout=1.5) as again:
            assert gone(engine["pid"])
            assert await get(again.url, "k") == "v"


async def test_a_process_that_only_has_the_number_of_an_old_engine_is_left_alone(tmp_path):
    async with EmbeddedEngine(tmp_path):
        pass
    state = tmp_path / "valkey" / "engine.json"
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    # Something holds the engine's lock, so it must be looked for; the bystander is not it.
    lock_fd = await engine_process.lock_engine(tmp_path / "valkey" / "engine.lock", timeout=0)
    try:
        state.write_text(json.dumps({"pid": bystander.pid, "socket": str(tmp_path / "none")}))
        with pytest.raises(EngineStartError, match=f"process {bystander.pid}.*end it by hand"):
            await EmbeddedEngine(tmp_path, stop_timeout=0.3).start()
        assert not gone(bystander.pid)
    finally:
        os.close(lock_fd)
        bystander.kill()
        await bystander.wait()


async def test_a_second_start_says_who_holds_the_directory(tmp_path):
    async with owner(tmp_path) as (process, _):
        with pytest.raises(DataDirLockedError, match=f"process {process.pid} .*serving 127.0.0.1:7431"):
            await EmbeddedEngine(tmp_path).start()
