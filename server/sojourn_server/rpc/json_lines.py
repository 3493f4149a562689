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
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from google.protobuf.json_format import MessageToJson, ParseDict

from sojourn.v1 import event_pb2

from ..domain.errors import FileInvalidError
from ..domain.events import StoredEvent
from ..domain.limits import Limits
from ..domain.session import Session
from ..ports.archives import ArchiveHeader, ArchivePart
from .render import timestamp

T = TypeVar("T")
VERSION = 1
INLINE_BYTES = 4 << 10
"""JSON of so many bytes is not worth a thread."""
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
            digest.update(data)
            yield data
            size = sum(len(event.body) for event in page)
            data = await _off_the_loop(size, lambda: b"".join(_line(session.id, event) for event in page))  # noqa: B023
            events += len(page)
        digest.update(data)
        end = {"end": {"events": events, "sha256": digest.hexdigest()}}
        yield data + json.dumps(end).encode() + b"\n"

    async def read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[ArchivePart]:
        """The contract is `Archives.read`'s, but that there is no session and no artifact in the file. What `frame` and
        `offset` of errors say is the number of the line and where it begins."""
        file = _File()
        async for lines in self._lines(pieces):
            known = file.header
            events = await _off_the_loop(sum(map(len, lines)), lambda: file.take(lines))  # noqa: B023
            if file.header is not None and known is None:
                yield file.header
            if events:
                yield events
        file.check_end()

    async def _lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
        """Whole lines with their ends, as many as a piece brings; none is longer than a line may be."""
        held = bytearray()
        number, offset, limit = 0, 0, HEADER_BYTES
        async for piece in pieces:
            begin, searched = 0, len(held)
            held += piece
            lines: list[bytes] = []
            while (end := held.find(b"\n", searched)) >= 0 and end < begin + limit:
                lines.append(bytes(held[begin : end + 1]))
                begin = searched = end + 1
                limit = self._line_bytes
            number, offset = number + len(lines), offset + begin
            if end >= 0 or len(held) - begin > limit:
                raise _wrong(f"a line has more than {limit} bytes", "limit", number + 1, offset)
            del held[:begin]
            if lines:
                yield lines
        if held:
            raise _wrong("the last line is not whole", "truncated", number + 1, offset)


class _File:
    """What was read of a file so far."""

    def __init__(self) -> None:
        self.header: ArchiveHeader | None = None
        self._digest = hashlib.sha256()
        self._number = self._offset = self._events = 0
        self._ended = False

    def take(self, lines: Sequence[bytes]) -> list[StoredEvent]:
        """The events in the next lines."""
        events = []
        for line in lines:
            self._number += 1
            if (event := self._take(line)) is not None:
                events.append(event)
            self._digest.update(line)
            self._offset += len(line)
        return events

    def check_end(self) -> None:
        """Nothing follows."""
        if not self._ended:
            raise _wrong("the file ends before its end", "truncated", self._number, self._offset)

    def _take(self, line: bytes) -> StoredEvent | None:
        place = self._number, self._offset
        if self._ended:
            raise _wrong("something follows the end", "content", *place)
        document = _parse(line, *place)
        if self.header is None:
            self.header = _header(document, self._offset)
        elif "end" in document:
            _check_end(document["end"], self._events, self._digest.hexdigest(), *place)
            self._ended = True
        else:
            self._events += 1
            return _event(document, self.header, *place)
        return None


async def _off_the_loop(size: int, work: Callable[[], T]) -> T:
    """Does work on so many bytes: in a thread, unless it is little."""
    return work() if size < INLINE_BYTES else await asyncio.to_thread(work)


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
