"""Settings as a user gives them: flags over variables over a file, wrong ones told in plain words; and durability."""

import asyncio
import re

import pytest

from sojourn.v1 import session_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.engines import EngineServer, RedisProcess, ValkeyProcess, free_ports
from tests.support.server import ServerUnderTest
from tests.support.wire import create, write

RELAXED, FSYNC = session_pb2.DURABILITY_RELAXED, session_pb2.DURABILITY_LOCAL_FSYNC

FILES = {
    "toml": 'ephemeral = true\nlog_format = "json"\nlisten = "127.0.0.1:{port}"\nmax_watches = 1\n',
    "yaml": "ephemeral: true\nlog_format: json\nlisten: 127.0.0.1:{port}\nmax_watches: 1\n",
}


async def refused(*arguments, **settings):
    """What a server that must not start says; its exit code."""
    server = ServerUnderTest(*arguments, **settings)
    server.launch()
    try:
        code = await server.exited(30)
        return code, server.log
    finally:
        await server.stop()


def plain_environment(server):
    """The variables the helper itself would set are not to outdo the file."""
    server.unset("LISTEN", "GRACE_SECONDS")
    return server


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("named_by", ["flag", "variable"])
async def test_a_settings_file(tmp_path, kind, named_by):
    (port,) = free_ports(1)
    path = tmp_path / f"sojourn.{kind}"
    path.write_text(FILES[kind].format(port=port))
    flags = ["--config", str(path)] if named_by == "flag" else ["--log-level", "info"]
    environment = {} if named_by == "flag" else {"SOJOURN_CONFIG": str(path)}
    server = plain_environment(ServerUnderTest(*flags, environment=environment))
    async with server, wire.connect(server.target) as stub:
        assert server.target == f"127.0.0.1:{port}"
        assert server.log.startswith("{")
        await create(stub, "s")
        first = stub.WatchSession(wire.watch("s"))
        await first.read()
        assert (await wire.watch_failure(stub.WatchSession(wire.watch("s")))).metadata["limit"] == "1"
        first.cancel()


async def test_flags_win_over_variables_and_those_over_the_file(tmp_path):
    by_file, by_variable, by_flag = free_ports(3)
    path = tmp_path / "sojourn.toml"
    path.write_text(f'ephemeral = true\nlisten = "127.0.0.1:{by_file}"\nlog_format = "json"\n')
    told = {"SOJOURN_LISTEN": f"127.0.0.1:{by_variable}"}
    config = ("--config", str(path))
    server = plain_environment(ServerUnderTest(*config, environment=told))
    server.set(**told)
    async with server:
        assert server.target == f"127.0.0.1:{by_variable}"
        assert server.log.startswith("{")
    server = ServerUnderTest(*config, "--listen", f"127.0.0.1:{by_flag}", "--log-format", "console")
    server.set(**told, SOJOURN_LOG_FORMAT="json")
    async with server:
        assert server.target == f"127.0.0.1:{by_flag}"
        assert not server.log.startswith("{")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"workers": 0}, r"workers: .*greater than or equal to 1"),
        ({"durability": "perhaps"}, r"durability: .*'auto', 'fsync', 'replicated' or 'relaxed'"),
        ({"ephemeral": "maybe"}, r"ephemeral: .*boolean"),
        ({"pools": '{"a/b": 1}'}, r"pools.*should match pattern"),
        ({"grace_seconds": "soon"}, r"grace_seconds: .*number"),
        ({"ephemeral": True, "redis": "redis://127.0.0.1:1"}, r"choose one of redis and ephemeral"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_wrong_settings_are_told_in_plain_words(settings, said):
    code, log = await refused(**settings)
    assert code == 2
    assert re.search(said, log), log
    assert "Traceback" not in log
    assert "pydantic" not in log


@pytest.mark.parametrize("text", ["colour = 1\n", "listen = \n"], ids=["unknown", "not TOML"])
async def test_a_wrong_file_is_told_in_plain_words(tmp_path, text):
    path = tmp_path / "sojourn.toml"
    path.write_text(text)
    code, log = await refused("--config", str(path))
    assert code == 2
    assert "Traceback" not in log, log


async def test_a_port_that_is_taken():
    async with ServerUnderTest() as server:
        code, log = await refused(listen=server.target)
    assert code == 1
    assert "cannot serve" in log
    assert server.target in log
    assert "Traceback" not in log


async def level_of(server):
    """The durability that every kind of change is acknowledged with."""
    async with wire.connect(server.target) as stub:
        created = await stub.CreateSession(pb.CreateSessionRequest(session_id="s"))
        levels = {created.durability, (await stub.WriteSession(write("s"))).durability}
        batch = await stub.BatchWriteSessions(pb.BatchWriteSessionsRequest(writes=[write("s")]))
        levels.add(batch.items[0].result.durability)
        ended = await stub.CompleteSession(pb.CompleteSessionRequest(session_id="s"))
        levels.add(ended.write.durability)
        levels.add((await stub.DeleteSession(pb.DeleteSessionRequest(session_id="s"))).durability)
    (level,) = levels
    return level


async def test_the_embedded_engine_syncs_and_the_ephemeral_one_does_not(tmp_path):
    async with ServerUnderTest(data_dir=tmp_path) as server:
        assert await level_of(server) == FSYNC
    async with ServerUnderTest() as server:
        assert await level_of(server) == RELAXED
        assert re.search(r"warning.*durability in force.*RELAXED", server.log)


async def calls(engine: EngineServer, command):
    stats = await engine.call("INFO", "commandstats")
    return stats.get(f"cmdstat_{command}", {}).get("calls", 0)


@pytest.mark.parametrize("durability", ["fsync", "auto"])
async def test_an_engine_that_syncs_every_second(durability):
    everysec = {"appendonly": "yes", "appendfsync": "everysec"}
    async with ValkeyProcess(config=everysec) as engine, ServerUnderTest(redis=engine.url, durability=durability) as s:
        before = await calls(engine, "waitaof")
        assert await level_of(s) == (FSYNC if durability == "fsync" else RELAXED)
        # fsync is waited for: one confirmation for each of the five changes, which came one after the other. What the
        # catalog has of them is confirmed too, meanwhile.
        confirmed = await calls(engine, "waitaof") - before
        assert confirmed >= 5 if durability == "fsync" else confirmed == 0


async def test_confirmations_are_shared_by_writes_that_come_together():
    everysec = {"appendonly": "yes", "appendfsync": "everysec"}
    async with (
        ValkeyProcess(config=everysec) as engine,
        ServerUnderTest(redis=engine.url, durability="fsync") as server,
        wire.connect(server.target) as stub,
    ):
        await create(stub, "s")
        before = await calls(engine, "waitaof")
        writes = pb.BatchWriteSessionsRequest(writes=[write("s")] * 200)
        answers = await asyncio.gather(*(stub.BatchWriteSessions(writes) for _ in range(5)))
        assert all(item.result.durability == FSYNC for answer in answers for item in answer.items)
        # Not a thousand: five at most, and those of what the catalog is told of meanwhile.
        assert 1 <= await calls(engine, "waitaof") - before <= 50


async def test_fsync_is_refused_without_an_append_only_file():
    async with ValkeyProcess() as engine:
        code, log = await refused(redis=engine.url, durability="fsync", start_timeout=1)
    assert code == 1
    assert re.search(r"cannot serve.*durability fsync needs .*append-only file", log), log
    assert "Traceback" not in log


async def test_redis_without_waitaof_is_refused_what_it_cannot_give():
    everysec = {"appendonly": "yes", "appendfsync": "everysec"}
    async with RedisProcess(config=everysec) as engine:
        version = (await engine.call("INFO", "server"))["redis_version"]
        if tuple(map(int, version.split(".")[:2])) >= (7, 2):
            pytest.skip(f"Redis {version} has WAITAOF")
        code, log = await refused(redis=engine.url, durability="fsync", start_timeout=2)
    assert code == 1, log
    assert "WAITAOF" in log
    assert "Traceback" not in log


async def test_an_engine_that_is_not_there():
    (port,) = free_ports(1)
    code, log = await refused(redis=f"redis://127.0.0.1:{port}", start_timeout=1)
    assert code == 1
    assert f"127.0.0.1:{port}" in log
    assert "Traceback" not in log
