"""Where the bytes of an artifact come from: memory, a file, or whatever yields them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from ._transport.values import invalid

Data = bytes | bytearray | memoryview | os.PathLike[str] | Iterable[bytes] | AsyncIterable[bytes]
"""What an artifact may be made of."""

Told = Callable[[int, int | None], None]
"""Is told how many bytes are done, and how many there are (None: not known yet)."""

PIECE = 1 << 20
EXPECTED = "bytes, a path (pathlib.Path), or an iterable of bytes"


class Source(Protocol):
    """Bytes that can be read again from any place on: what a broken connection lost is sent once more."""

    size: int

    def pieces(self, start: int) -> AsyncIterator[bytes]:
        """The bytes from `start` on."""
        ...

    async def sha256(self) -> str:
        """Of all of it, in lower-case hexadecimal."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


class MemorySource:
    """Bytes that are there."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B") if isinstance(data, memoryview) else memoryview(data)
        self.size = len(self._view)

    async def pieces(self, start: int) -> AsyncIterator[bytes]:
        for at in range(start, self.size, PIECE):
            yield bytes(self._view[at : at + PIECE])

    async def sha256(self) -> str:
        return (await asyncio.to_thread(hashlib.sha256, self._view)).hexdigest()

    def close(self) -> None:
        """Nothing is held."""


class FileSource:
    """A file of a known size; it must not change meanwhile."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    @classmethod
    async def open(cls, path: os.PathLike[str]) -> FileSource:
        """Raises OSError."""
        return cls(await asyncio.to_thread(Path(path).open, "rb"))

    async def pieces(self, start: int) -> AsyncIterator[bytes]:
        await asyncio.to_thread(self._file.seek, start)
        while piece := await asyncio.to_thread(self._file.read, PIECE):
            yield piece

    async def sha256(self) -> str:
        def digest() -> str:
            self._file.seek(0)
            return hashlib.file_digest(self._file, "sha256").hexdigest()

        return await asyncio.to_thread(digest)

    def close(self) -> None:
        self._file.close()


async def each(data: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The pieces of an iterable, sync or async. Raises InvalidFieldError for what are no bytes."""
    if isinstance(data, AsyncIterable):
        async for piece in data:
            yield _bytes(piece)
    else:
        for piece in data:
            yield _bytes(piece)


async def segments(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[tuple[bytes, bool]]:
    """The pieces in segments of `size` bytes or a little more, each with whether it is the last; at least one."""
    held = bytearray()
    whole: bytes | None = None
    async for piece in pieces:
        held += piece
        if len(held) >= size:
            if whole is not None:
                yield whole, False
            whole, held = bytes(held), bytearray()
    if whole is not None and held:
        yield whole, False
        whole = None
    yield (bytes(held) if whole is None else whole), True


def _bytes(piece: object) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise invalid("data", EXPECTED)
    return bytes(piece)
