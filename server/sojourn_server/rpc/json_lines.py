"""A session as JSON lines: a header, an event a line, an end that says how many there are and what their bytes add up
to.

    {"sojourn_export": 1, "session_id": "a", "uid": "5f2c...", "revision": 3, "export_time": "2026-03-01T12Z"}
    {"sessionId": "a", "revision": "1", "commitTime": "2026-03-01T11:00:00.123456Z", "changes": [...]}
    ...
    {"end": {"events": 3, "sha256": "9f86d0..."}}

The digest is that of all bytes before the last line. JSON values inside events are in Base64, as in every JSON form of
a protobuf message with bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from google.protobuf.json_format import MessageToJson, ParseDict

from sojourn.v1 import event_pb2

from ..domain.errors import FileInvalidError
from ..domain.events import StoredEvent
from ..domain.limits import Limits
from ..domain.session import Session
from ..ports.archives import ArchiveHeader, ArchivePart
from .render import timestamp

VERSION = 1
PIECE_BYTES = 1 << 20
PAGE_EVENTS = 200
HEADER_BYTES = 64 << 10
DEPTH = 16
_STRINGS = re.compile(rb'"[^"]*"?')
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
MOST_ITEMS = 200_000
"""Of one line: objects, lists and members. A write has at most 10,000 fields."""


class JsonLines:
    """Writes and reads files of JSON lines.

    Args:
        limits: what events may be.
    """

    def __init__(self, limits: Limits) -> None:
        # Control characters take six bytes in JSON, others at most as many as they have; Base64 adds a third.
        self._line_bytes = 6 * limits.write_bytes + (64 << 10)

    async def write(self, session: Session, pages: AsyncIterator[Sequence[StoredEvent]]) -> AsyncIterator[bytes]:
        """The bytes of the file of a session with these events."""
        digest, events = hashlib.sha256(), 0
        header = {
            "sojourn_export": VERSION,
            "session_id": session.id,
            "uid": session.uid,
            "revision": session.revision,
            "export_time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        data = json.dumps(header).encode() + b"\n"
        async for page in pages:
            for event in page:
                events += 1
                data += await _off_the_loop(len(event.body), _line, session.id, event)
                if len(data) >= PIECE_BYTES:
                    digest.update(data)
                    yield data
                    data = b""
        digest.update(data)
        end = {"end": {"events": events, "sha256": digest.hexdigest()}}
        yield data + json.dumps(end).encode() + b"\n"

    async def read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[ArchivePart]:
        """The contract is `Archives.read`'s, but that there is no session and no artifact in the file. What `frame` and
        `offset` of errors say is the number of the line and where it begins."""
        digest, number, offset = hashlib.sha256(), 0, 0
        header: ArchiveHeader | None = None
        events: list[StoredEvent] = []
        count = size = 0
        ended = False
        async for line in self._lines(pieces):
            number += 1
            if ended:
                raise _wrong("something follows the end", "content", number, offset)
            document = await _off_the_loop(len(line), _parse, line, number, offset)
            if header is None:
                header = _header(document, offset)
                yield header
            elif "end" in document:
                _check_end(document["end"], count, digest.hexdigest(), number, offset)
                ended = True
            else:
                events.append(_event(document, header, number, offset))
                count, size = count + 1, size + len(line)
                if len(events) >= PAGE_EVENTS or size >= PIECE_BYTES:
                    yield events
                    events, size = [], 0
            digest.update(line)
            offset += len(line)
        if not ended:
            raise _wrong("the file ends before its end", "truncated", number, offset)
        if events:
            yield events

    async def _lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Whole lines with their ends; none is longer than a line may be."""
        held = bytearray()
        number, offset, limit = 0, 0, HEADER_BYTES
        async for piece in pieces:
            begin, searched = 0, len(held)
            held += piece
            while (end := held.find(b"\n", searched)) >= 0:
                line = bytes(held[begin : end + 1])
                begin = searched = end + 1
                if len(line) > limit:
                    break
                number, offset, limit = number + 1, offset + len(line), self._line_bytes
                yield line
            else:
                del held[:begin]
                if len(held) <= limit:
                    continue
            raise _wrong(f"a line has more than {limit} bytes", "limit", number + 1, offset)
        if held:
            raise _wrong("the last line is not whole", "truncated", number + 1, offset)


async def _off_the_loop(size: int, work: Any, *args: Any) -> Any:
    """Does work that takes long for large things in a thread."""
    return work(*args) if size < 1 << 15 else await asyncio.to_thread(work, *args)


def _line(session_id: str, event: StoredEvent) -> bytes:
    message = event_pb2.Event.FromString(event.body)
    message.session_id = session_id
    message.revision = event.revision
    message.commit_time.CopyFrom(timestamp(event.commit_us))
    return MessageToJson(message, indent=None, ensure_ascii=False).encode() + b"\n"


def _parse(line: bytes, number: int, offset: int) -> dict[str, Any]:
    """A line as an object. What it would become is weighed before it is built: an object may be a hundred times as
    large as its text."""
    unescaped = line.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = _STRINGS.sub(b"", unescaped).translate(None, _NOT_STRUCTURE)
    if len(structure) > MOST_ITEMS:
        raise _wrong("a line has too many parts", "limit", number, offset)
    depth = 0
    for sign in structure:
        if sign in b"[{":
            depth += 1
            if depth > DEPTH:
                raise _wrong(f"nested deeper than {DEPTH} levels", "limit", number, offset)
        elif sign in b"]}":
            depth -= 1
    try:
        document = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _wrong("a line is not one JSON object in UTF-8", "content", number, offset)
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _header(document: dict[str, Any], offset: int) -> ArchiveHeader:
    version, session_id, uid, revision = (document.get(n) for n in ("sojourn_export", "session_id", "uid", "revision"))
    if type(version) is not int:
        raise _wrong("not a file that a session was exported to", "header", 1, offset)
    if version != VERSION:
        raise _wrong(f"version {version} of the format is not known here", "version", 1, offset)
    if not isinstance(session_id, str) or not isinstance(uid, str) or type(revision) is not int or revision < 1:
        raise _wrong("the header has no session_id, uid and revision", "header", 1, offset)
    return ArchiveHeader(version, session_id, uid, revision, revision, 0, "")


def _check_end(end: Any, count: int, digest: str, number: int, offset: int) -> None:
    if not isinstance(end, dict) or end.get("events") != count:
        raise _wrong(f"there are {count} events, not as many as the end says", "truncated", number, offset)
    if end.get("sha256") != digest:
        raise _wrong("the bytes are not those that were written", "checksum", number, offset)


def _event(document: dict[str, Any], header: ArchiveHeader, number: int, offset: int) -> StoredEvent:
    try:
        message = ParseDict(document, event_pb2.Event(), max_recursion_depth=DEPTH)
        commit_us = message.commit_time.seconds * 1_000_000 + message.commit_time.nanos // 1000
    except Exception as error:  # what it makes of hostile input is not only ParseError
        raise _wrong("a line is not the JSON form of an event", "content", number, offset) from error
    if message.session_id != header.session_id:
        raise _wrong("an event of another session", "content", number, offset)
    revision = message.revision
    for name in ("session_id", "revision", "commit_time", "cursor"):
        message.ClearField(name)
    body = message.SerializeToString(deterministic=True)
    return StoredEvent(header.session_id, header.uid, "", revision, commit_us, 0, 0, body)


def _wrong(message: str, problem: str, number: int, offset: int) -> FileInvalidError:
    return FileInvalidError(message, problem=problem, frame=number, offset=offset)
