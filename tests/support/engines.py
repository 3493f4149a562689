"""Real engines for tests. They end with the test, and with the test runner however that dies.

async with ValkeyProcess() as engine: engine.url            # unix://...
async with ValkeyProcess(tcp=True, persistent=True) as engine: await engine.kill(); await engine.start()
async with RedisProcess() as engine: ...                    # skips the test where redis-server is not installed
async with ValkeyCluster() as cluster: cluster.url; await cluster.failover(0)
"""

from .engine_server import EngineServer, RedisProcess, ValkeyProcess, free_ports
from .valkey_cluster import ValkeyCluster

__all__ = ["EngineServer", "RedisProcess", "ValkeyCluster", "ValkeyProcess", "free_ports"]
