"""Live requests: the RequestStore port on Redis or Valkey.

`sj:{NNN}:r:<member>` holds `q:<request id>` the record (one field a line, see `records.lua`), `f:<fencing token>` the
id of each admitted request, `c:<id>` why it was asked to stop, `p:<id>` its last progress (commit time of its last
event, whether it is still to be told, 8 bytes of fraction, text), `held` and `excl` who holds the session's slots, `n`
the arrivals counted. `sj:{NNN}:q:<member>` holds `<order>/<request id>`: those who interrupt first, then by priority,
then by arrival.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from ..domain.effects import Effects
from ..domain.errors import (
    ConflictError,
    LeaseLostError,
    LimitExceededError,
    NotFoundError,
    OutcomeUnknownError,
    QueueTimeoutError,
    SojournError,
)
from ..domain.events import Precondition, Write
from ..domain.requests import (
    SCOPE_MARGIN_MS,
    SESSION_LIMIT,
    Begun,
    Ended,
    Left,
    NewRequest,
    PoolSlot,
    Quotas,
    Request,
    RequestKey,
    RequestOutcome,
    RequestPolicy,
    RequestState,
    Scope,
    ScopeKind,
    parse_holder,
    scopes_of,
)
from ..domain.session import SessionKey
from . import request_scripts as scripts
from .calls import Calls
from .keys import Keyspace, SessionKeys, ShardKeys
from .scripts import Command
from .wire import Reply
from .writing import WriteSettings, known_text, refusal

How = Literal["finish", "detach", "lose", "time_out", "cancel", "force", "drop"]

LOST_CAUSE = "its lease ran out"
TIMEOUT_CAUSE = "it was not admitted in time"


class RedisRequests:
    """The contract of each method is `ports.RequestStore`'s."""

    def __init__(self, calls: Calls, keyspace: Keyspace, settings: WriteSettings, quotas: Quotas) -> None:
        self._calls = calls
        self._keys = keyspace
        self._settings = settings
        self._default_limit = quotas.requests_per_session

    async def begin(self, new: NewRequest, quotas: Quotas) -> Begun:
        keys = self._keys.session(new.key.session)
        slot = new.slot or PoolSlot(0, 0)
        reply = await self._run(
            keys,
            scripts.BEGIN.call(
                *step_keys(keys), keys.member, new.key.request_id, int(new.resume), new.name, new.priority,
                int(new.policy), int(new.exclusive), new.lease_ms, new.queue_ms,
                "".join(str(int(kind)) for kind in new.wide), new.pool, int(new.reserved), slot.slot, slot.token,
                "" if new.expected_revision is None else new.expected_revision,
                "" if new.required_status is None else int(new.required_status), known_text(new.known),
                new.writer, quotas.requests_per_session, quotas.queued_per_session, *step_args(keys, self._settings),
            ),
        )  # fmt: skip
        match reply[1]:
            case b"ok" | b"resumed":
                replaced = tuple(
                    _replaced(new.key.session, reply[3], facts, () if n else reply[5])
                    for n, facts in enumerate(reply[4])
                )
                return Begun(parse_shown(reply[2], new.key.session), reply[1] == b"resumed", replaced)
            case b"full":
                raise LimitExceededError(SESSION_LIMIT, int(reply[2]))
            case b"queue_full":
                raise LimitExceededError("queued_requests_per_session", quotas.queued_per_session)
            case b"lapsed":
                raise LeaseLostError(new.key.session.session_id, new.key.request_id, LOST_CAUSE)
            case b"revision" | b"status":  # the refusal names what was asked for
                asked = Precondition(new.expected_revision, new.required_status)
                raise refusal(reply, new.key.session, Write(new.key.session, Effects(), b"", asked))
        raise _refused(reply, new.key)

    async def admit(self, key: RequestKey, slot: PoolSlot | None) -> Request | None:
        keys = self._keys.session(key.session)
        number, token = slot or (0, 0)
        reply = await self._run(
            keys,
            scripts.ADMIT.call(
                *step_keys(keys), keys.member, key.request_id, number, token, self._default_limit,
                *step_args(keys, self._settings),
            ),
        )  # fmt: skip
        return parse_shown(reply[2], key.session) if reply[1] == b"ok" else None

    async def get(self, key: RequestKey) -> Request:
        keys = self._keys.session(key.session)
        command = scripts.REQUEST.call(
            keys.head, keys.requests, keys.queue, keys.shard.lease, keys.tombstone,
            keys.member, key.request_id, keys.ended_prefix,
        )  # fmt: skip
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=False)
        if reply[1] == b"ok":
            return parse_shown(reply[2], key.session)
        raise _refused(reply, key)

    async def of_session(self, key: SessionKey) -> list[Request]:
        keys = self._keys.session(key)
        command = scripts.REQUESTS.call(
            keys.head, keys.requests, keys.queue, keys.shard.lease, keys.tombstone, keys.member
        )
        reply = await self._calls.run(keys.shard, command, keys.member.encode(), write=False)
        if reply[1] != b"ok":
            raise refusal(reply, key)
        return sorted((parse_shown(shown, key) for shown in reply[2]), key=lambda r: (r.begin_us, r.key.request_id))

    async def of_tenant(self, tenant: str) -> list[Request]:
        prefix = f"{tenant}/"
        members: set[SessionKey] = set()
        for leases in await asyncio.gather(*map(self._leases, self._keys.shards)):
            for lease in leases:
                _, kind, holder = lease.decode().split("|", 2)
                if kind == "r" and holder.startswith(prefix):
                    members.add(parse_holder(holder).session)
        found = await asyncio.gather(*map(self._of_session_if_there, members))
        return [request for requests in found for request in requests]

    async def finish(self, key: RequestKey, outcome: RequestOutcome, error: str, *, writer: str = "") -> Left:
        reply = await self._leave(key, "finish", outcome=int(outcome), why=error, writer=writer)
        if reply[1] == b"before" and reply[2] == b"1":
            return Left(key, _ended(reply[3:]), (), ())
        return self._left(reply, key)

    async def detach(self, key: RequestKey, attachment: int, cause: str) -> Left | None:
        return self._maybe(await self._leave(key, "detach", attachment=attachment, why=cause), key)

    async def lose(self, key: RequestKey) -> Left | None:
        return self._maybe(await self._leave(key, "lose", why=LOST_CAUSE), key)

    async def time_out(self, key: RequestKey) -> Left | None:
        return self._maybe(await self._leave(key, "time_out", why=TIMEOUT_CAUSE), key)

    async def drop(self, key: RequestKey, outcome: RequestOutcome, error: str) -> Left | None:
        return self._maybe(await self._leave(key, "drop", outcome=int(outcome), why=error), key)

    async def cancel(self, key: RequestKey, reason: str, *, force: bool, writer: str) -> tuple[Left | None, int]:
        why = reason or "somebody asked for it"
        reply = await self._leave(key, "force" if force else "cancel", why=why, writer=writer)
        if reply[1] == b"told":
            return None, int(reply[2])
        left = self._left(reply, key)
        return left, left.ended.revision

    async def progress(self, key: RequestKey, fraction: float, text: str, *, interval_ms: int) -> int:
        keys = self._keys.session(key.session)
        reply = await self._run(
            keys,
            scripts.PROGRESS.call(
                *step_keys(keys), keys.member, key.request_id, struct.pack("<d", fraction), text, interval_ms,
                self._default_limit, *step_args(keys, self._settings),
            ),
        )  # fmt: skip
        if reply[1] == b"ok":
            return int(reply[2])
        raise _refused(reply, key)

    async def renew(self, requests: Sequence[Request]) -> list[int | None]:
        by_shard: dict[ShardKeys, list[tuple[int, str]]] = defaultdict(list)
        for number, request in enumerate(requests):
            holder = request.key.holder
            own = f"{request.lease_ms}|r|{holder}"
            by_shard[self._keys.session(request.key.session).shard].append((number, own))
            for scope in request.scopes if request.state is not RequestState.QUEUED else ():
                path = scope.path
                lease = f"{request.lease_ms + SCOPE_MARGIN_MS}|s|{path}|{holder}"
                by_shard[self._keys.scope(path).shard].append((number, lease))
        deadlines: list[int | None] = [0] * len(requests)
        for renewed in await asyncio.gather(*(self._renew(shard, leases) for shard, leases in by_shard.items())):
            for number, lease, now_ms, done in renewed:
                if not done:
                    if requests[number].state is RequestState.ADMITTED or "|r|" in lease:
                        deadlines[number] = None
                elif deadlines[number] is not None and "|r|" in lease:
                    deadlines[number] = (now_ms + requests[number].lease_ms) * 1000
        return deadlines

    async def _renew(self, shard: ShardKeys, leases: list[tuple[int, str]]) -> list[tuple[int, str, int, bool]]:
        found = []
        for begin in range(0, len(leases), 1000):
            part = leases[begin : begin + 1000]
            command = scripts.RENEW.call(shard.lease, shard.tag, *(lease for _, lease in part))
            reply = await self._calls.run(shard, command, shard.tag.encode(), write=True)
            for (number, lease), done in zip(part, reply[2], strict=True):
                found.append((number, lease, int(reply[1]), bool(done)))
        return found

    async def _leases(self, shard: ShardKeys) -> list[bytes]:
        command = scripts.LEASES.call(shard.lease, shard.tag)
        reply = await self._calls.run(shard, command, shard.tag.encode(), write=False)
        leases: list[bytes] = reply[1]
        return leases

    async def _of_session_if_there(self, key: SessionKey) -> list[Request]:
        try:
            return await self.of_session(key)
        except NotFoundError:
            return []

    async def _leave(
        self, key: RequestKey, how: How, *, attachment: int | str = "", outcome: int | str = "", why: str,
        writer: str = "",
    ) -> Reply:  # fmt: skip
        keys = self._keys.session(key.session)
        command = scripts.LEAVE.call(
            *step_keys(keys), keys.member, key.request_id, how, attachment, outcome, why, writer, self._default_limit,
            *step_args(keys, self._settings),
        )  # fmt: skip
        return await self._run(keys, command)

    def _left(self, reply: Reply, key: RequestKey) -> Left:
        if reply[1] != b"left":
            raise _refused(reply, key)
        scopes = _scopes(key.session, *reply[5][1:])
        return Left(key, _ended(reply[2:]), scopes, tuple(request_id.decode() for request_id in reply[6]))

    def _maybe(self, reply: Reply, key: RequestKey) -> Left | None:
        if reply[1] in (b"not_due", b"before", b"unknown", b"missing", b"deleted"):
            return None
        return self._left(reply, key)

    async def _run(self, keys: SessionKeys, command: Command) -> Reply:
        try:
            return await self._calls.run(keys.shard, command, keys.member.encode(), write=True)
        except OutcomeUnknownError as error:
            error.metadata["session_id"] = keys.member.partition("/")[2]
            raise


def step_keys(keys: SessionKeys) -> tuple[str, ...]:
    """The keys of every step of a session's requests."""
    shard = keys.shard
    return (
        keys.head, keys.events, keys.requests, keys.queue, shard.lease, keys.tombstone,
        shard.due, shard.dirty, shard.log,
    )  # fmt: skip


def step_args(keys: SessionKeys, settings: WriteSettings) -> tuple[str | int, ...]:
    """The last arguments of every step."""
    return (
        keys.ended_prefix, settings.idempotency_seconds, keys.shard.channel, settings.inline_event_bytes,
        settings.shard_log_entries,
    )  # fmt: skip


def parse_shown(shown: Reply, key: SessionKey) -> Request:
    """A record as `records.lua` shows it."""
    request_id, raw, position, deadline_ms, reason, note = shown
    (
        state, _, attachment, token, lease_ms, priority, policy, exclusive, begin_us, admit_us, queue_deadline, slot,
        slot_token, wide, pool, user, project, _, name,
    ) = raw.split(b"\n")  # fmt: skip
    head, _, progress = note.partition(b"\n") if note else (b"", b"", b"")
    progress = progress[2:]
    return Request(
        key=RequestKey(key, request_id.decode()),
        name=name.decode(),
        state=RequestState(int(state)),
        priority=int(priority),
        policy=RequestPolicy(int(policy)),
        exclusive=exclusive == b"1",
        user_id=user.decode(),
        project=project.decode(),
        lease_ms=int(lease_ms),
        begin_us=int(begin_us),
        scopes=_scopes(key, wide, pool, user, project),
        attachment=int(attachment),
        admit_us=int(admit_us),
        token=int(token),
        slot=PoolSlot(int(slot), int(slot_token)) if slot_token != b"0" else None,
        queue_deadline_us=int(queue_deadline),
        lease_deadline_us=int(deadline_ms) * 1000,
        position=int(position),
        waiting_for=SESSION_LIMIT if state == b"1" else "",
        cancel_reason=reason[0].decode() if reason else None,
        fraction=struct.unpack("<d", progress[:8])[0] if head else 0.0,
        progress_text=progress[8:].decode() if head else "",
    )


def _scopes(key: SessionKey, wide: bytes, pool: bytes, user: bytes, project: bytes) -> tuple[Scope, ...]:
    kinds = tuple(ScopeKind(digit - 48) for digit in wide)
    return scopes_of(key.tenant, kinds, pool=pool.decode(), user_id=user.decode(), project=project.decode())


def _ended(facts: list[bytes]) -> Ended:
    return Ended(RequestOutcome(int(facts[0])), facts[2].decode(), int(facts[1]))


def _replaced(key: SessionKey, revision: bytes, facts: list[bytes], reserving: Sequence[bytes]) -> Left:
    request_id, *wider = facts
    ended = Ended(RequestOutcome.CANCELLED, "replaced", int(revision))
    found = tuple(one.decode() for one in reserving)
    return Left(RequestKey(key, request_id.decode()), ended, _scopes(key, *wider), found)


def _refused(reply: Reply, key: RequestKey) -> SojournError:
    session_id, request_id = key.session.session_id, key.request_id
    match reply[1]:
        case b"unknown":
            return NotFoundError.request(session_id, request_id)
        case b"before":
            outcome, error, _ = _ended(reply[3:])
            if outcome is RequestOutcome.LOST:
                return LeaseLostError(session_id, request_id, error)
            if outcome is RequestOutcome.TIMED_OUT:
                return QueueTimeoutError(session_id, request_id)
            return ConflictError(
                f"request {request_id!r} has ended: {outcome.name}" + (f" ({error})" if error else ""),
                reason="REQUEST_ENDED", session_id=session_id, request_id=request_id, outcome=outcome.name, error=error,
            )  # fmt: skip
    return refusal(reply, key.session)
