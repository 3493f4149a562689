"""The engines that other tests run on."""

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.support.engines import RedisProcess, ValkeyCluster, ValkeyProcess
from tests.support.waiting import wait_until


@pytest.mark.parametrize("kind", [ValkeyProcess, RedisProcess])
@pytest.mark.parametrize("tcp", [False, True])
async def test_a_server_keeps_its_address_and_its_data_through_a_kill(kind, tcp):
    async with kind(tcp=tcp, persistent=True) as engine:
        url, pid = engine.url, engine.pid
        assert url.startswith("redis://127.0.0.1:" if tcp else "unix:///")
        await engine.call("SET", "k", "v")
        await engine.kill()
        assert not engine.running
        await engine.start()
        assert (engine.url, engine.pid != pid) == (url, True)
        assert await engine.call("GET", "k") == "v"
        await engine.restart()
        assert await engine.call("GET", "k") == "v"
        directory = engine.files.directory
    assert not directory.exists()


async def test_config_is_given_on():
    given = {"appendfsync": "everysec", "save": "", "maxmemory": "10485760"}
    async with ValkeyProcess(config=given) as engine, engine.client() as client:
        assert await client.config_get(*given) == given


async def test_a_cluster_forms_fails_over_and_survives_a_kill():
    async with ValkeyCluster() as cluster:
        seeds = cluster.url.removeprefix("redis+cluster://").split(",")
        assert len(seeds) == 6
        nodes = [ClusterNode(*seed.split(":")) for seed in seeds]
        async with RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 0)) as client:
            for number in range(30):
                await client.set(f"k{number}", number)
        assert await cluster.primary(1) is cluster.nodes[1]
        assert await cluster.failover(1) is cluster.nodes[4]
        assert await cluster.replica(1) is cluster.nodes[1]
        await cluster.nodes[0].kill()
        assert await cluster.primary(0) is cluster.nodes[3]
        await cluster.nodes[0].start()
        await cluster.wait_ok()
        async with RedisCluster(startup_nodes=nodes) as client:
            assert [int(await client.get(f"k{number}")) for number in range(30)] == list(range(30))
        await cluster.flush()
        sizes = [await (await cluster.primary(shard)).call("DBSIZE") for shard in range(3)]
        assert sizes == [0, 0, 0]


async def test_a_paused_server_does_not_answer():
    async with ValkeyProcess() as engine:
        engine.pause()
        async with engine.client(timeout=0.2) as client:
            with pytest.raises(RedisError, match="Timeout"):
                await client.ping()
        engine.resume()
        await wait_until(lambda: engine.call("PING"), description="an answer")
