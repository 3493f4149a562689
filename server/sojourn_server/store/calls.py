"""Sending scripts to the node that serves a shard, and surviving what engines answer instead of a result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from time import monotonic

import structlog

from ..domain.errors import OutcomeUnknownError, SojournError, StoreUnavailableError
from . import scripts
from .faults import REDIRECTS, domain_error
from .keys import ShardKeys
from .link import Link
from .nodes import Nodes
from .scripts import Command
from .wire import EngineReplyError, Reply

log = structlog.get_logger()


class Calls:
    """Runs script calls: NOSCRIPT, redirections and the echo check are handled here and nowhere else."""

    def __init__(self, nodes: Nodes, *, patience: float) -> None:
        self._nodes = nodes
        self._patience = patience

    def begin(self, shard: ShardKeys, command: Command, *, write: bool) -> asyncio.Future[Reply]:
        """Queues a call at the shard's node. Raises StoreUnavailableError."""
        return self._nodes.link(shard).submit(command, write=write)

    def flush(self) -> None:
        """Nothing more will be begun for now: what was begun goes out."""
        self._nodes.flush()

    async def finish(
        self, future: asyncio.Future[Reply], shard: ShardKeys, command: Command, echo: bytes, *, write: bool
    ) -> Reply:
        """Awaits a begun call and returns its reply, whose first item must be `echo`.

        Raises:
            StoreUnavailableError, StoreFullError: nothing happened.
            OutcomeUnknownError: a write was sent and its reply never came.
        """
        try:
            reply = await future
        except EngineReplyError as error:
            reply = await self._again(error, shard, command, write)
        if not isinstance(reply, list) or reply[0] != echo:
            raise self._confused(shard, echo, reply, write=write)
        return reply

    async def run(self, shard: ShardKeys, command: Command, echo: bytes, *, write: bool) -> Reply:
        """`begin` and `finish` in one."""
        return await self.finish(self.begin(shard, command, write=write), shard, command, echo, write=write)

    async def count_existing(self, shards: Sequence[ShardKeys], keys: Sequence[str]) -> int:
        """How many of these keys, of any shards of one engine that is no cluster, exist: one command for all.

        Raises StoreUnavailableError."""
        command: Command = ("EXISTS", *keys)
        try:
            reply = await self.begin(shards[0], command, write=False)
        except EngineReplyError as error:
            reply = await self._again(error, shards[0], command, write=False)
        return int(reply)

    def _confused(self, shard: ShardKeys, echo: bytes, reply: Reply, *, write: bool) -> SojournError:
        """A reply belongs to another call: the connection is not to be trusted, and what this call did is not known."""
        log.critical("a reply of the store belongs to another call", expected=echo, got=repr(reply)[:200])
        with contextlib.suppress(StoreUnavailableError):
            self._nodes.link(shard).distrust()
        if write:
            return OutcomeUnknownError("the store's reply was lost: it may or may not have happened", retry_after=0.1)
        return StoreUnavailableError("the store's reply was lost", cause="disconnected")

    async def _again(self, error: EngineReplyError, shard: ShardKeys, command: Command, write: bool) -> Reply:
        """Repeats a call that was refused before it began, until it runs or patience ends."""
        deadline, delay = monotonic() + self._patience, 0.01
        while True:
            if error.code == "NOSCRIPT":
                link: Link | None = None
                command = scripts.BY_SHA[command[1]].source_call(command) if command[0] == b"EVALSHA" else command
            elif error.code in REDIRECTS and monotonic() < deadline:
                link = await self._nodes.redirected(error)
                if error.code not in ("ASK", "MOVED"):
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 0.2)
            else:
                raise domain_error(error) from error
            try:
                if link is not None:
                    return await link.submit(command, write=write, asking=True)
                return await self.begin(shard, command, write=write)
            except EngineReplyError as next_error:
                error = next_error
            except StoreUnavailableError:
                if error.code not in REDIRECTS or monotonic() >= deadline:
                    raise
                await asyncio.sleep(delay)
                delay = min(delay * 2, 0.2)
