"""The active store: the ActiveStore port on Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from ..domain.cursor import SessionCursor
from ..domain.errors import NotFoundError, OutcomeUnknownError, RetiredError, SojournError, internal_error
from ..domain.events import Committed, Durability, Write
from ..domain.session import Session, SessionKey
from ..ports import EventPage, EventQuery
from . import scripts
from .calls import Calls
from .commits import CommitLog
from .durability import DurabilityPolicy
from .keys import Keyspace, SessionKeys, ShardKeys
from .reading import events_command, parse_page, parse_session, read_command
from .scripts import Command
from .wire import Reply
from .writing import (
    WriteSettings,
    create_command,
    delete_command,
    parse_committed,
    refusal,
    rolled_back,
    write_command,
)

log = structlog.get_logger()

T = TypeVar("T")


class RedisActiveStore:
    """Live sessions in a hashmap sharded over the engine's slots. The contract of each method is
    `ports.ActiveStore`'s."""

    def __init__(
        self, calls: Calls, keyspace: Keyspace, commits: CommitLog, policy: DurabilityPolicy, settings: WriteSettings
    ) -> None:
        self._calls = calls
        self._keys = keyspace
        self._commits = commits
        self._policy = policy
        self._settings = settings

    @property
    def durability(self) -> Durability:
        return self._policy.level

    async def create(self, write: Write, *, or_get: bool, checked: bool = False) -> tuple[Committed, bool]:
        keys = self._keys.session(write.key)
        command = create_command(keys, write, self._settings, checked=checked)
        reply = await self._commit(keys, command, write.key)
        if reply[1] == b"closed":
            await self._commits.reopen(keys.shard)
            reply = await self._commit(keys, command, write.key)
        if reply[1] == b"exists" and or_get:
            return Committed(int(reply[2]), int(reply[3]), reply[4].decode(), reply[5].decode()), False
        return parse_committed(reply, write.key, write), True

    async def mint(self, tenant: str, idempotency_key: str, proposed: str) -> str:
        shard, minted = self._keys.minted(tenant, idempotency_key)
        command = scripts.MINT.call(minted, minted, proposed, self._settings.idempotency_seconds)
        reply = await self._calls.run(shard, command, minted.encode(), write=True)
        found: str = reply[1].decode()
        return found

    async def write(self, write: Write) -> Committed:
        keys = self._keys.session(write.key)
        reply = await self._commit(keys, write_command(keys, write, self._settings), write.key)
        try:
            return parse_committed(reply, write.key, write)
        except NotFoundError as error:
            raise await self._told(error, write.key, write.precondition.known) from None

    async def write_many(self, writes: Sequence[Write]) -> list[Committed | SojournError]:
        def begin(write: Write) -> tuple[SessionKeys, Command]:
            keys = self._keys.session(write.key)
            return keys, write_command(keys, write, self._settings)

        begun = [self._begin(*begin(write), write=True) for write in writes]
        self._calls.flush()
        results = [
            await self._settle(one, partial(parse_committed, key=write.key, write=write), write=True)
            for one, write in zip(begun, writes, strict=True)
        ]
        for i, result in enumerate(results):
            if isinstance(result, NotFoundError):
                results[i] = await self._told(result, writes[i].key, writes[i].precondition.known)
        return results

    async def get(self, key: SessionKey, *, full: bool) -> Session:
        keys = self._keys.session(key)
        command = read_command(keys, full=full)
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=False)
        return parse_session(reply, key)

    async def get_many(self, keys: Sequence[SessionKey], *, full: bool) -> list[Session | SojournError]:
        all_keys = [self._keys.session(key) for key in keys]
        begun = [self._begin(one, read_command(one, full=full), write=False) for one in all_keys]
        self._calls.flush()
        return [
            await self._settle(one, partial(parse_session, key=key), write=False)
            for one, key in zip(begun, keys, strict=True)
        ]

    async def delete(self, key: SessionKey, *, expected_revision: int | None, idempotency_key: str) -> int:
        keys = self._keys.session(key)
        command = delete_command(keys, key, expected_revision, idempotency_key, self._settings)
        reply = await self._commit(keys, command, key)
        if reply[1] == b"ok":
            return int(reply[2])
        raise refusal(reply, key)

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        keys = self._keys.session(key)
        reply = await self._calls.run(keys.shard, events_command(keys, query), keys.member.encode(), write=False)
        try:
            return parse_page(reply, key, query)
        except NotFoundError as error:
            known = query.after if isinstance(query.after, SessionCursor) else None
            raise await self._told(error, key, known) from None

    async def newest(self, tenant: str, *, after: tuple[int, str] | None, count: int) -> list[tuple[int, str]]:
        found = await asyncio.gather(*(self._newest(shard, tenant, after, count) for shard in self._keys.shards))
        merged = sorted((entry for entries in found for entry in entries), reverse=True)
        return merged[:count]

    async def trim(self, key: SessionKey, *, before: int) -> None:
        keys = self._keys.session(key)
        command = scripts.TRIM.call(keys.head, keys.events, keys.member, before)
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        if reply[1] != b"ok":
            raise refusal(reply, key)

    async def _newest(
        self, shard: ShardKeys, tenant: str, after: tuple[int, str] | None, count: int
    ) -> list[tuple[int, str]]:
        """One shard's part. Sessions of the same microsecond are ordered by id; reading past them needs a larger
        piece."""
        piece = count
        while True:
            command = scripts.NEWEST.call(
                self._keys.index(shard, tenant), shard.tag, after[0] if after else "+inf", piece
            )
            reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
            flat = iter(reply[1])
            entries = [(int(float(score)), sid.decode()) for sid, score in zip(flat, flat, strict=True)]
            kept = [entry for entry in entries if after is None or entry < after]
            if len(kept) >= count or len(entries) < piece:
                return kept[:count]
            piece *= 2

    async def _told(self, error: NotFoundError, key: SessionKey, known: SessionCursor | None) -> SojournError:
        """What to tell somebody of a session that is missing, and that the shard had before it lost its data."""
        if known is None or error.reason != NotFoundError.reason or isinstance(error, RetiredError):
            return error
        try:
            incarnation, _ = await self._commits.position(self._keys.session(key).shard)
        except SojournError as unavailable:
            return unavailable
        return error if incarnation == known.incarnation else rolled_back(key.session_id, "0")

    async def _commit(self, keys: SessionKeys, command: Command, key: SessionKey) -> Reply:
        try:
            return await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        except OutcomeUnknownError as error:
            error.metadata["session_id"] = key.session_id
            raise

    def _begin(self, keys: SessionKeys, command: Command, *, write: bool) -> _Begun:
        try:
            return _Begun(keys, command, self._calls.begin(keys.shard, command, write=write), None)
        except SojournError as error:
            return _Begun(keys, command, None, error)

    async def _settle(self, begun: _Begun, parse: Callable[[Reply], T], *, write: bool) -> T | SojournError:
        if begun.future is None:
            assert begun.error is not None
            return begun.error
        keys = begun.keys
        try:
            reply = await self._calls.finish(begun.future, keys.shard, begun.command, keys.member.encode(), write=write)
            return parse(reply)
        except OutcomeUnknownError as error:
            error.metadata["session_id"] = keys.member.partition("/")[2]
            return error
        except SojournError as error:
            return error
        except Exception as defect:  # one item's defect is not the others': theirs may be committed
            hidden = internal_error()
            log.error("internal error", **hidden.metadata, session=keys.member, exc_info=defect)
            return hidden


class _Begun:
    """A call of a batch on its way, or why it could not begin."""

    __slots__ = ("command", "error", "future", "keys")

    def __init__(
        self, keys: SessionKeys, command: Command, future: asyncio.Future[Reply] | None, error: SojournError | None
    ) -> None:
        self.keys, self.command, self.future, self.error = keys, command, future, error
