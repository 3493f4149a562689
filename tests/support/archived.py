"""Sessions as files: a session in which nothing is as it is by default, and files made by hand."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from sojourn_server.archive.files import SessionFiles
from sojourn_server.archive.frames import MAGIC, Kind
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.session import Session, SessionStatus, StepStatus, StepSummary
from sojourn_server.ports.archives import ArchivePart, ArtifactSource

UID, INCARNATION = "00000000000000aa", "00000000000000bb"
BEGAN_US = 1_700_000_000_000_000
COMPRESSED, OPTIONAL = 1, 2


def folded_of(revision: int = 3, **begins_with: Any) -> Folded:
    """A session at a revision; the rest as by default."""
    return Folded(Session("s", UID, INCARNATION, revision=revision, created_us=BEGAN_US, **begins_with))


def rich_session() -> Folded:
    """A session whose fields all have values of their own."""
    session = Session(
        "qa-1", UID, INCARNATION, kind="test-run", user_id="ann@example.com", project="shop", purpose="Überprüfung\n✓",
        parent="qa-0", status=SessionStatus.FAILED, error="3 steps failed", revision=3, created_us=BEGAN_US,
        updated_us=BEGAN_US + 3000, ended_us=BEGAN_US + 3000, idle_timeout_ms=60_000, max_lifetime_ms=3_600_000,
        max_concurrent_requests=4, admitted_requests=1, queued_requests=2, tags=["night", "ünder"],
        metadata={"build": b'{ "n" : 1.50, "n": 2 }'}, state={"a": b'"\\ud83d\\u0000"', "b": "[\"🙂\\\"\"]".encode()},
        results={"score": b"1e400"}, counters={"messages": 1, "steps": 2**60}, usage={"cost_micros": 2**63 - 1},
        tools={"click": 2}, steps={"login": StepSummary(2, StepStatus.SKIPPED, None)}, artifacts={"home.png": 7},
    )  # fmt: skip
    return Folded(session, {"i1": "r1/click", "i2": "/click"}, {"r1": True, "r2": False, "r3": False})


def events_of(folded: Folded, bodies: Sequence[bytes] | None = None) -> list[StoredEvent]:
    """A log as long as the session's revision says."""
    session = folded.session
    if bodies is None:
        bodies = [b"body %d" % n for n in range(session.revision)]
    return [
        StoredEvent(session.id, session.uid, session.incarnation, n, BEGAN_US + n * 1000, 0, 1 << (n % 8), body)
        for n, body in enumerate(bodies, 1)
    ]


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """These pieces."""
    for part in parts:
        yield part


def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The bytes in pieces of a size."""
    return pieces(*(data[begin : begin + size] for begin in range(0, len(data), size)))


async def pages(events: Sequence[StoredEvent], size: int = 100) -> AsyncIterator[Sequence[StoredEvent]]:
    """The events in pages."""
    for begin in range(0, len(events), size):
        yield events[begin : begin + size]


async def sources(*contents: bytes, piece: int = 70_000) -> AsyncIterator[ArtifactSource]:
    """Artifacts to write."""
    for content in contents:
        yield ArtifactSource(hashlib.sha256(content).hexdigest(), len(content), cut(content, piece))


async def file_of(
    folded: Folded, events: Sequence[StoredEvent] | None = None, *artifacts: bytes, level: int = 3
) -> bytes:
    """The bytes of a file."""
    log = events_of(folded) if events is None else events
    files = SessionFiles(producer="test", clock=lambda: BEGAN_US)
    return b"".join([piece async for piece in files.write(folded, pages(log), sources(*artifacts), level=level)])


async def parts_of(data: bytes, files: SessionFiles | None = None, piece: int = 1 << 16) -> list[ArchivePart]:
    """What is in a file; lists of events and bytes of an artifact are joined."""
    found: list[ArchivePart] = []
    async for part in (files or SessionFiles()).read(cut(data, piece)):
        last = found[-1] if found else None
        if isinstance(part, list) and isinstance(last, list):
            last += part
        elif isinstance(part, bytes) and isinstance(last, bytes):
            found[-1] = last + part
        else:
            found.append(part)
    return found


# --- by hand: as the page about the format says, and as nobody should ---


def frame(
    kind: int, payload: bytes, *, flags: int = 0, raw_length: int | None = None, stored_length: int | None = None,
    checksum: int | None = None,
) -> bytes:  # fmt: skip
    """A frame; what is not given is right."""
    stored = len(payload) if stored_length is None else stored_length
    raw = len(payload) if raw_length is None else raw_length
    crc = zlib.crc32(payload) if checksum is None else checksum
    fields = struct.pack(">BBIII", kind, flags, stored, raw, crc)
    return fields + struct.pack(">I", zlib.crc32(fields)) + payload


def record(revision: int, body: bytes = b"body", commit_us: int = BEGAN_US, mask: int = 2) -> bytes:
    """An event in a frame of events."""
    return struct.pack(">QQQI", revision, commit_us, mask, len(body)) + body


def entry(first: int, last: int, mask: int, offset: int, length: int) -> bytes:
    """An entry of the index."""
    return struct.pack(">QQQQI", first, last, mask, offset, length)


def header(**members: Any) -> bytes:
    """A frame HEADER of a session at revision 1; `members` are other members."""
    return frame(
        Kind.HEADER,
        document(
            {"session_id": "s", "uid": UID, "incarnation": INCARNATION, "revision": 1, "events": 1, "written_us": 1,
             "producer": "hand"} | members
        ),
    )  # fmt: skip


def session(**members: Any) -> bytes:
    """A frame SESSION to go with `header`."""
    return frame(Kind.SESSION, document({"session": session_members() | members}))


def session_members() -> dict[str, Any]:
    """The members of a session without which it is none."""
    return {"id": "s", "uid": UID, "incarnation": INCARNATION, "revision": 1, "status": "ACTIVE"}


def events(*records: bytes) -> bytes:
    """A frame EVENTS; without records, with the one of revision 1."""
    return frame(Kind.EVENTS, b"".join(records or [record(1)]))


def artifact(content: bytes, **members: Any) -> bytes:
    """A frame ARTIFACT."""
    return frame(
        Kind.ARTIFACT, document({"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | members)
    )


def document(members: Any) -> bytes:
    """JSON."""
    return json.dumps(members).encode()


def whole(*frames: bytes, index: bytes | None = None, **end: Any) -> bytes:
    """A file of these frames, with an end that says what is true of them; `end` are members of it that do not."""
    before = MAGIC + b"".join(frames)
    offset = len(before)
    if index is None:
        index = frame(Kind.INDEX, b"".join(_entries(frames)))
    before += index
    members = {"frames": len(frames) + 1, "events": 1, "sha256": hashlib.sha256(before).hexdigest()} | end
    return before + frame(Kind.END, document(members)) + trailer(offset, len(index))


def trailer(offset: int, length: int) -> bytes:
    """The last bytes of a file."""
    fields = struct.pack(">QI", offset, length)
    return fields + struct.pack(">I", zlib.crc32(fields)) + b"\x89SJE\r\n\x1a\x01"


def _entries(frames: Iterable[bytes]) -> Iterable[bytes]:
    """Entries for frames of events that are not compressed and hold what they should."""
    offset = len(MAGIC)
    for each in frames:
        if each[0] == Kind.EVENTS and len(each) >= 18 + 28:
            at, found, mask = 18, [], 0
            while at + 28 <= len(each):
                revision, _, kinds, size = struct.unpack_from(">QQQI", each, at)
                at, mask = at + 28 + size, mask | kinds
                found.append(revision)
            yield entry(found[0], found[-1], mask, offset, len(each))
        offset += len(each)
