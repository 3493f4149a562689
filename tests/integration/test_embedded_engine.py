"""The embedded engine: it keeps what it acknowledged, comes back by itself, and never outlives its owner for long."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import structlog.testing
from redis.exceptions import RedisError

from sojourn_server.store import engine_process
from sojourn_server.store.data_dir import DataDir
from sojourn_server.store.engine import EmbeddedEngine
from sojourn_server.store.engine_errors import DataDirLockedError, EngineStartError
from tests.support.engine_probe import connect, get, gone, put
from tests.support.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]


async def back(engine: EmbeddedEngine, restarts: int) -> None:
    """Waits for the engine's n-th restart, and until it answers."""

    async def answers():
        with contextlib.suppress(RedisError, OSError):
            return engine.restarts == restarts and await get(engine.url, "any") is None
        return False

    await wait_until(answers, description=f"restart {restarts}")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary directories are made during the test; short, as a socket's path has to be."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


def sleeper(directory: Path) -> Path:
    """A program that passes for a Valkey server, and never answers."""
    path = directory / "sleeper"
    path.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Valkey server v=9.0.0" && exit\necho $$\nexec sleep 600\n'
    )
    path.chmod(0o755)
    return path


async def test_an_ephemeral_engine_leaves_nothing(temporary):
    async with EmbeddedEngine(None) as engine:
        assert not engine.durable
        assert engine.url.startswith(f"unix://{temporary}/")
        await put(engine.url, "k", "v")
        assert await get(engine.url, "k") == "v"
        pid = engine.pid
    assert gone(pid)
    assert engine.pid is None
    assert list(temporary.iterdir()) == []


async def test_a_durable_engine_keeps_its_data_and_is_private(tmp_path):
    async with EmbeddedEngine(tmp_path / "data") as engine:
        assert engine.durable
        socket = tmp_path / "data" / "valkey" / "engine.sock"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        async with connect(engine.url) as client:
            expected = {"appendonly": "yes", "appendfsync": "always"}
            assert await client.config_get(*expected) == expected
        await put(engine.url, "k", "v")
    assert not socket.exists()
    async with EmbeddedEngine(tmp_path / "data") as engine:
        assert await get(engine.url, "k") == "v"


async def test_acknowledged_writes_survive_kills_of_the_engine(tmp_path):
    acknowledged = []
    enough = asyncio.Event()  # redis-py may swallow a cancellation that comes while it connects

    async def write(url):
        number = 0
        while not enough.is_set():
            with contextlib.suppress(RedisError, OSError):
                async with connect(url) as client:
                    while not enough.is_set():
                        number += 1
                        await client.sadd("numbers", number)
                        acknowledged.append(number)
            await asyncio.sleep(0.005)

    with structlog.testing.capture_logs() as logs:
        async with EmbeddedEngine(tmp_path) as engine:
            url = engine.url
            writer = asyncio.create_task(write(url))
            for round_ in range(1, 4):
                target = len(acknowledged) + 200
                await wait_until(lambda target=target: len(acknowledged) >= target, description="writes")
                os.kill(engine.pid, signal.SIGKILL)
                await back(engine, round_)
            enough.set()
            await writer
            assert engine.url == url
            async with connect(url) as client:
                kept = {int(number) for number in await client.smembers("numbers")}
    assert set(acknowledged) <= kept
    deaths = [entry for entry in logs if entry["event"] == "engine died"]
    assert [entry["exit_code"] for entry in deaths] == [-9, -9, -9]
    assert all("Ready to accept connections" in entry["log_tail"] for entry in deaths)


async def test_a_directory_the_caller_holds_stays_held(tmp_path):
    with DataDir.open(tmp_path) as held:
        async with EmbeddedEngine(held):
            pass
        with pytest.raises(DataDirLockedError):
            DataDir.open(tmp_path)


@pytest.mark.parametrize("name", ["x" * 120, "with space", 'quote"back\\slash', "ünï"])
async def test_any_directory_name_will_do(tmp_path, temporary, name):
    for value in ("1", "2"):
        async with EmbeddedEngine(tmp_path / name) as engine, connect(engine.url) as client:
            assert await client.incr("n") == int(value)
    assert list(temporary.iterdir()) == []


async def test_a_damaged_file_is_a_start_error_that_shows_the_log(tmp_path):
    async with EmbeddedEngine(tmp_path) as engine:
        await put(engine.url, "k", "v" * 1000)
    (incremental,) = (tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof")
    incremental.write_bytes(b"garbage" * 100)
    with pytest.raises(EngineStartError, match="ended at its start: exit code 1") as caught:
        await EmbeddedEngine(tmp_path).start()
    assert "Bad file format" in caught.value.log_tail
    DataDir.open(tmp_path).close()


async def test_an_engine_that_does_not_answer_is_a_start_error(tmp_path):
    with pytest.raises(EngineStartError, match=r"not ready within 0\.3 s") as caught:
        await EmbeddedEngine(tmp_path / "data", binary=sleeper(tmp_path), start_timeout=0.3).start()
    assert gone(int(caught.value.log_tail))
    DataDir.open(tmp_path / "data").close()


async def test_a_cancelled_start_leaves_nothing(tmp_path):
    starting = asyncio.create_task(EmbeddedEngine(tmp_path / "data", binary=sleeper(tmp_path)).start())
    log = tmp_path / "data" / "valkey" / "engine.log"
    await wait_until(lambda: log.exists() and log.read_text(), description="the process")
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert gone(int(log.read_text()))
    DataDir.open(tmp_path / "data").close()


async def test_stop_while_the_engine_is_down_is_final(tmp_path):
    engine = EmbeddedEngine(tmp_path)
    await engine.start()
    os.kill(engine.pid, signal.SIGKILL)
    await back(engine, 1)
    os.kill(engine.pid, signal.SIGKILL)
    await wait_until(lambda: engine.pid is None, description="the death")
    await engine.stop()
    assert (engine.pid, engine.restarts) == (None, 1)
    await engine.stop()
    DataDir.open(tmp_path).close()


async def test_stop_ends_an_engine_that_hangs(tmp_path):
    engine = EmbeddedEngine(tmp_path, stop_timeout=0.6)
    await engine.start()
    pid = engine.pid
    os.kill(pid, signal.SIGSTOP)
    await engine.stop()
    assert gone(pid)


async def test_without_a_shell_the_engine_runs_unguarded_and_holds_its_lock_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_process, "_SHELL", tmp_path / "no-shell")
    async with EmbeddedEngine(tmp_path / "data") as engine:
        assert psutil.Process(engine.pid).children() == []
        lock = tmp_path / "data" / "valkey" / "engine.lock"
        assert await engine_process.lock_engine(lock, timeout=0) is None
        await put(engine.url, "k", "v")
        assert await get(engine.url, "k") == "v"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of four megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("a small disk needs Linux and root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", path], check=True)


async def test_a_full_disk_refuses_writes_is_named_and_passes(small_disk):
    acknowledged = []
    with structlog.testing.capture_logs() as logs:
        async with EmbeddedEngine(small_disk) as engine:
            ballast = small_disk / "ballast"
            ballast.write_bytes(b"\0" * (2 << 20))

            async def write(size: int = 20_000) -> bool:
                key = f"k{len(acknowledged)}"
                try:
                    await put(engine.url, key, "v" * size)
                except (RedisError, OSError):
                    return False
                acknowledged.append(key)
                return True

            with contextlib.suppress(RedisError, OSError):
                while await write():
                    pass

            def named() -> bool:
                return any(entry["event"] == "engine died" and "is full" in entry["why"] for entry in logs)

            await wait_until(named, description="the reason in the log")
            ballast.unlink()
            await wait_until(write, timeout=20, description="a write after space was freed")
            async with connect(engine.url) as client:
                assert await client.exists(*acknowledged) == len(acknowledged)
