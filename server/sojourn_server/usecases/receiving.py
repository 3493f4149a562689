"""Bytes on their way in: counted, hashed, and held against what was announced."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from ..domain.errors import ArtifactCorruptError, TooLargeError

SMALL = 64 << 10
"""Bytes hashed sooner than a thread is asked to."""


class Received:
    """What came through it so far, in bytes and their SHA-256.

    Args:
        name: of the artifact, for errors.
        size, sha256: what was announced; None and empty when nothing was.
        limit: most bytes.
    """

    def __init__(self, name: str, *, size: int | None, sha256: str, limit: int) -> None:
        self.size = 0
        self._name = name
        self._announced = size
        self._announced_sha256 = sha256
        self._limit = limit
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """In lower-case hexadecimal."""
        return self._hash.hexdigest()

    async def through(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Hands the pieces on.

        Raises, in place of the end of the pieces or before:
            TooLargeError: they are more than the limit.
            ArtifactCorruptError: they are not those announced.
        """
        async for piece in pieces:
            self.size += len(piece)
            if self._announced is not None and self.size > self._announced:
                raise self._other(f"{self._announced} bytes", "more")
            if self.size > self._limit:
                raise TooLargeError("data", actual=self.size, limit=self._limit)
            if len(piece) <= SMALL:
                self._hash.update(piece)
            else:
                await asyncio.to_thread(self._hash.update, piece)
            yield piece
        if self._announced is not None and self.size != self._announced:
            raise self._other(f"{self._announced} bytes", f"{self.size} bytes")
        if self._announced_sha256 and self._announced_sha256 != self.sha256:
            raise self._other(self._announced_sha256, self.sha256)

    def _other(self, expected: str, actual: str) -> ArtifactCorruptError:
        return ArtifactCorruptError(self._name, expected=expected, actual=actual, stored=False)
