"""What the engine says of itself: the EngineProbe port."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import time

from redis import exceptions as rx
from redis.asyncio.connection import AbstractConnection

from ..domain.errors import StoreUnavailableError
from ..ports.probes import EngineFacts
from .keys import Keyspace
from .nodes import Nodes

SECONDS = 5.0
"""How long a node may take."""


class NodesProbe:
    """Asks every node on a connection of its own, so that it is told even when calls pile up."""

    def __init__(self, nodes: Nodes, keyspace: Keyspace) -> None:
        self._nodes = nodes
        self._keys = keyspace

    async def facts(self) -> list[EngineFacts]:
        """Of every node. Raises StoreUnavailableError."""
        by_node = {self._nodes.link(shard).name: shard for shard in self._keys.shards}
        asked = (self._nodes.connection(shard) for shard in by_node.values())
        return list(await asyncio.gather(*(_ask(name if len(by_node) > 1 else "", one) for name, one in asked)))


async def _ask(node: str, connection: AbstractConnection) -> EngineFacts:
    try:
        async with asyncio.timeout(SECONDS):
            await connection.connect()
            info = _info(await _call(connection, "INFO"))
            config: dict[str, str] = {}
            with suppress(rx.ResponseError):  # where CONFIG is not allowed
                config = _config(await _call(connection, "CONFIG", "GET", "append*"))
            asked = time()
            seconds, micros = await _call(connection, "TIME")
            answered = time()
    except (rx.RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("the engine does not answer", cause="down") from error
    finally:
        await connection.disconnect(nowait=True)
    product = info.get("server_name") or ("valkey" if "valkey_version" in info else "redis")
    status = {what: info.get(f"{what}_status", "ok") for what in ("aof_last_write", "aof_last_bgrewrite")}
    return EngineFacts(
        node=node,
        product=product,
        version=info.get("valkey_version") or info.get("redis_version", ""),
        run_id=info.get("run_id", ""),
        uptime_seconds=_number(info, "uptime_in_seconds"),
        appendonly=info.get("aof_enabled") == "1",
        appendfsync=config.get("appendfsync", ""),
        disk_error=" and ".join(what.replace("_", " ") for what, said in status.items() if said != "ok"),
        maxmemory=_number(info, "maxmemory"),
        used_memory=_number(info, "used_memory"),
        memory_policy=info.get("maxmemory_policy", ""),
        evicted_keys=_number(info, "evicted_keys"),
        replicas=_number(info, "connected_slaves"),
        ahead_seconds=int(seconds) + int(micros) / 1e6 - (asked + answered) / 2,
        within_seconds=(answered - asked) / 2,
    )


async def _call(connection: AbstractConnection, *command: str) -> list[bytes] | bytes:
    await connection.send_command(*command)
    reply: list[bytes] | bytes = await connection.read_response(disable_decoding=True)
    return reply


def _info(reply: list[bytes] | bytes) -> dict[str, str]:
    assert isinstance(reply, bytes)
    pairs = (line.partition(":") for line in reply.decode(errors="replace").splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


def _config(reply: list[bytes] | bytes) -> dict[str, str]:
    assert isinstance(reply, list)
    return {name.decode(): value.decode() for name, value in zip(reply[::2], reply[1::2], strict=True)}


def _number(info: dict[str, str], name: str) -> int:
    value = info.get(name, "")
    return int(value) if value.isdigit() else 0
