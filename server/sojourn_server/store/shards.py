"""Shards that may have lost data: the Shards port on Redis or Valkey.

A process of the engine that takes a shard over may begin with an older copy of its data. Nobody can see that from the
data alone, so the shard is *in doubt* until its sequence at that moment was compared with the catalog's. The key `run`
keeps it: `<run id>|<sequence>` while it is in doubt, `<run id>|!` once it is known that sessions were lost, `<run id>`
when all is well.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection

from ..domain.session import SessionKey
from ..ports.recovery import ShardState
from . import recovery_scripts as scripts
from .calls import Calls
from .commits import CommitLog
from .keys import Keyspace, ShardKeys
from .scripts import Command
from .wire import Reply

LOST = "!"


class Doubts:
    """What connecting found; see `opening.py`."""

    def __init__(self) -> None:
        self.undecided: set[int] = set()
        self.lost: set[int] = set()
        self.times = 0
        self.news = asyncio.Event()

    def opened(self, number: int, doubt: str) -> None:
        """A shard was opened."""
        if doubt:
            self.news.set()
            self.times += 1
            self.found(number, doubt)

    def found(self, number: int, doubt: str) -> None:
        """The doubt about a shard is this now."""
        for numbers, holds in ((self.lost, doubt == LOST), (self.undecided, doubt not in ("", LOST))):
            if holds:
                numbers.add(number)
            else:
                numbers.discard(number)


class RedisShards:
    """The contract of each method is `ports.Shards`'s."""

    def __init__(self, calls: Calls, keyspace: Keyspace, commits: CommitLog, doubts: Doubts) -> None:
        self._calls = calls
        self._keys = keyspace
        self._commits = commits
        self._doubts = doubts

    def number_of(self, key: SessionKey) -> int:
        return self._keys.session(key).shard.number

    @property
    def undecided(self) -> Collection[int]:
        return self._doubts.undecided

    @property
    def lost(self) -> Collection[int]:
        return self._doubts.lost

    @property
    def doubts(self) -> int:
        return self._doubts.times

    async def wait(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._doubts.news.wait()
        except TimeoutError:
            pass
        self._doubts.news.clear()

    async def look(self, numbers: Collection[int] | None = None) -> list[ShardState]:
        shards = self._keys.shards if numbers is None else [self._keys.shards[number] for number in numbers]
        return list(await asyncio.gather(*map(self._look, shards)))

    async def settle(self, state: ShardState) -> None:
        doubt = LOST if state.lost else "" if state.taken_over is None else str(state.taken_over)
        if doubt:
            shard = self._keys.shards[state.number]
            command = scripts.SETTLE.call(shard.incarnation, shard.run, shard.tag, state.incarnation, doubt)
            if (await self._run(shard, command, write=True))[1] == b"ok":
                self._doubts.found(state.number, "")

    async def begin_anew(self, number: int, was: str) -> None:
        shard = self._keys.shards[number]
        command = scripts.ANEW.call(shard.incarnation, shard.run, shard.elsewhere, shard.tag, was, secrets.token_hex(8))
        await self._run(shard, command, write=True)
        self._doubts.found(number, LOST)
        self._doubts.news.set()

    async def _look(self, shard: ShardKeys) -> ShardState:
        command = scripts.LOOK.call(shard.incarnation, shard.run, shard.tag)
        reply = await self._run(shard, command, write=False)
        if not reply[1]:
            await self._commits.reopen(shard)
            reply = await self._run(shard, command, write=False)
        incarnation, doubt = reply[1].decode(), reply[2].decode()
        self._doubts.found(shard.number, doubt)
        if doubt in ("", LOST):
            return ShardState(shard.number, incarnation, lost=doubt == LOST)
        return ShardState(shard.number, incarnation, int(doubt))

    async def _run(self, shard: ShardKeys, command: Command, *, write: bool) -> Reply:
        return await self._calls.run(shard, command, shard.tag.encode(), write=write)
