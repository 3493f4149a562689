"""Turns changes into blind field effects on a session's head: set, delete, increment.

The store applies the effects of one write without reading first, so concurrent writers never race. Within a write
the changes are folded in order; afterwards every field has at most one effect, so the order of effects does not
matter.

Fields of the head (the whole dictionary is in `store/keys.py`): `s:` state, `m:` metadata, `r:` results, `t:` tags,
`p:` steps, `a:` last versions of
artifacts, `o:` open invocations, `u:` uses of a tool, `c:` counters, `g:` usage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import changes as ch
from .errors import ConflictError
from .session import SessionStatus

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}").fullmatch
"""What the engine takes for an integer."""


@dataclass(slots=True)
class Effects:
    """What a write does to the head, field by field; a field is in at most one of `sets`, `deletes`,
    `state_increments`, `stamps`."""

    sets: dict[str, str | bytes] = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)
    state_increments: dict[str, int] = field(default_factory=dict)
    """Increments of what callers wrote: the field may hold something else, or overflow."""
    increments: dict[str, int] = field(default_factory=dict)
    """Increments of our own counters: these cannot fail."""
    stamps: dict[str, None] = field(default_factory=dict)
    """Fields that become the commit time, in the order of the changes."""
    requests: dict[str, None] = field(default_factory=dict)
    """Requests that must be admitted, because invocations begin under them."""
    mask: int = 0
    """`changes.kind_mask` of the changes."""

    def set(self, name: str, value: str | bytes) -> None:
        """An empty value is kept as an absent field, so that the store can count bytes by field lengths."""
        if not value:
            self.delete(name)
            return
        self.deletes.discard(name)
        self.state_increments.pop(name, None)
        self.sets[name] = value

    def delete(self, name: str) -> None:
        self.sets.pop(name, None)
        self.state_increments.pop(name, None)
        self.stamps.pop(name, None)
        self.deletes.add(name)

    def stamp(self, name: str) -> None:
        self.deletes.discard(name)
        self.stamps[name] = None

    def increment(self, name: str, delta: int) -> None:
        if delta:
            self.increments[name] = self.increments.get(name, 0) + delta

    def increment_state(self, key: str, delta: int) -> None:
        """Adds to an integer of the state; after a set or delete in the same write the sum is known here."""
        name = f"s:{key}"
        if name in self.sets:
            self.sets[name] = b"%d" % _checked(key, _integer(key, self.sets[name]) + delta)
        elif name in self.deletes:
            self.set(name, b"%d" % _checked(key, delta))
        else:
            self.state_increments[name] = _checked(key, self.state_increments.get(name, 0) + delta)


def effects_of(changes: Iterable[ch.Change]) -> Effects:
    """The combined effects of one write's changes.

    Raises:
        ConflictError: NOT_AN_INTEGER or INTEGER_OVERFLOW, when an increment fails against a value set by the same
            write.
    """
    effects = Effects()
    for change in changes:
        kind = change.kind
        effects.mask |= 1 << kind
        _APPLY[kind](effects, change)
    return effects


def _integer(key: str, value: str | bytes) -> int:
    digits = value if isinstance(value, bytes) else value.encode()
    number = int(digits) if _INTEGER(digits) else INT64_MAX + 1
    if not INT64_MIN <= number <= INT64_MAX:
        raise ConflictError(f"state key {key!r} does not hold an integer", reason="NOT_AN_INTEGER", key=key)
    return number


def _checked(key: str, value: int) -> int:
    if not INT64_MIN <= value <= INT64_MAX:
        raise ConflictError(f"state key {key!r} would leave the 64-bit range", reason="INTEGER_OVERFLOW", key=key)
    return value


def _state_set(effects: Effects, change: ch.StateSet) -> None:
    for key, value in change.values.items():
        effects.set(f"s:{key}", value)


def _state_deleted(effects: Effects, change: ch.StateDeleted) -> None:
    for key in change.keys:
        effects.delete(f"s:{key}")


def _state_incremented(effects: Effects, change: ch.StateIncremented) -> None:
    effects.increment_state(change.key, change.delta)


def _message(effects: Effects, change: ch.MessageAppended) -> None:
    effects.increment("c:messages", 1)
    _usage(effects, change.usage)


def _invocation_started(effects: Effects, change: ch.InvocationStarted) -> None:
    effects.increment("c:invocations", 1)
    effects.increment(f"u:{change.tool}", 1)
    effects.set(f"o:{change.invocation_id}", f"{change.request_id}/{change.tool}")
    if change.request_id:
        effects.requests[change.request_id] = None


def _invocation_finished(effects: Effects, change: ch.InvocationFinished) -> None:
    effects.delete(f"o:{change.invocation_id}")
    if change.status is not ch.InvocationStatus.SUCCEEDED:
        effects.increment("c:failed_invocations", 1)
    _usage(effects, change.usage)


def _step_finished(effects: Effects, change: ch.StepFinished) -> None:
    effects.increment("c:steps", 1)
    duration = "" if change.duration_us is None else str(change.duration_us)
    effects.set(f"p:{change.name}", f"{change.run}|{int(change.status)}|{duration}")


def _result_set(effects: Effects, change: ch.ResultSet) -> None:
    effects.set(f"r:{change.name}", change.value)


def _artifact_attached(effects: Effects, change: ch.ArtifactAttached) -> None:
    effects.increment("c:artifacts", 1)
    if change.version:
        effects.set(f"a:{change.name}", str(change.version))


def _log_appended(effects: Effects, change: ch.LogAppended) -> None:
    effects.increment("c:logs", 1)


def _info_updated(effects: Effects, change: ch.InfoUpdated) -> None:
    if change.purpose is not None:
        effects.set("purpose", change.purpose)
    for tag in change.remove_tags:
        effects.delete(f"t:{tag}")
    for tag in change.add_tags:
        effects.set(f"t:{tag}", "1")
    for key in change.remove_metadata:
        effects.delete(f"m:{key}")
    for key, value in change.set_metadata.items():
        effects.set(f"m:{key}", value)


def _in_the_log_alone(effects: Effects, change: ch.Change) -> None:
    """No field of the head is its; what requests hold there is kept by the scripts that move them."""


def _session_created(effects: Effects, change: ch.SessionCreated) -> None:
    info: dict[str, str] = {
        "uid": change.uid,
        "kind": change.session_kind,
        "user": change.user_id,
        "project": change.project,
        "purpose": change.purpose,
        "parent": change.parent,
        "status": str(int(SessionStatus.ACTIVE)),
        "idle": str(change.idle_timeout_ms or ""),
        "life": str(change.max_lifetime_ms or ""),
        "maxreq": str(change.max_concurrent_requests or ""),
    }
    effects.sets.update({name: value for name, value in info.items() if value})
    effects.stamp("created")
    for tag in change.tags:
        effects.set(f"t:{tag}", "1")
    for key, value in change.metadata.items():
        effects.set(f"m:{key}", value)
    for key, value in change.state.items():
        effects.set(f"s:{key}", value)


def _status_changed(effects: Effects, change: ch.StatusChanged) -> None:
    effects.set("status", str(int(change.status)))
    effects.set("error", change.error)
    if change.status is SessionStatus.ACTIVE:
        effects.delete("ended")
    else:
        effects.stamp("ended")


def _forked(effects: Effects, change: ch.Forked) -> None:
    effects.set("uid", change.uid)
    effects.set("parent", change.parent_id)
    effects.set("status", str(int(SessionStatus.ACTIVE)))
    effects.delete("error")
    effects.delete("ended")
    effects.stamp("created")


def _usage(effects: Effects, usage: ch.Usage | None) -> None:
    if usage is None:
        return
    effects.increment("g:input_tokens", usage.input_tokens)
    effects.increment("g:output_tokens", usage.output_tokens)
    effects.increment("g:total_tokens", usage.total_tokens or usage.input_tokens + usage.output_tokens)
    effects.increment("g:cost_micros", usage.cost_micros)


_APPLY: dict[ch.ChangeKind, Callable[[Effects, Any], None]] = {
    ch.ChangeKind.STATE_SET: _state_set,
    ch.ChangeKind.STATE_DELETED: _state_deleted,
    ch.ChangeKind.STATE_INCREMENTED: _state_incremented,
    ch.ChangeKind.MESSAGE_APPENDED: _message,
    ch.ChangeKind.INVOCATION_STARTED: _invocation_started,
    ch.ChangeKind.INVOCATION_FINISHED: _invocation_finished,
    ch.ChangeKind.STEP_FINISHED: _step_finished,
    ch.ChangeKind.RESULT_SET: _result_set,
    ch.ChangeKind.ARTIFACT_ATTACHED: _artifact_attached,
    ch.ChangeKind.LOG_APPENDED: _log_appended,
    ch.ChangeKind.INFO_UPDATED: _info_updated,
    ch.ChangeKind.CUSTOM: _in_the_log_alone,
    ch.ChangeKind.SESSION_CREATED: _session_created,
    ch.ChangeKind.STATUS_CHANGED: _status_changed,
    ch.ChangeKind.FORKED: _forked,
    ch.ChangeKind.RESTORED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_QUEUED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_ADMITTED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_PROGRESSED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_CANCEL_REQUESTED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_FINISHED: _in_the_log_alone,
    ch.ChangeKind.REQUEST_LOST: _in_the_log_alone,
}
