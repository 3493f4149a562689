"""Typed bindings of the committing scripts: create, write, delete."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from ..domain.cursor import SessionCursor
from ..domain.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldChangedError,
    MaybeElsewhereError,
    NotFoundError,
    PositionError,
    SojournError,
    StoreUnavailableError,
)
from ..domain.events import NO_PRECONDITION, Committed, Write
from ..domain.session import SessionKey, SessionStatus
from . import scripts
from .keys import SessionKeys, places
from .scripts import Command
from .wire import Reply


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """What every committing script is told. Sizes in bytes, retention in seconds."""

    max_state_bytes: int = 16 << 20
    inline_event_bytes: int = 16 << 10
    """Events up to this size travel in the notification; larger ones are read from the log."""
    shard_log_entries: int = 1024
    idempotency_seconds: int = 86_400


_NOWHERE = (0, 0, 0, 0)


def write_command(keys: SessionKeys, write: Write, settings: WriteSettings) -> Command:
    """The call that commits `write`."""
    effects = write.effects
    flat: list[str | bytes | int] = []
    for pair in effects.sets.items():
        flat += pair
    flat += effects.deletes
    for increment in effects.state_increments.items():
        flat += increment
    flat += effects.increments
    flat += effects.increments.values()
    flat += effects.stamps
    flat += effects.requests
    for expected_field in write.expects.items():
        flat += expected_field
    shard = keys.shard
    fingerprint = ""
    expected: int | str = ""
    status: int | str = ""
    fence: int | str = ""
    known = ""
    if write.precondition is not NO_PRECONDITION:
        pre = write.precondition
        expected = "" if pre.expected_revision is None else pre.expected_revision
        status = "" if pre.required_status is None else int(pre.required_status)
        fence = "" if pre.fencing_token is None else pre.fencing_token
        known = known_text(pre.known)
    if write.idempotency_key:
        fingerprint = fingerprint_of(b"w", write.identity or write.body, f"{expected}|{status}|{fence}".encode())
    return scripts.WRITE.call(
        keys.head, keys.events, keys.requests, keys.tombstone, keys.idempotency_prefix + write.idempotency_key,
        shard.due, shard.dirty, shard.log,
        keys.member, expected, status, fence, known, 1 if write.on_ended else 0, settings.max_state_bytes, fingerprint,
        settings.idempotency_seconds, effects.mask, write.body, shard.channel,
        settings.inline_event_bytes, settings.shard_log_entries,
        len(effects.sets), len(effects.deletes), len(effects.state_increments), len(effects.increments),
        len(effects.stamps), len(effects.requests), len(write.expects), *flat,
    )  # fmt: skip


def create_command(keys: SessionKeys, write: Write, settings: WriteSettings, *, checked: bool) -> Command:
    """The call that creates a session; of the effects only sets count, its times are stamped by the script."""
    shard, sets = keys.shard, write.effects.sets
    flat: list[str | bytes] = []
    for pair in sets.items():
        flat += pair
    fingerprint = fingerprint_of(b"c", _without_uid(write.body, sets["uid"])) if write.idempotency_key else ""
    return scripts.CREATE.call(
        keys.head, keys.events, keys.tombstone, keys.idempotency_prefix + write.idempotency_key, keys.by_creation,
        shard.due, shard.dirty, shard.log, shard.incarnation, shard.elsewhere,
        keys.member, write.key.session_id, sets["uid"], fingerprint, settings.idempotency_seconds,
        settings.max_state_bytes, sets.get("idle", ""), sets.get("life", ""), write.effects.mask, write.body,
        shard.channel, settings.inline_event_bytes, settings.shard_log_entries,
        1 if checked else 0, *(_NOWHERE if checked else places(keys.member)), len(sets), *flat,
    )  # fmt: skip


def delete_command(
    keys: SessionKeys, key: SessionKey, expected_revision: int | None, idempotency_key: str, settings: WriteSettings
) -> Command:
    """The call that deletes a session."""
    shard = keys.shard
    expected = "" if expected_revision is None else expected_revision
    return scripts.DELETE.call(
        keys.head, keys.events, keys.requests, keys.queue, shard.lease, keys.tombstone,
        keys.idempotency_prefix + idempotency_key, keys.by_creation, shard.due, shard.dirty, shard.log,
        keys.member, key.session_id, expected,
        fingerprint_of(b"d", str(expected).encode()) if idempotency_key else "",
        settings.idempotency_seconds, shard.channel, settings.shard_log_entries,
    )  # fmt: skip


def parse_committed(reply: Reply, key: SessionKey, write: Write | None = None) -> Committed:
    """What a committing script answered; raises the domain error it names."""
    if reply[1] == b"ok":
        return Committed(int(reply[2]), int(reply[3]), reply[4].decode(), reply[5].decode(), bool(reply[6]))
    raise refusal(reply, key, write)


def refusal(reply: Reply, key: SessionKey, write: Write | None = None) -> SojournError:
    """The domain error for a script's answer that is not `ok`."""
    tag = reply[1].decode()
    sid = key.session_id
    if tag == "missing":
        return NotFoundError.missing(sid)
    if tag == "maybe":
        return MaybeElsewhereError(sid, reply[2].decode())
    revision = str(int(reply[2])) if len(reply) > 2 else ""
    if tag in ("deleted", "gone"):
        return NotFoundError.deleted(sid, int(revision))
    if tag == "exists":
        return AlreadyExistsError(sid, int(revision))
    if tag == "closed":
        return StoreUnavailableError("the store lost its data and is being opened anew", cause="opening")
    if tag == "replaced":
        return replaced(sid)
    if tag == "rolled_back":
        return rolled_back(sid, revision)
    if tag == "changed":
        return FieldChangedError(f"a field of session {sid!r} has changed", session_id=sid, field=reply[3].decode())
    return _conflict(tag, sid, revision, reply, write)


def rolled_back(session_id: str, revision: str) -> PositionError:
    """The store lost history that a cursor or a watcher had seen; revision 0 when it has nothing of the session."""
    return PositionError(
        f"the store lost history of session {session_id!r} that was read before",
        reason="HISTORY_ROLLED_BACK", session_id=session_id, revision=revision,
    )  # fmt: skip


def replaced(session_id: str) -> PositionError:
    """The position is one of another session that had the same id."""
    return PositionError(
        f"the cursor is of another session than the present {session_id!r}",
        reason="SESSION_REPLACED", session_id=session_id,
    )  # fmt: skip


def _conflict(tag: str, sid: str, revision: str, reply: Reply, write: Write | None) -> ConflictError:
    pre = write.precondition if write else NO_PRECONDITION
    facts: dict[str, str] = {}
    match tag:
        case "revision":
            reason, text = "REVISION_CONFLICT", f"session {sid!r} is at revision {revision}, not the expected one"
            if pre.expected_revision is not None:
                facts["expected_revision"] = str(pre.expected_revision)
        case "ended":
            facts["status"] = SessionStatus(int(reply[3])).name
            reason, text = "SESSION_ENDED", f"session {sid!r} has ended: {facts['status']}"
        case "status":
            facts["status"] = SessionStatus(int(reply[3])).name
            facts["required_status"] = pre.required_status.name if pre.required_status else ""
            reason, text = "STATUS_CONFLICT", f"session {sid!r} is {facts['status']}, not {facts['required_status']}"
        case "fence":
            facts["fencing_token"] = str(pre.fencing_token)
            reason = "FENCING_TOKEN_REJECTED"
            text = f"no request with fencing token {pre.fencing_token} is admitted in session {sid!r}"
        case "not_admitted":
            facts["request_id"] = reply[3].decode()
            reason = "REQUEST_NOT_ADMITTED"
            text = f"request {facts['request_id']!r} is not admitted in session {sid!r}"
        case "bytes":
            facts |= {"actual": reply[3].decode(), "limit": reply[4].decode(), "unit": "bytes"}
            reason = "STATE_LIMIT_EXCEEDED"
            text = f"session {sid!r} would hold {facts['actual']} bytes of state, more than {facts['limit']}"
        case "not_integer":
            facts["key"] = reply[3].decode().removeprefix("s:")
            reason, text = "NOT_AN_INTEGER", f"state key {facts['key']!r} of session {sid!r} does not hold an integer"
        case "overflow":
            facts["key"] = reply[3].decode().removeprefix("s:")
            reason = "INTEGER_OVERFLOW"
            text = f"state key {facts['key']!r} of session {sid!r} would leave the 64-bit range"
        case "reused":
            facts["idempotency_key"] = write.idempotency_key if write else ""
            reason = "IDEMPOTENCY_KEY_REUSED"
            text = f"the idempotency key was used for another write of session {sid!r}"
        case _:
            raise ValueError(f"unknown answer of a script: {tag}")
    error = ConflictError(text, reason=reason, session_id=sid, revision=revision)
    error.metadata.update(facts)
    return error


def known_text(known: SessionCursor | None) -> str:
    """A position as the scripts take it."""
    return f"{known.uid}|{known.incarnation}|{known.revision}|{known.commit_us}" if known else ""


def fingerprint_of(*parts: bytes) -> str:
    return blake2b(b"\0".join(parts), digest_size=9).hexdigest()


def _without_uid(body: bytes, uid: str | bytes) -> bytes:
    """A retried creation proposes another uid; it is the same creation all the same."""
    return body.replace(uid.encode() if isinstance(uid, str) else uid, b"")
