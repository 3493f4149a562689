"""Events out of the catalog or an archive, a bearable piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Protocol

from ..domain.errors import SojournError
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..ports import EventCodec

PIECE = 50
"""Events read at a time."""
PAGE_BYTES = 1 << 20
"""A page ends when it holds so much."""
MOST_PIECE, PIECE_BYTES = 1_000, 1 << 20
"""What is read at a time when all events are."""


class EventsMissingError(SojournError):
    """Not all events of a session are where they should be."""


class Read(Protocol):
    """Reads events between two revisions (exclusive), like `Catalog.events` of one session."""

    def __call__(
        self, *, after: int, before: int | None, mask: int, count: int, reverse: bool
    ) -> Coroutine[Any, Any, list[StoredEvent]]: ...


async def read_page(
    read: Read, *, after: int, before: int, mask: int, count: int, reverse: bool
) -> tuple[list[StoredEvent], bool]:
    """At most `count` events, and about a megabyte of them; and whether there are no more."""
    events: list[StoredEvent] = []
    size = 0
    while len(events) < count and size < PAGE_BYTES and after + 1 < before:
        wanted = min(PIECE, count - len(events))
        piece = await read(after=after, before=before, mask=mask, count=wanted, reverse=reverse)
        events += piece
        if len(piece) < wanted:
            return events, True
        size += sum(len(event.body) for event in piece)
        if reverse:
            before = piece[-1].revision
        else:
            after = piece[-1].revision
    return events, after + 1 >= before


async def all_events(read: Read, last: int, *, after: int = 0) -> AsyncIterator[list[StoredEvent]]:
    """The events of a session up to revision `last`, in order.

    Raises:
        EventsMissingError: they are not all there (any more).
    """
    count = PIECE
    while after < last:
        piece = await read(after=after, before=last + 1, mask=0, count=count, reverse=False)
        if [event.revision for event in piece] != list(range(after + 1, after + 1 + len(piece))) or not piece:
            raise EventsMissingError(f"events are missing after revision {after}")
        yield piece
        after += len(piece)
        average = sum(len(event.body) for event in piece) // len(piece) + 1
        count = max(1, min(MOST_PIECE, PIECE_BYTES // average))


async def fold_on(folded: Folded, pages: AsyncIterator[Sequence[StoredEvent]], codec: EventCodec) -> Folded:
    """Folds further events into a session; the same object, changed."""
    async for page in pages:
        await asyncio.to_thread(_fold, folded, page, codec.decode)
    return folded


def _fold(folded: Folded, page: Sequence[StoredEvent], decode: Callable[[bytes], Any]) -> None:
    """In a thread: taking events apart takes a while, and calls are served meanwhile."""
    for event in page:
        folded.add(decode(event.body), event.commit_us)
