"""Every key of the store. Nothing else builds keys.

`{NNN}` is the shard's hash tag: all keys of a shard are in one slot. `<member>` is `<tenant>/<session id>`.

    key                          type       holds                                                   lifetime
    sj:{NNN}:h:<member>          hash       the head, see below                                     the session's
    sj:{NNN}:e:<member>          stream     events, id `<revision>-0`: t commit time, k kind mask,   the session's
                                            q shard sequence, b encoded body
    sj:{NNN}:r:<member>          hash       live requests, see `store/requests.py`                  while there are any
    sj:{NNN}:q:<member>          zset       queued requests in their order (scores 0)               while there are any
    sj:{NNN}:d:<holder>          string     how a request ended: outcome, revision, error           24 h
    sj:{NNN}:x:<member>          hash       tombstone of a deleted session: uid, rev                24 h
    sj:{NNN}:a:<member>          hash       a session that left for another tier: uid, rev          1 h
    sj:{NNN}:i:<member>:<key>    string     idempotency record: fingerprint, uid, incarnation,      24 h
                                            revision, commit time
    sj:{NNN}:i:<tenant>/:<key>   string     id minted for a creation with an idempotency key        24 h
    sj:{NNN}:n:<tenant>          zset       session ids by creation time                            for ever
    sj:{NNN}:lease               zset       leases by the time (ms) they run out, see below         for ever
    sj:{NNN}:run                 string     run id of the engine the leases were renewed at last,   for ever
                                            `|` and a doubt while there is one, see `store/shards.py`
    sj:{NNN}:reaper              string     the worker that looks after the shard's clock           seconds
    sj:{NNN}:projector           string     the worker that brings the shard into the catalog       seconds
    sj:{NNN}:conn                hash       `<member>`: its open watches and streams, a line       while there are any
                                            `<worker> <count>` for each worker; `|<worker>`: how
                                            far the removal of a dead one is
    sj:{NNN}:workers             zset       workers with entries in `conn`, by the time (ms) they   for ever
                                            are good for
    sj:{NNN}:p:<path>            hash       a scope, see `store/scopes.py`                          while it is used
    sj:{NNN}:pt:<path>           zset       a scope's users in their turn                           while there are any
    sj:{NNN}:pw:<path>           zset       a scope's waiting requests in their order               while there are any
    sj:{NNN}:pf:<path>           zset       slots of a pool that were held and came back            while some are held
    sj:{NNN}:b:<name>            hash       token bucket: tokens, us                                until it is full
    sj:{NNN}:u:<tenant>/<digest> zset       a user's sessions by the time (us) they were enrolled   for ever
    sj:{meta}:pools:<tenant>     set        names of the tenant's pools                             for ever
    sj:{NNN}:due                 zset       members by the time (ms) they expire                    for ever
    sj:{NNN}:dirty               zset       members whose catalog row is behind, by the time (s)   for ever
                                            they became so: the outbox
    sj:{NNN}:log                 stream     the last commits, id `0-<sequence>`: s member,          for ever
                                            r revision, t commit time, d uid when deleted (capped)
                                            or a when it left for another tier
    sj:{NNN}:inc                 string     the shard's incarnation: new when its data was lost     for ever
    sj:{NNN}:elsewhere           string     Bloom filter of sessions that other tiers may have:     for ever
                                            131,072 bits, 4 a session; one more bit says that it
                                            knows every session of the catalog
    sj:{meta}                    hash       shards, format                                          for ever
    sj:{NNN}                     channel    a notification a commit: member, uid, incarnation,      -
                                            revision, commit time, sequence, kind mask, body if small

Leases are named `<ttl ms>|r|<holder>` (a request), `<ttl ms>|s|<path>|<holder>` (a slot, or a place in the queue, of
a scope) and `0|t|<holder>` (a queue timeout). `<holder>` is `<member>/<request id>`; `<path>`: `domain.requests.Scope`.

Fields of the head: uid, inc(arnation), kind, user, project, purpose, parent, status, error, rev(ision), created,
updated, ended (us), idle, life (ms), maxreq, bytes (of the prefixed fields), dirty (1 while the member is in the
outbox), oldest (first revision kept, absent = 1), cat (revision the catalog has), fence (last fencing token), ra, rq
(requests admitted, queued);
`s:` state, `m:` metadata, `r:` results, `t:` tags, `p:` steps, `a:` last versions of artifacts, `o:` open invocations,
`u:` uses of a tool, `c:` counters, `g:` usage.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from redis.crc import key_slot

from ..domain.requests import digest
from ..domain.session import SessionKey

META = "sj:{meta}"

KNOWS_ALL = 1 << 17
"""The bit of a shard's filter that says that it knows every session of the catalog; those of sessions are below."""


class ShardKeys(NamedTuple):
    """The keys a shard has once."""

    number: int
    tag: str
    slot: int
    channel: str
    due: str
    lease: str
    run: str
    reaper: str
    projector: str
    connections: str
    workers: str
    dirty: str
    log: str
    incarnation: str
    elsewhere: str


class SessionKeys(NamedTuple):
    """The keys of one session."""

    shard: ShardKeys
    member: str
    head: str
    events: str
    requests: str
    queue: str
    ended_prefix: str
    tombstone: str
    retired: str
    by_creation: str
    idempotency_prefix: str


class ScopeKeys(NamedTuple):
    """The keys of one scope."""

    shard: ShardKeys
    path: str
    scope: str
    turns: str
    waiting: str
    free: str


def places(member: str) -> tuple[int, int, int, int]:
    """The bits of a session in its shard's filter."""
    a, b, c, d = struct.unpack("4I", blake2b(member.encode(), digest_size=16).digest())
    return a % KNOWS_ALL, b % KNOWS_ALL, c % KNOWS_ALL, d % KNOWS_ALL


class Keyspace:
    """Builds the keys of a deployment with a fixed number of shards."""

    meta = ShardKeys(-1, META, key_slot(META.encode()), *[""] * 12)
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
            lease=f"{tag}:lease",
            run=f"{tag}:run",
            reaper=f"{tag}:reaper",
            projector=f"{tag}:projector",
            connections=f"{tag}:conn",
            workers=f"{tag}:workers",
            dirty=f"{tag}:dirty",
            log=f"{tag}:log",
            incarnation=f"{tag}:inc",
            elsewhere=f"{tag}:elsewhere",
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
            queue=f"{tag}:q:{member}",
            ended_prefix=f"{tag}:d:{member}/",
            tombstone=f"{tag}:x:{member}",
            retired=f"{tag}:a:{member}",
            by_creation=f"{tag}:n:{key.tenant}",
            idempotency_prefix=f"{tag}:i:{member}:",
        )

    def scope(self, path: str) -> ScopeKeys:
        """The keys of a scope."""
        shard = self.shard_of(path)
        tag = shard.tag
        names = (f"{tag}:{part}:{path}" for part in ("p", "pt", "pw", "pf"))
        return ScopeKeys(shard, path, *names)

    def pools(self, tenant: str) -> str:
        """The names of a tenant's pools."""
        return f"{META}:pools:{tenant}"

    def bucket(self, name: str) -> tuple[ShardKeys, str]:
        """Where a token bucket is kept."""
        shard = self.shard_of(name)
        return shard, f"{shard.tag}:b:{name}"

    def places(self, tenant: str, user_id: str) -> tuple[ShardKeys, str]:
        """Where the sessions of a user are kept."""
        name = f"{tenant}/{digest(user_id)}"
        shard = self.shard_of(name)
        return shard, f"{shard.tag}:u:{name}"

    def minted(self, tenant: str, idempotency_key: str) -> tuple[ShardKeys, str]:
        """Where the id minted for an idempotency key is kept."""
        shard = self.shard_of(f"{tenant}/:{idempotency_key}")
        return shard, f"{shard.tag}:i:{tenant}/:{idempotency_key}"

    def index(self, shard: ShardKeys, tenant: str) -> str:
        """The shard's sessions of a tenant by creation time."""
        return f"{shard.tag}:n:{tenant}"
