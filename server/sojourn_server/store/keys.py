"""Every key of the store. Nothing else builds keys.

`{NNN}` is the shard's hash tag: all keys of a shard are in one slot. `<member>` is `<tenant>/<session id>`.

    key                          type       holds                                                   lifetime
    sj:{NNN}:h:<member>          hash       the head, see below                                     the session's
    sj:{NNN}:e:<member>          stream     events, id `<revision>-0`: t commit time, k kind mask,   the session's
                                            q shard sequence, b encoded body
    sj:{NNN}:r:<member>          hash       admitted requests: `f:<fencing token>`                  the session's
    sj:{NNN}:x:<member>          hash       tombstone of a deleted session: uid, rev                24 h
    sj:{NNN}:i:<member>:<key>    string     idempotency record: fingerprint, uid, incarnation,      24 h
                                            revision, commit time
    sj:{NNN}:i:<tenant>/:<key>   string     id minted for a creation with an idempotency key        24 h
    sj:{NNN}:n:<tenant>          zset       session ids by creation time                            for ever
    sj:{NNN}:due                 zset       members by the time (ms) they expire                    for ever
    sj:{NNN}:dirty               zset       members whose catalog row is behind, by the time (ms)   for ever
                                            they became so: the outbox
    sj:{NNN}:log                 stream     the last commits, id `0-<sequence>`: s member,          for ever
                                            r revision, t commit time, d uid when deleted (capped)
    sj:{NNN}:inc                 string     the shard's incarnation: new when its data was lost     for ever
    sj:{meta}                    hash       shards, format                                          for ever
    sj:{NNN}                     channel    a notification a commit: member, uid, incarnation,      -
                                            revision, commit time, sequence, kind mask, body if small

Fields of the head: uid, inc(arnation), kind, user, project, purpose, parent, status, error, rev(ision), created,
updated, ended (us), idle, life (ms), maxreq, bytes (of the prefixed fields), dirty (1 while the member is in the
outbox), oldest (first revision kept, absent = 1);
`s:` state, `m:` metadata, `r:` results, `t:` tags, `p:` steps, `o:` open invocations, `u:` uses of a tool, `c:`
counters, `g:` usage.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import NamedTuple

from redis.crc import key_slot

from ..domain.session import SessionKey

META = "sj:{meta}"


class ShardKeys(NamedTuple):
    """The keys a shard has once."""

    number: int
    tag: str
    slot: int
    channel: str
    due: str
    dirty: str
    log: str
    incarnation: str


class SessionKeys(NamedTuple):
    """The keys of one session."""

    shard: ShardKeys
    member: str
    head: str
    events: str
    requests: str
    tombstone: str
    by_creation: str
    idempotency_prefix: str


class Keyspace:
    """Builds the keys of a deployment with a fixed number of shards."""

    meta = ShardKeys(-1, META, key_slot(META.encode()), "", "", "", "", "")
    """Where the key of the whole deployment lives."""

    def __init__(self, shards: int) -> None:
        self.shards = [self._shard(number) for number in range(shards)]
        self.session = lru_cache(maxsize=65_536)(self._session)

    @staticmethod
    def _shard(number: int) -> ShardKeys:
        tag = f"sj:{{{number:03d}}}"
        return ShardKeys(
            number=number,
            tag=tag,
            slot=key_slot(tag.encode()),
            channel=tag,
            due=f"{tag}:due",
            dirty=f"{tag}:dirty",
            log=f"{tag}:log",
            incarnation=f"{tag}:inc",
        )

    def shard_of(self, name: str) -> ShardKeys:
        """The shard of a member (or of any other name that must have one)."""
        return self.shards[zlib.crc32(name.encode()) % len(self.shards)]

    def _session(self, key: SessionKey) -> SessionKeys:
        member = key.member
        shard = self.shard_of(member)
        tag = shard.tag
        return SessionKeys(
            shard=shard,
            member=member,
            head=f"{tag}:h:{member}",
            events=f"{tag}:e:{member}",
            requests=f"{tag}:r:{member}",
            tombstone=f"{tag}:x:{member}",
            by_creation=f"{tag}:n:{key.tenant}",
            idempotency_prefix=f"{tag}:i:{member}:",
        )

    def minted(self, tenant: str, idempotency_key: str) -> tuple[ShardKeys, str]:
        """Where the id minted for an idempotency key is kept."""
        shard = self.shard_of(f"{tenant}/:{idempotency_key}")
        return shard, f"{shard.tag}:i:{tenant}/:{idempotency_key}"

    def index(self, shard: ShardKeys, tenant: str) -> str:
        """The shard's sessions of a tenant by creation time."""
        return f"{shard.tag}:n:{tenant}"
