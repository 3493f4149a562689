"""Coming into the store whole and leaving it whole: the Residence port on Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from ..domain.effects import Effects
from ..domain.events import Committed
from ..domain.fold import Folded
from ..domain.heads import after, head_fields, is_active, size_of
from ..domain.session import SessionKey
from ..ports.tiers import FirstEvent
from . import residence_scripts as scripts
from .calls import Calls
from .commits import CommitLog
from .keys import KNOWS_ALL, Keyspace, SessionKeys, ShardKeys, places
from .scripts import Command
from .writing import WriteSettings, fingerprint_of, parse_committed

RETIRED_SECONDS = 3_600
"""For so long the store itself can tell a watcher that a session was archived; the catalog can for ever."""
PIECE = 1_000
"""Sessions a call looks at, or learns."""


class RedisResidence:
    """The contract of each method is `ports.Residence`'s."""

    def __init__(self, calls: Calls, keyspace: Keyspace, commits: CommitLog, settings: WriteSettings) -> None:
        self._calls = calls
        self._keys = keyspace
        self._commits = commits
        self._settings = settings

    async def adopt(self, key: SessionKey, folded: Folded, event: FirstEvent | None, *, lost: bool) -> Committed:
        keys = self._keys.session(key)
        command = _adopt_command(keys, key, folded, event, lost, self._settings)
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        if reply[1] == b"closed":
            await self._commits.reopen(keys.shard)
            reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        return parse_committed(reply, key)

    async def retire(self, key: SessionKey, uid: str, revision: int) -> bool:
        keys = self._keys.session(key)
        shard = keys.shard
        command = scripts.RETIRE.call(
            keys.head, keys.events, keys.requests, keys.queue, keys.tombstone, keys.retired, keys.by_creation,
            shard.due, shard.dirty, shard.log, shard.elsewhere,
            keys.member, key.session_id, uid, revision, RETIRED_SECONDS, shard.channel,
            self._settings.shard_log_entries, *places(keys.member),
        )  # fmt: skip
        reply = await self._calls.run(shard, command, keys.member.encode(), write=True)
        return bool(reply[1] != b"stays")

    async def may_be_elsewhere(self, keys: Sequence[SessionKey]) -> list[bool]:
        grouped = self._by_shard(keys)
        pieces = [
            (shard, members[begin : begin + PIECE])
            for shard, members in grouped.items()
            for begin in range(0, len(members), PIECE)
        ]
        answers = await asyncio.gather(*(self._look(shard, members) for shard, members in pieces))
        found = {
            member: maybe
            for (_, members), piece in zip(pieces, answers, strict=True)
            for member, maybe in zip(members, piece, strict=True)
        }
        return [found[key.member] for key in keys]

    async def learn(self, keys: Sequence[SessionKey]) -> None:
        for shard, members in self._by_shard(keys).items():
            for begin in range(0, len(members), PIECE):
                await self._learn(shard, [bit for one in members[begin : begin + PIECE] for bit in places(one)])

    async def know_all(self) -> None:
        await asyncio.gather(*(self._learn(shard, [KNOWS_ALL]) for shard in self._keys.shards))

    async def knows_all(self) -> bool:
        commands = [(shard, scripts.ELSEWHERE.call(shard.elsewhere, shard.tag)) for shard in self._keys.shards]
        replies = await asyncio.gather(
            *(self._calls.run(shard, command, shard.tag.encode(), write=False) for shard, command in commands)
        )
        return all(reply[1] == 1 for reply in replies)

    async def incarnation(self, key: SessionKey) -> str:
        shard = self._keys.session(key).shard
        incarnation, _ = await self._commits.position(shard)
        if not incarnation:
            await self._commits.reopen(shard)
            incarnation, _ = await self._commits.position(shard)
        return incarnation

    def _by_shard(self, keys: Sequence[SessionKey]) -> dict[ShardKeys, list[str]]:
        grouped: defaultdict[ShardKeys, list[str]] = defaultdict(list)
        for key in dict.fromkeys(keys):
            grouped[self._keys.session(key).shard].append(key.member)
        return grouped

    async def _look(self, shard: ShardKeys, members: Sequence[str]) -> list[bool]:
        bits = [bit for member in members for bit in places(member)]
        command = scripts.ELSEWHERE.call(shard.elsewhere, shard.tag, *bits)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
        return [bool(maybe) for maybe in reply[2]]

    async def _learn(self, shard: ShardKeys, bits: Sequence[int]) -> None:
        command = scripts.LEARN.call(shard.elsewhere, shard.tag, *bits)
        await self._calls.run(shard, command, shard.tag.encode(), write=True)


def _adopt_command(
    keys: SessionKeys, key: SessionKey, folded: Folded, event: FirstEvent | None, lost: bool, settings: WriteSettings
) -> Command:
    """The call that puts a session into the store. What the event does is known here: nobody else writes to it yet."""
    shard, session = keys.shard, folded.session
    effects = event.effects if event else Effects()
    fields = after(head_fields(folded), effects)
    # The script sets these.
    for name in ("inc", "rev", "updated"):
        fields.pop(name, None)
    uid = fields["uid"]
    fingerprint = ""
    if event and event.idempotency_key:
        # A retry proposes another uid; it is the same all the same. And the session may be here by then: the retry is a
        # plain write without preconditions.
        fingerprint = fingerprint_of(b"w", event.body.replace(uid, b""), b"||")
    return scripts.ADOPT.call(
        keys.head, keys.events, keys.requests, keys.queue, shard.lease, keys.tombstone, keys.retired,
        keys.idempotency_prefix + (event.idempotency_key if event else ""), keys.by_creation, shard.due, shard.dirty,
        shard.log, shard.incarnation,
        keys.member, key.session_id, uid, "" if lost else session.incarnation, session.revision, session.updated_us,
        1 if lost else 0, 1 if is_active(fields) else 0, fields.get("idle", ""), fields.get("life", ""),
        fields.get("created", ""), size_of(fields), 1 if event else 0, fingerprint, settings.idempotency_seconds,
        effects.mask, event.body if event else b"", shard.channel, settings.inline_event_bytes,
        settings.shard_log_entries, len(fields), len(effects.stamps),
        *(part for pair in fields.items() for part in pair), *effects.stamps,
    )  # fmt: skip
