"""Events from outside: every one is checked like a caller's write, and the server's own kinds as strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from sojourn.v1 import event_pb2

from ..domain import changes as ch
from ..domain.artifacts import is_sha256
from ..domain.errors import FileInvalidError, InvalidFieldError, SojournError
from ..domain.limits import Limits, check_kind, check_label, check_name, check_session_id, check_text
from ..domain.session import SessionStatus
from ..usecases.importing import CheckedEvent
from . import fields
from .changes import encode_body, parse_changes
from .codec import ProtoCodec

UID = re.compile(r"[0-9a-f]{16}").fullmatch


class ImportedEvents:
    """The EventChecker port."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._codec = ProtoCodec()

    def check(self, revision: int, body: bytes, uid: str, new_uid: str) -> CheckedEvent:
        """The contract is `importing.EventChecker`'s."""
        try:
            return self._checked(body, uid, new_uid)
        except DecodeError:
            raise FileInvalidError(f"event {revision} is not an encoded event", problem="content") from None
        except (SojournError, ValueError) as error:
            raise FileInvalidError(f"event {revision}: {error}", problem="content") from None

    def _checked(self, body: bytes, uid: str, new_uid: str) -> CheckedEvent:
        event = event_pb2.Event.FromString(body)
        event.DiscardUnknownFields()
        if event.session_id or event.revision or event.HasField("commit_time") or event.HasField("cursor"):
            raise InvalidFieldError("event", "nothing but its changes and its writer")
        check_label(event.writer, "writer", self._limits.writer_bytes)
        digests = set()
        for i, change in enumerate(event.changes):
            kind = change.WhichOneof("kind")
            check = _SERVER_KINDS.get(kind or "")
            if check is None:
                parse_changes([change], self._limits)
            else:
                check(getattr(change, kind), f"changes[{i}].{kind}", self._limits)
            if kind in ("session_created", "forked") and getattr(change, kind).uid == uid:
                getattr(change, kind).uid = new_uid
            elif kind == "artifact_attached" and is_sha256(change.artifact_attached.sha256):
                digests.add(change.artifact_attached.sha256)
        encoded = encode_body(event.changes, event.writer, self._limits)
        changes = self._codec.decode(encoded)
        return CheckedEvent(changes, ch.kind_mask(change.kind for change in changes), encoded, frozenset(digests))


def _uid(text: str, field: str) -> None:
    if not UID(text):
        raise InvalidFieldError(field, "16 hexadecimal digits")


def _created(m: event_pb2.SessionCreated, field: str, limits: Limits) -> None:
    _uid(m.uid, f"{field}.uid")
    check_kind(m.kind)
    for label in ("user_id", "project"):
        check_label(getattr(m, label), f"{field}.{label}", limits.label_bytes)
    check_text(m.purpose, f"{field}.purpose", limits.purpose_bytes)
    fields.tags(m.tags, f"{field}.tags", limits)
    fields.values(m.metadata, f"{field}.metadata", limits)
    fields.values(m.state, f"{field}.state", limits)
    if m.parent:
        check_session_id(m.parent, f"{field}.parent")
    for timeout in ("idle_timeout", "max_lifetime"):
        fields.milliseconds(getattr(m, timeout), f"{field}.{timeout}")
    if m.max_concurrent_requests < 0:
        raise InvalidFieldError(f"{field}.max_concurrent_requests", "zero or more")


def _status(m: event_pb2.StatusChanged, field: str, limits: Limits) -> None:
    fields.enum(SessionStatus, m.status, f"{field}.status")
    check_text(m.error, f"{field}.error", limits.error_bytes)


def _request(m: Any, field: str, limits: Limits) -> None:
    """Any of the changes that are about a request."""
    check_name(m.request_id, f"{field}.request_id", limits.key_bytes)
    for descriptor, value in m.ListFields():
        name = f"{field}.{descriptor.name}"
        if isinstance(value, str):
            check_text(value, name, limits.error_bytes)
        elif isinstance(value, float):
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise InvalidFieldError(name, "0 to 1")
        elif isinstance(value, int) and value < 0:
            raise InvalidFieldError(name, "zero or more")


def _forked(m: event_pb2.Forked, field: str, limits: Limits) -> None:
    _uid(m.uid, f"{field}.uid")
    check_session_id(m.parent_id, f"{field}.parent_id")
    if m.parent_revision < 1:
        raise InvalidFieldError(f"{field}.parent_revision", "1 or more")


def _restored(m: event_pb2.Restored, field: str, limits: Limits) -> None:
    if m.restored_revision < 0:
        raise InvalidFieldError(f"{field}.restored_revision", "zero or more")


_SERVER_KINDS: dict[str, Callable[[Any, str, Limits], None]] = {
    "session_created": _created,
    "status_changed": _status,
    "request_queued": _request,
    "request_admitted": _request,
    "request_progressed": _request,
    "request_finished": _request,
    "request_lost": _request,
    "request_cancel_requested": _request,
    "forked": _forked,
    "restored": _restored,
}
