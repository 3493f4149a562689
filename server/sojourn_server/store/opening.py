"""Opening the store: connect, learn the durability, fix the number of shards, give every shard an incarnation."""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from ..domain.errors import SojournError
from ..domain.requests import Quotas
from . import scripts
from .active import RedisActiveStore
from .calls import Calls
from .clock import RedisClock
from .commits import FORMAT, CommitLog
from .connections import Connector
from .durability import DurabilityPolicy
from .faults import REDIRECTS
from .hub import RedisHub
from .keys import Keyspace
from .lifecycle import RedisLifecycle
from .link import Link
from .nodes import ClusterNodes, Nodes, SingleNode
from .occupancy import RedisOccupancy
from .outbox import RedisOutbox
from .probing import NodesProbe
from .requests import RedisRequests
from .residence import RedisResidence
from .scopes import RedisScopes
from .shards import Doubts, RedisShards
from .taps import TapLimits
from .wire import EngineReplyError
from .writing import WriteSettings

log = structlog.get_logger()


class StoreMismatchError(Exception):
    """The store was made with other settings, or by another version; serving it would corrupt it."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How to use the store at `url`. Timeouts in seconds."""

    url: str
    shards: int = 256
    policy: DurabilityPolicy = field(default_factory=DurabilityPolicy)
    write: WriteSettings = field(default_factory=WriteSettings)
    quotas: Quotas = field(default_factory=Quotas)
    taps: TapLimits = field(default_factory=TapLimits)
    max_watches: int = 10_000
    call_timeout: float = 5.0
    start_timeout: float = 30.0
    log_events_kept: int = 1_000


@dataclass(slots=True)
class Store:
    """An open store."""

    active: RedisActiveStore
    hub: RedisHub
    nodes: Nodes
    commits: CommitLog
    requests: RedisRequests
    lifecycle: RedisLifecycle
    scopes: RedisScopes
    occupancy: RedisOccupancy
    outbox: RedisOutbox
    residence: RedisResidence
    shards: RedisShards
    clock: RedisClock
    probe: NodesProbe

    async def answers(self) -> bool:
        """Whether the store answers at the moment."""
        try:
            await self.commits.position(self.commits.shards[0])
        except SojournError:
            return False
        return True


async def open_store(settings: StoreSettings, stack: AsyncExitStack) -> Store:
    """Connects to the engine and checks that the store is ours; what it opens is closed by `stack`.

    Raises:
        StoreUnavailableError, OutcomeUnknownError: the engine does not answer, or cannot give the configured
            durability, within `start_timeout`.
        StoreMismatchError: the store has another number of shards or another format.
    """
    connector = Connector(settings.url)
    keyspace = Keyspace(settings.shards)
    doubts = Doubts()
    opener = _Opener(keyspace, settings.policy, doubts)
    make = ClusterNodes if connector.cluster else SingleNode
    nodes: Nodes = make(connector, opener.on_connected, settings.call_timeout)
    stack.push_async_callback(nodes.close)
    await nodes.start(settings.start_timeout)
    calls = Calls(nodes, patience=settings.call_timeout)
    commits = CommitLog(calls, keyspace)
    await _check_meta(commits, keyspace)
    active = RedisActiveStore(calls, keyspace, commits, settings.policy, settings.write)
    hub = RedisHub(nodes, active, commits, limits=settings.taps, max_watches=settings.max_watches)
    stack.push_async_callback(hub.close)
    hub.start()
    log.info("store open", engine=connector.name, shards=settings.shards, durability=settings.policy.level.name)
    requests = RedisRequests(calls, keyspace, settings.write, settings.quotas)
    lifecycle = RedisLifecycle(calls, keyspace, settings.write, settings.quotas)
    scopes = RedisScopes(calls, keyspace)
    occupancy = RedisOccupancy(calls, keyspace)
    outbox = RedisOutbox(calls, keyspace, keep=settings.log_events_kept, cluster=connector.cluster)
    shards = RedisShards(calls, keyspace, commits, doubts)
    residence = RedisResidence(calls, keyspace, commits, settings.write)
    return Store(
        active,
        hub,
        nodes,
        commits,
        requests,
        lifecycle,
        scopes,
        occupancy,
        outbox,
        residence,
        shards,
        RedisClock(calls, keyspace),
        NodesProbe(nodes, keyspace),
    )


async def _check_meta(commits: CommitLog, keyspace: Keyspace) -> None:
    shards, store_format = await commits.fix_shards()
    if shards != len(keyspace.shards):
        raise StoreMismatchError(
            f"the store has {shards} shards, not {len(keyspace.shards)}: "
            f"the number is fixed at its first start; set SOJOURN_SHARDS={shards}"
        )
    if store_format != FORMAT:
        raise StoreMismatchError(f"the store has format {store_format}; this version serves format {FORMAT}")


class _Opener:
    """What every new connection to a node does before calls are let through."""

    def __init__(self, keyspace: Keyspace, policy: DurabilityPolicy, doubts: Doubts) -> None:
        self._keyspace = keyspace
        self._policy = policy
        self._doubts = doubts
        self._known: dict[int, str] = {}

    async def on_connected(self, link: Link) -> None:
        await self._policy.establish(link)
        run_id = await _run_id(link)
        begun = [
            (
                shard,
                link.submit_now(
                    scripts.OPEN.call(
                        shard.incarnation, shard.run, shard.lease, shard.log, shard.tag, _new_incarnation(), run_id
                    )
                ),
            )
            for shard in self._keyspace.shards
        ]
        replies = await asyncio.gather(*(future for _, future in begun), return_exceptions=True)
        for (shard, _), reply in zip(begun, replies, strict=True):
            if isinstance(reply, EngineReplyError) and reply.code in REDIRECTS:
                continue  # another node's shard
            if isinstance(reply, BaseException):
                raise reply
            incarnation = reply[1].decode()
            self._doubts.opened(shard.number, reply[2].decode())
            if self._known.setdefault(shard.number, incarnation) != incarnation:
                log.error("a shard of the store lost its data and begins anew", shard=shard.number)
                self._known[shard.number] = incarnation


async def _run_id(link: Link) -> str:
    """What tells one process of an engine from the next."""
    info: bytes = await link.submit_now(("INFO", "server"))
    found = re.search(rb"^run_id:(\w+)", info, re.MULTILINE)
    return found[1].decode() if found else ""


def _new_incarnation() -> str:
    return secrets.token_hex(8)
