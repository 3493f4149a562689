"""A Valkey cluster for tests; see `tests.support.engines`."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from .engine_server import HOST, START_TIMEOUT, ValkeyProcess
from .waiting import wait_until


class ValkeyCluster:
    """A Valkey cluster: `nodes[i]` is shard i's first primary, `nodes[shards + i]` its replica.

    persistent: every node has an append-only file. Without, a primary that is killed and started before its replica
    took over comes back empty, and empties the replica.
    """

    def __init__(self, *, shards: int = 3, persistent: bool = False, config: Mapping[str, str] | None = None) -> None:
        self.shards = shards
        self.nodes = [ValkeyProcess(tcp=True, persistent=persistent, config=config) for _ in range(2 * shards)]
        for node in self.nodes:
            node.clustered = True

    @property
    def url(self) -> str:
        """`redis+cluster://host:port,host:port,...` of all nodes."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    async def start(self) -> None:
        """Starts the nodes and makes them a cluster; returns when all agree that it works."""
        try:
            await asyncio.gather(*(node.start() for node in self.nodes))
            await self._form()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends all nodes at once."""
        await asyncio.gather(*(node.stop() for node in self.nodes))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def primary(self, shard: int) -> ValkeyProcess:
        """The node that serves the shard now; waits while there is none."""
        found: ValkeyProcess = await wait_until(
            lambda: self._primary(shard), timeout=20, description=f"a primary of shard {shard}"
        )
        return found

    async def replica(self, shard: int) -> ValkeyProcess:
        """The shard's other node."""
        primary = await self.primary(shard)
        return next(node for node in self._pair(shard) if node is not primary)

    async def failover(self, shard: int, how: str = "") -> ValkeyProcess:
        """Makes the shard's replica its primary, and returns it once all nodes agree.

        how: "" (in step with the primary, nothing lost), "FORCE" or "TAKEOVER", as of CLUSTER FAILOVER.
        """
        replica = await self.replica(shard)
        await replica.call("CLUSTER", "FAILOVER", *how.split())

        async def took_over() -> bool:
            return await self._primary(shard) is replica

        await wait_until(took_over, timeout=20, description=f"failover of shard {shard}")
        await self.wait_ok()
        return replica

    async def flush(self) -> None:
        """Empties the whole cluster."""
        for shard in range(self.shards):
            await (await self.primary(shard)).call("FLUSHALL", "SYNC")

    async def wait_ok(self, *, timeout: float = 20.0) -> None:
        """Waits until every running node sees a working cluster and every running replica follows its primary."""
        running = [node for node in self.nodes if node.running]

        async def all_ok() -> bool:
            return all(await asyncio.gather(*(self._node_ok(node) for node in running)))

        await wait_until(all_ok, timeout=timeout, description="cluster_state ok on all nodes")

    def _pair(self, shard: int) -> tuple[ValkeyProcess, ValkeyProcess]:
        return self.nodes[shard], self.nodes[self.shards + shard]

    async def _primary(self, shard: int) -> ValkeyProcess | None:
        """The shard's node that owns slots in the newest epoch by its own account."""
        found: list[tuple[int, ValkeyProcess]] = []
        for node in self._pair(shard):
            if node.running:
                with contextlib.suppress(RedisError, OSError):
                    fields = await self._myself(node)
                    if "master" in fields[2] and len(fields) > 8:
                        found.append((int(fields[6]), node))
        return max(found, key=lambda pair: pair[0])[1] if found else None

    async def _myself(self, node: ValkeyProcess) -> list[str]:
        async with node.client() as client:
            client.response_callbacks.clear()  # the plain text, not redis-py's idea of it
            text: str = await client.execute_command("CLUSTER NODES")
        return next(line.split(" ") for line in text.splitlines() if "myself" in line)

    async def _node_ok(self, node: ValkeyProcess) -> bool:
        with contextlib.suppress(RedisError, OSError):
            async with node.client() as client:
                replication = await client.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
                return bool((await client.execute_command("CLUSTER INFO"))["cluster_state"] == "ok")
        return False

    async def _form(self) -> None:
        slots = [round(16384 * shard / self.shards) for shard in range(self.shards + 1)]
        for index, node in enumerate(self.nodes):
            await node.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            if index < self.shards:
                await node.call("CLUSTER", "ADDSLOTSRANGE", slots[index], slots[index + 1] - 1)
        # Everybody meets everybody: does not wait for gossip.
        for index, node in enumerate(self.nodes):
            for other in self.nodes[index + 1 :]:
                await node.call("CLUSTER", "MEET", HOST, other.port, other.bus_port)
        ids = [await node.call("CLUSTER", "MYID") for node in self.nodes]

        async def all_known() -> bool:
            for node in self.nodes:
                async with node.client() as client:
                    client.response_callbacks.clear()
                    text: str = await client.execute_command("CLUSTER NODES")
                if "handshake" in text or not all(node_id in text for node_id in ids):
                    return False
            return True

        await wait_until(all_known, timeout=START_TIMEOUT, description="nodes know one another")
        for shard in range(self.shards):
            await self.nodes[self.shards + shard].call("CLUSTER", "REPLICATE", ids[shard])

        async def replicas_follow() -> bool:
            return all([(await node.call("ROLE"))[0] == "slave" for node in self.nodes[self.shards :]])

        await wait_until(replicas_follow, timeout=START_TIMEOUT, description="replicas know their place")
        await self.wait_ok()
