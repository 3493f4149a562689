"""The end of sessions and what the clock does: the Lifecycle port on Redis or Valkey."""

from __future__ import annotations

import asyncio

from ..domain.effects import Effects
from ..domain.errors import OutcomeUnknownError
from ..domain.events import Committed, Precondition, Write
from ..domain.requests import Quotas, parse_holder
from ..domain.session import SessionKey, SessionStatus
from ..ports import Overdue
from . import request_scripts as scripts
from .calls import Calls
from .keys import Keyspace, ShardKeys
from .requests import step_args, step_keys
from .writing import WriteSettings, fingerprint_of, known_text, parse_committed, refusal

COUNT = 200
"""Overdue items a shard tells at a time."""


class RedisLifecycle:
    """The contract of each method is `ports.Lifecycle`'s."""

    def __init__(self, calls: Calls, keyspace: Keyspace, settings: WriteSettings, quotas: Quotas) -> None:
        self._calls = calls
        self._keys = keyspace
        self._settings = settings
        self._default_limit = quotas.requests_per_session

    async def end(
        self, key: SessionKey, status: SessionStatus, error: str, *, writer: str, precondition: Precondition,
        idempotency_key: str,
    ) -> Committed:  # fmt: skip
        reply = await self._end(key, status, error, "asked", writer, precondition, idempotency_key)
        # Refusals name what was asked for.
        asked = Write(key, Effects(), b"", precondition, idempotency_key)
        return parse_committed(reply, key, asked)

    async def expire(self, key: SessionKey, status: SessionStatus, *, idle: bool = False) -> bool:
        when = "room" if idle else "due"
        reply = await self._end(key, status, "made room for a new session", when, "", Precondition(), "")
        if reply[1] in (b"not_due", b"ended", b"missing", b"deleted"):
            return False
        if reply[1] == b"ok":
            return True
        raise refusal(reply, key)

    async def overdue(self, worker: str, *, lease_ms: int) -> list[Overdue]:
        found = await asyncio.gather(*(self._overdue(shard, worker, lease_ms) for shard in self._keys.shards))
        return [one for one in found if one is not None]

    async def _overdue(self, shard: ShardKeys, worker: str, lease_ms: int) -> Overdue | None:
        command = scripts.OVERDUE.call(shard.lease, shard.due, shard.reaper, shard.tag, worker, lease_ms, COUNT)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=True)
        if reply[1] == b"held":
            return None
        overdue = Overdue([], [], [], [], more=bool(reply[4]))
        for lease in reply[2]:
            _, kind, name = lease.decode().split("|", 2)
            if kind == "r":
                overdue.requests.append(parse_holder(name))
            elif kind == "t":
                overdue.waits.append(parse_holder(name))
            else:
                path, _, holder = name.partition("|")
                overdue.slots.append((path, parse_holder(holder)))
        for member in reply[3]:
            tenant, _, session_id = member.decode().partition("/")
            overdue.sessions.append(SessionKey(tenant, session_id))
        return overdue

    async def _end(
        self, key: SessionKey, status: SessionStatus, why: str, when: str, writer: str, pre: Precondition,
        idempotency_key: str,
    ) -> list[bytes]:  # fmt: skip
        keys = self._keys.session(key)
        expected = "" if pre.expected_revision is None else pre.expected_revision
        required = "" if pre.required_status is None else int(pre.required_status)
        fence = "" if pre.fencing_token is None else pre.fencing_token
        facts = f"{int(status)}|{why}|{writer}|{expected}|{required}|{fence}"
        command = scripts.END.call(
            *step_keys(keys), keys.idempotency_prefix + idempotency_key,
            keys.member, int(status), why, writer, when, expected, required, fence,
            known_text(pre.known), fingerprint_of(b"end", facts.encode()) if idempotency_key else "",
            self._default_limit, *step_args(keys, self._settings),
        )  # fmt: skip
        try:
            reply: list[bytes] = await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        except OutcomeUnknownError as error:
            error.metadata["session_id"] = key.session_id
            raise
        return reply
