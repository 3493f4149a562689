"""What frames hold: the header, the session and its events, as bytes and back.

A reader trusts nothing: whatever a session cannot have is a ContentError.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..domain.errors import InvalidFieldError, SojournError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..domain.limits import Limits, check_kind, check_label, check_name, check_session_id
from ..domain.session import Session, SessionStatus, StepStatus, StepSummary
from ..domain.values import check_json
from ..ports.archives import ArchivedArtifact, ArchiveHeader
from .documents import ContentError, Document, parse_object, render_object
from .frames import VERSION

LIMITS = Limits()
INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
LAST_US = 253_402_300_799_999_999
"""The end of the year 9999: no timestamp is later."""
LONGEST_US = 315_576_000_000_000_000
"""No duration is longer: about 10,000 years."""
NOT_KEPT = {"connection_count", "tier", "snapshot_path", "archive_path"}
"""Fields of a session that say where it is at the moment, not what it is; a file could lie about them."""
COUNTERS = frozenset(
    {"messages", "invocations", "open_invocations", "failed_invocations", "steps", "logs", "artifacts"}
)
USAGE = frozenset({"input_tokens", "output_tokens", "total_tokens", "cost_micros"})

_TEXTS = ("id", "uid", "incarnation", "kind", "user_id", "project", "purpose", "parent", "error")
_NUMBERS = (
    "revision", "created_us", "updated_us", "ended_us", "idle_timeout_ms", "max_lifetime_ms",
    "max_concurrent_requests", "admitted_requests", "queued_requests",
)  # fmt: skip
_VALUES = ("metadata", "state", "results")
_COUNTS = ("counters", "usage", "tools", "artifacts")
_RECORD = struct.Struct(">QQQI")
RECORD_BYTES = _RECORD.size
"""What an event takes besides its body."""
_HEX16 = re.compile("[0-9a-f]{16}").fullmatch
_SHA256 = re.compile("[0-9a-f]{64}").fullmatch


class Identity(NamedTuple):
    """What the events of a file have in common."""

    session_id: str
    uid: str
    incarnation: str


class End(NamedTuple):
    """What the last frame says of all before it."""

    frames: int
    events: int
    sha256: str


def render_header(session: Session, written_us: int, producer: str) -> bytes:
    """The content of the HEADER frame."""
    return render_object(
        {
            "session_id": session.id, "uid": session.uid, "incarnation": session.incarnation,
            "revision": session.revision, "events": session.revision, "written_us": written_us, "producer": producer,
        }
    )  # fmt: skip


def parse_header(raw: bytes) -> tuple[ArchiveHeader, Identity]:
    """The HEADER frame's content."""
    found = parse_object(raw)
    identity = Identity(
        found.text("session_id", check_session_id, None), found.text("uid", _uid, None),
        found.text("incarnation", _incarnation),
    )  # fmt: skip
    revision = found.number("revision", 1, default=None)
    if found.number("events", default=None) != revision:
        raise found.wrong("events", "as many as the revision says")
    header = ArchiveHeader(
        VERSION, identity.session_id, identity.uid, revision, revision, found.number("written_us"),
        found.text("producer"),
    )  # fmt: skip
    return header, identity


def render_session(folded: Folded) -> bytes:
    """The content of the SESSION frame. JSON values become strings, so that they come back byte for byte."""
    session = folded.session
    members: dict[str, object] = {name: getattr(session, name) for name in (*_TEXTS, *_NUMBERS, "tags", *_COUNTS)}
    members["status"] = session.status.name
    for name in _VALUES:
        members[name] = {key: value.decode() for key, value in getattr(session, name).items()}
    members["steps"] = {
        name: {"run": step.run, "status": step.status.name, "duration_us": step.duration_us}
        for name, step in session.steps.items()
    }
    return render_object({"session": members, "open_invocations": folded.open_invocations, "requests": folded.requests})


def parse_session(raw: bytes) -> Folded:
    """The SESSION frame's content."""
    document = parse_object(raw)
    found = document.member("session")
    session = Session(
        found.text("id", check_session_id, None), found.text("uid", _uid, None),
        incarnation=found.text("incarnation", _incarnation),
        kind=found.text("kind", check_kind, "session"), user_id=found.text("user_id", _label),
        project=found.text("project", _label), purpose=found.text("purpose"),
        parent=found.text("parent", _session_id),
        status=found.enum("status", SessionStatus), error=found.text("error"),
        revision=found.number("revision", 1, INT64_MAX, None), created_us=found.number("created_us", 0, LAST_US),
        updated_us=found.number("updated_us", 0, LAST_US), ended_us=found.number_or_none("ended_us", LAST_US),
        idle_timeout_ms=found.number("idle_timeout_ms", 0, LONGEST_US // 1000),
        max_lifetime_ms=found.number("max_lifetime_ms", 0, LONGEST_US // 1000),
        max_concurrent_requests=found.number("max_concurrent_requests", 0, INT32_MAX),
        admitted_requests=found.number("admitted_requests", 0, INT32_MAX),
        queued_requests=found.number("queued_requests", 0, INT32_MAX),
        tags=found.texts("tags", _tag), metadata=found.each("metadata", _value, _key),
        state=found.each("state", _value, _key), results=found.each("results", _value, _key),
        counters=_known(found, "counters", COUNTERS), usage=_known(found, "usage", USAGE),
        tools=found.each("tools", Document.number, _key), steps=found.each("steps", _step, _key),
        artifacts=found.each("artifacts", Document.number, _key),
    )  # fmt: skip
    invocations = document.each("open_invocations", Document.text, _key)
    if wrong := next((text for text in invocations.values() if "/" not in text), None):
        raise ContentError(f"open_invocations: expected <request id>/<tool>, not {wrong[:100]!r}")
    return Folded(session, invocations, document.each("requests", Document.flag, check_session_id))


def render_artifact(artifact: ArchivedArtifact) -> bytes:
    """The content of an ARTIFACT frame."""
    return render_object({"sha256": artifact.sha256, "size": artifact.size})


def parse_artifact(raw: bytes) -> ArchivedArtifact:
    """An ARTIFACT frame's content."""
    found = parse_object(raw)
    return ArchivedArtifact(found.text("sha256", _sha256, None), found.number("size", default=None))


def render_end(end: End) -> bytes:
    """The content of the END frame."""
    return render_object(end._asdict())


def parse_end(raw: bytes) -> End:
    """The END frame's content."""
    found = parse_object(raw)
    return End(
        found.number("frames", default=None), found.number("events", default=None), found.text("sha256", _sha256, None)
    )


def render_events(events: Iterable[StoredEvent]) -> Iterator[bytes]:
    """The records of an EVENTS frame, to be put one after the other."""
    for event in events:
        yield _RECORD.pack(event.revision, event.commit_us, event.mask, len(event.body)) + event.body


def parse_events(raw: bytes, identity: Identity, first: int) -> list[StoredEvent]:
    """An EVENTS frame's content: at least one event, in order from revision `first` on."""
    events: list[StoredEvent] = []
    at, revision = 0, first
    while at < len(raw):
        begin = at + _RECORD.size
        if begin > len(raw):
            raise ContentError("the last event is cut off")
        found, commit_us, mask, size = _RECORD.unpack_from(raw, at)
        at = begin + size
        if at > len(raw):
            raise ContentError("the last event is cut off")
        if found != revision:
            raise ContentError(f"expected the event of revision {revision}, not {found}")
        if commit_us > LAST_US or mask > INT64_MAX:
            raise ContentError(f"the event of revision {found} has a number out of range")
        events.append(StoredEvent(*identity, found, commit_us, 0, mask, raw[begin:at]))
        revision += 1
    if not events:
        raise ContentError("expected events")
    return events


def _value(document: Document, name: str) -> bytes:
    raw = document.text(name).encode()
    try:
        check_json(raw, name, max_bytes=LIMITS.value_bytes, max_depth=LIMITS.value_depth)
    except SojournError as error:
        raise document.wrong(name, "a value of a session") from error
    return raw


def _step(document: Document, name: str) -> StepSummary:
    found = document.member(name)
    duration_us = found.number_or_none("duration_us", LONGEST_US)
    return StepSummary(found.number("run", 0, INT32_MAX), found.enum("status", StepStatus), duration_us)


def _known(document: Document, name: str, known: frozenset[str]) -> dict[str, int]:
    """The counts we have; others are of a server that knows more."""
    found = document.each(name, Document.number, _key)
    return {key: count for key, count in found.items() if key in known}


def _key(value: str) -> str:
    return check_name(value, "name", LIMITS.key_bytes)


def _label(value: str) -> str:
    return check_label(value, "label", LIMITS.label_bytes)


def _tag(value: str) -> str:
    return check_name(value, "tag", LIMITS.tag_bytes)


def _session_id(value: str) -> str:
    return check_session_id(value) if value else value


def _uid(value: str) -> None:
    if not _HEX16(value):
        raise InvalidFieldError("uid", "16 lower-case hexadecimal digits")


def _incarnation(value: str) -> None:
    if value and not _HEX16(value):
        raise InvalidFieldError("incarnation", "16 lower-case hexadecimal digits, or nothing")


def _sha256(value: str) -> None:
    if not _SHA256(value):
        raise InvalidFieldError("sha256", "64 lower-case hexadecimal digits")
