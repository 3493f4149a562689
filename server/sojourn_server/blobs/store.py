"""The BlobStore port on obstore: one implementation for a local directory and the object stores of the clouds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import obstore
import structlog
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from ..domain.errors import BlobMissingError, BlobsUnavailableError
from ..ports.blobs import Blob

log = structlog.get_logger()

PIECE = 1 << 20
PART = 8 << 20
"""Bytes of a part of a multipart upload; a store that takes 10,000 parts takes objects of 80 GB."""
LARGE = 512 << 20
"""Bytes from which on an object is moved by reading and writing it. S3 copies by itself up to 5 GB, and says nothing
while it does, so that one cannot tell for how long to wait."""

CLIENT: Any = {
    "connect_timeout": timedelta(seconds=3),
    # Without an answer, or without a byte of one; a large object may take as long as it takes.
    "read_timeout": timedelta(seconds=15),
    "timeout": timedelta(hours=6),
}
RETRY: Any = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
"""Callers try again by themselves, later."""

Store = LocalStore | S3Store | GCSStore | AzureStore
_PATH = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*").fullmatch


class ObjectBlobs:
    """The contract of each method is `ports.BlobStore`'s."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> int:
        source = Source(pieces)
        with source.faults(checked(path)):
            await obstore.put_async(self._store, path, source.read(), chunk_size=PART, max_concurrency=2)
        return source.size

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if end is not None and end <= start:
            return
        span: Any = {"offset": start} if end is None else (start, end)
        with translated(checked(path)):
            try:
                result = await obstore.get_async(self._store, path, options={"range": span} if start or end else {})
            except ObstoreError:
                # To some a range that begins where the object ends is an error.
                found = await self.head(path)
                if found is None:
                    raise BlobMissingError(path) from None
                if found.size > start:
                    raise
                return
            async for chunk in result.stream(min_chunk_size=PIECE):
                whole = memoryview(chunk)
                for begin in range(0, len(whole), PIECE):
                    yield bytes(whole[begin : begin + PIECE])

    async def head(self, path: str) -> Blob | None:
        try:
            with translated(checked(path)):
                return _blob(await obstore.head_async(self._store, path))
        except BlobMissingError:
            return None

    async def move(self, source: str, target: str) -> None:
        try:
            found = await self.head(source)
            if found is not None and found.size >= LARGE:
                await self.put(checked(target), self.read(source))
                await self.delete(source)
                return
            with translated(checked(source)):
                await obstore.rename_async(self._store, source, checked(target))
        except BlobMissingError:
            if await self.head(target) is None:
                raise

    async def delete(self, path: str) -> None:
        with contextlib.suppress(BlobMissingError), translated(checked(path)):
            await obstore.delete_async(self._store, path)

    async def list(self, prefix: str) -> AsyncIterator[Blob]:
        with translated(prefix):
            async for batch in obstore.list(self._store, checked(prefix) if prefix else None):
                for meta in batch:
                    if _PATH(meta["path"]):  # else it is none of ours
                        yield _blob(meta)

    def close(self) -> None:
        """Gives back what is held."""


class Source:
    """What is put: counts it, and tells its own errors from those of the store."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self.size = 0
        self._pieces = pieces
        self._error: Exception | None = None

    async def read(self) -> AsyncIterator[bytes]:
        """The pieces."""
        try:
            async for piece in self._pieces:
                self.size += len(piece)
                yield piece
        except Exception as error:
            self._error = error
            raise

    @contextlib.contextmanager
    def faults(self, path: str) -> Iterator[None]:
        """Its own errors come out as they are, those of the store as the domain's."""
        try:
            with translated(path):
                yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise


def checked(path: str) -> str:
    """The server makes paths: one of another form is a defect, and must not leave the store."""
    if not _PATH(path):
        raise ValueError(f"not a path of a blob: {path!r}")
    return path


def _blob(meta: Any) -> Blob:
    return Blob(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1e6))


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Turns what a store raises into the domain's errors. The log has the details."""
    try:
        yield
    except FileNotFoundError:
        raise BlobMissingError(path) from None
    except (ObstoreError, OSError) as error:
        log.debug("the blob store does not answer", path=path, cause=str(error).partition("\n")[0])
        raise BlobsUnavailableError(_cause(error)) from error


def _cause(error: Exception) -> str:
    """What is wrong, without the addresses and names that callers are not told."""
    text = f"{type(error).__name__} {error}".lower()
    for signs, message in _CAUSES:
        if any(sign in text for sign in signs):
            return message
    return "it failed"


_CAUSES = (
    (("permissiondenied", "unauthenticated", "permission denied"), "it refuses our credentials"),
    (("no space left", "quota", "storage full", "507 "), "it has no room left"),
    (("nosuchbucket",), "its bucket does not exist"),
    (("kind: connect",), "it cannot be reached"),
    (("kind: timeout",), "it took too long"),
    (("kind: request", "kind: interrupted"), "the connection broke"),
)
"""Signs of it in an error's text; obstore has no codes."""
