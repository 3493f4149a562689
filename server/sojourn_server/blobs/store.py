"""The BlobStore port on obstore: one implementation for a local directory and the object stores of the clouds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from ..domain.errors import BlobMissingError, BlobsUnavailableError
from ..ports.blobs import Blob

PIECE = 1 << 20
PART = 8 << 20
"""Bytes of a part of a multipart upload; a store that takes 10,000 parts takes objects of 80 GB."""

Store = LocalStore | S3Store | GCSStore | AzureStore


def open_store(url: str, **options: str) -> Store:
    """An object store for a URL: `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

    Credentials and endpoints come from the provider's own environment variables (`AWS_ENDPOINT_URL`, ...) or `options`.

    Raises:
        ValueError: another kind of URL.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            directory = Path(parts.path)
            directory.mkdir(parents=True, exist_ok=True)
            return LocalStore(directory)
        case "s3":
            return S3Store.from_url(url, config=options)  # type: ignore[arg-type]
        case "gs":
            return GCSStore.from_url(url, config=options)  # type: ignore[arg-type]
        case "az":
            return AzureStore.from_url(url, config=options)  # type: ignore[arg-type]
    raise ValueError("blobs URL: expected file:///directory, s3://, gs:// or az://")


class ObjectBlobs:
    """The contract of each method is `ports.BlobStore`'s."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> int:
        size = 0
        with _translated(path):
            writer = obstore.open_writer_async(self._store, path, buffer_size=PART, max_concurrency=2)
            async with _Upload(writer) as upload:
                async for piece in pieces:
                    size += len(piece)
                    await upload.write(piece)
        return size

    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if end is not None and end <= start:
            return
        with _translated(path):
            span: Any = (start, end) if end is not None else {"offset": start}
            result = await obstore.get_async(self._store, path, options={"range": span} if start or end else {})
            async for chunk in result.stream(min_chunk_size=PIECE):
                whole = memoryview(chunk)
                for begin in range(0, len(whole), PIECE):
                    yield bytes(whole[begin : begin + PIECE])

    async def head(self, path: str) -> Blob | None:
        try:
            with _translated(path):
                meta = await obstore.head_async(self._store, path)
        except BlobMissingError:
            return None
        return _blob(meta)

    async def move(self, source: str, target: str) -> None:
        try:
            with _translated(source):
                await obstore.rename_async(self._store, source, target)
        except BlobMissingError:
            if await self.head(target) is None:
                raise

    async def delete(self, path: str) -> None:
        with contextlib.suppress(BlobMissingError), _translated(path):
            await obstore.delete_async(self._store, path)

    async def list(self, prefix: str) -> AsyncIterator[Blob]:
        with _translated(prefix):
            async for batch in obstore.list(self._store, prefix):
                for meta in batch:
                    yield _blob(meta)


class _Upload:
    """A writer that is closed when all went well and given up otherwise, so that half an object is never seen."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    async def __aenter__(self) -> Any:
        return self._writer

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._writer.close()


def _blob(meta: Any) -> Blob:
    return Blob(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1e6))


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BlobMissingError(path) from None
    except (ObstoreError, OSError) as error:
        raise BlobsUnavailableError(str(error)) from error
