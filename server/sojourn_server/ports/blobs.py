"""The port of the blob store: bytes under names, kept cheaply.

Paths are made by the server, never by callers: lower-case letters, digits and `/ . - _`. Every method may raise
BlobsUnavailableError: nothing is known to have happened, and it may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Blob(NamedTuple):
    """What is known of a stored object. Size in bytes, time in microseconds by the blob store's clock."""

    path: str
    size: int
    modified_us: int


class BlobStore(Protocol):
    """Objects, whole or in pieces. An object that was put is visible whole or not at all."""

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> int:
        """Stores an object, replacing one of the same path; returns its size. Holds a few pieces in memory, never all.
        When `pieces` raises, nothing is stored."""
        ...

    def read(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to (not including) `end`, in pieces of at most 1 MiB.

        Raises:
            BlobMissingError: there is no such object.
        """
        ...

    async def head(self, path: str) -> Blob | None:
        """What is known of an object; None when there is none."""
        ...

    async def move(self, source: str, target: str) -> None:
        """Gives an object another path. Idempotent: done again it changes nothing. Raises BlobMissingError when neither
        is there."""
        ...

    async def delete(self, path: str) -> None:
        """Removes an object; one that is not there is no error."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Blob]:
        """Objects whose path begins with `prefix` (a whole number of path segments), in no order."""
        ...
