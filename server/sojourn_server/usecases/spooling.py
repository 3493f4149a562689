"""Events in a temporary file: for what has to see all of a session before it can write the first byte."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import IO, Self

from ..domain.errors import TooLargeError
from ..domain.events import StoredEvent

_RECORD = struct.Struct("<qqqqI")
PAGE_BYTES = 1 << 20
PAGE_EVENTS = 500


class Spool:
    """Events that are added in order and read back in order, any number of times. A context manager: the file goes with
    it, and with the process.

    Args:
        limit: most bytes of events.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._file: IO[bytes]
        self._names = ("", "", "")
        self._size = 0
        self.events = 0

    async def __aenter__(self) -> Self:
        self._file = await asyncio.to_thread(tempfile.TemporaryFile, prefix="sojourn-")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._file.close)

    async def add(self, events: Sequence[StoredEvent]) -> None:
        """Appends events, all of one session. Raises TooLargeError."""
        if not events:
            return
        self._names = (events[0].session_id, events[0].uid, events[0].incarnation)
        pieces = []
        for event in events:
            body = event.body
            pieces.append(_RECORD.pack(event.revision, event.commit_us, event.sequence, event.mask, len(body)) + body)
        block = b"".join(pieces)
        self._size += len(block)
        if self._size > self._limit:
            raise TooLargeError("events", actual=self._size, limit=self._limit)
        self.events += len(events)
        await asyncio.to_thread(self._file.write, block)

    async def pages(self) -> AsyncIterator[list[StoredEvent]]:
        """All events, in pages of about 1 MiB. Nothing may be added meanwhile."""
        position = 0
        while position < self._size:
            page, position = await asyncio.to_thread(self._page, position)
            yield page

    def _page(self, position: int) -> tuple[list[StoredEvent], int]:
        self._file.flush()
        self._file.seek(position)
        page: list[StoredEvent] = []
        end = position
        while end < self._size and end - position < PAGE_BYTES and len(page) < PAGE_EVENTS:
            revision, commit_us, sequence, mask, length = _RECORD.unpack(self._file.read(_RECORD.size))
            body = self._file.read(length)
            page.append(StoredEvent(*self._names, revision, commit_us, sequence, mask, body))
            end += _RECORD.size + length
        self._file.seek(0, 2)
        return page, end
