"""Artifacts: files, screenshots and traces of a session, sent and read in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from . import _paging
from ._sources import EXPECTED, Data, FileSource, MemorySource, Source, each, segments
from ._transport import faults, render_artifacts
from ._transport.artifacts import Sent
from ._transport.values import invalid
from .config import seconds
from .errors import (
    ArtifactCorruptError,
    InvalidFieldError,
    ProtocolError,
    SlowConsumerError,
    SojournError,
    UploadNotFoundError,
)
from .models import Artifact

if TYPE_CHECKING:
    from ._core import Core

__all__ = ["ArtifactReader", "Data", "Told"]

RESUMABLE = 32 << 20
"""Larger artifacts are sent so that a broken connection loses little."""
SEGMENT = 8 << 20
"""Bytes of an iterable that are held until the server has them."""

Told = Callable[[int, int | None], None]
"""Is told how many bytes are done, and how many there are (None: not known yet)."""


async def put(
    core: Core,
    session_id: str,
    name: str,
    data: Data,
    *,
    content_type: str | None,
    phase: str,
    labels: Mapping[str, str] | None,
    fencing_token: int | None,
    idempotency_key: str | None,
    progress: Told | None,
) -> Artifact:
    """Store bytes and attach them to a session."""
    upload = _Upload(
        core,
        render_artifacts.header(
            session_id,
            name,
            content_type=_guessed(name, data) if content_type is None else content_type,
            phase=phase,
            labels=labels or {},
            writer=core.behaviour.writer,
            idempotency_key=idempotency_key or core.mint_key(),
            fencing_token=fencing_token,
        ),
        progress or (lambda done, total: None),
    )
    if isinstance(data, bytes | bytearray | memoryview):
        return await upload.send(MemorySource(data))
    if isinstance(data, os.PathLike):
        source = await FileSource.open(data)
        try:
            return await upload.send(source)
        finally:
            source.close()
    if isinstance(data, str) or not isinstance(data, Iterable | AsyncIterable):
        raise invalid("data", EXPECTED)
    return await upload.send_all(each(cast("Iterable[bytes] | AsyncIterable[bytes]", data)))


class _Patience:
    """How long to go on when nothing gets on: the client's total deadline, anew with each bit of progress."""

    def __init__(self, core: Core) -> None:
        self._clock = asyncio.get_running_loop().time
        self._policy = core.behaviour.retry
        self._total = seconds(core.behaviour.timeouts.total)
        self.step = seconds(core.behaviour.timeouts.attempt)
        """Seconds for one message."""
        self.renew()

    def renew(self) -> None:
        """It got on."""
        self._deadline, self._retries = self._clock() + self._total, 0

    async def wait(self, error: SojournError) -> None:
        """Waits until trying again makes sense. Raises the error when there is no time left for that."""
        self._retries += 1
        wait = self._policy.delay(self._retries)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after.total_seconds())
        if self._clock() + wait >= self._deadline:
            raise error
        await asyncio.sleep(wait)


class _Upload:
    """One artifact on its way up."""

    def __init__(self, core: Core, header: Any, progress: Told) -> None:
        self._core = core
        self._header = header
        self._progress = progress
        self._id = ""
        self._stored = 0

    async def send(self, source: Source) -> Artifact:
        """Send a source of known size."""
        header = render_artifacts.whole(self._header, source.size, await source.sha256())
        if source.size > RESUMABLE:
            await self._begin()
            return _artifact(await self._go_on(header, source, 0, source.size, last=True))
        change = (self._header.session_id, self._header.idempotency_key)

        async def attempt(timeout: float) -> Sent:
            pieces = self._counted(source.pieces(0), 0, source.size)
            return await self._core.calls.artifacts.put(header, pieces, timeout)

        return _artifact(await self._core.call(attempt, change=change))

    async def send_all(self, pieces: AsyncIterator[bytes]) -> Artifact:
        """Send bytes that come only once: each segment is held until the server has it."""
        digest, size = hashlib.sha256(), 0
        async for segment, last in segments(pieces, SEGMENT):
            if last and not size:
                return await self.send(MemorySource(segment))
            if not size:
                await self._begin()
            await asyncio.to_thread(digest.update, segment)
            begin, size = size, size + len(segment)
            header = render_artifacts.whole(self._header, size, digest.hexdigest()) if last else self._header
            total = size if last else None
            sent = await self._go_on(header, MemorySource(segment), begin, total, last=last)
        return _artifact(sent)

    async def _begin(self) -> None:
        session_id = self._header.session_id
        self._id = await self._core.call(lambda timeout: self._core.calls.artifacts.begin_upload(session_id, timeout))

    async def _go_on(self, header: Any, source: Source, begin: int, total: int | None, *, last: bool) -> Sent:
        """Send the bytes of a source, the first of which is the upload's `begin`-th, until the server has them all.

        It is given up when within the client's total deadline nothing more was stored.
        """
        patience, stored, end = _Patience(self._core), begin, begin + source.size
        while True:
            if stored == end and not last:
                return Sent(None, stored)
            part = render_artifacts.part(header, self._id, stored, more=not last)
            pieces = self._counted(source.pieces(stored - begin), stored, total)
            try:
                return await self._core.calls.artifacts.put(part, pieces, patience.step)
            except SojournError as error:
                # What the broken stream brought was still being stored when we asked.
                moved = isinstance(error, InvalidFieldError) and error.field == "header.offset"
                if not (moved or faults.may_retry(error)):
                    raise
                await patience.wait(error)
            before, stored = stored, await self._ask()
            if stored > before:
                patience.renew()
            if not begin <= stored <= end:
                raise UploadNotFoundError(
                    "the server lost bytes of the upload", session_id=header.session_id, upload_id=self._id
                )

    async def _ask(self) -> int:
        session_id = self._header.session_id
        return await self._core.call(
            lambda timeout: self._core.calls.artifacts.stored_bytes(session_id, self._id, timeout)
        )

    async def _counted(self, pieces: AsyncIterator[bytes], done: int, total: int | None) -> AsyncIterator[bytes]:
        async for piece in pieces:
            yield piece
            done += len(piece)
            self._progress(done, total)


class ArtifactReader(AsyncIterator[bytes]):
    """The bytes of an artifact, in pieces, across broken connections. Iterated once.

    Whole artifacts are verified: the iteration ends with ArtifactCorruptError when the bytes are not those that were
    stored.
    """

    def __init__(
        self, core: Core, session_id: str, name: str, version: int | None, *, offset: int = 0, length: int | None = None
    ) -> None:
        self._core = core
        self._session_id, self._name, self._version = session_id, name, version
        self._offset, self._length = offset, length
        self._artifact: Artifact | None = None
        self._pieces = self._read()

    @property
    def artifact(self) -> Artifact | None:
        """What is known of the artifact; None before the first piece was asked for."""
        return self._artifact

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """End the download now. Safe to repeat."""
        await self._pieces.aclose()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        patience, digest, at = _Patience(self._core), hashlib.sha256(), self._offset
        while True:
            length = None if self._length is None else self._length - (at - self._offset)
            request = render_artifacts.get_artifact(
                self._session_id, self._name, self._version, offset=at, length=length
            )
            try:
                async with aclosing(self._core.calls.artifacts.get(request, patience.step)) as messages:
                    async for message in messages:
                        if isinstance(message, Artifact):
                            self._pin(message)
                            continue
                        if self._whole:
                            await asyncio.to_thread(digest.update, message)
                        at += len(message)
                        yield message
                        patience.renew()
                break
            except SojournError as error:
                if not (faults.may_retry(error) or isinstance(error, SlowConsumerError)):
                    raise
                await patience.wait(error)
        if self._whole and self._artifact and digest.hexdigest() != self._artifact.sha256:
            raise corrupt(self._artifact, digest.hexdigest())

    @property
    def _whole(self) -> bool:
        """Whether all of the artifact is read."""
        size = self._artifact.size_bytes if self._artifact else 0
        return not self._offset and (self._length is None or self._length >= size)

    def _pin(self, artifact: Artifact) -> None:
        """Goes on with the very artifact it began with."""
        if self._artifact and self._artifact.revision != artifact.revision:
            raise ProtocolError(f"artifact {self._name!r} is another one than before")
        self._artifact, self._version = artifact, artifact.version


def listed(
    core: Core, session_id: str, *, name: str, phase: str, content_type: str, newest_only: bool, limit: int | None
) -> AsyncIterator[Artifact]:
    """The artifacts of a session that match, in the order they were attached."""

    async def fetch(page_size: int, page_token: str) -> tuple[list[Artifact], str]:
        request = render_artifacts.list_artifacts(
            session_id,
            name=name,
            phase=phase,
            content_type=content_type,
            newest_only=newest_only,
            page_size=page_size,
            page_token=page_token,
        )
        return await core.call(lambda timeout: core.calls.artifacts.list(request, timeout))

    return _paging.paged(fetch, limit)


async def download(
    core: Core, session_id: str, name: str, path: os.PathLike[str] | str, version: int | None, progress: Told | None
) -> Artifact:
    """Read an artifact into a file, which is there whole and verified or not at all."""
    target, told = Path(path), progress or (lambda done, total: None)
    if await asyncio.to_thread(target.is_dir):
        raise IsADirectoryError(f"{target} is a directory: name the file")
    artifact = await _described(core, session_id, name, version)
    part = target.with_name(f".{artifact.sha256[:16]}.part")
    with await asyncio.to_thread(part.open, "ab+") as file:
        actual = await _fill(core, artifact, file, told)
    if actual != artifact.sha256:
        await asyncio.to_thread(part.unlink)
        raise corrupt(artifact, actual)
    await asyncio.to_thread(os.replace, part, target)
    return artifact


async def _fill(core: Core, artifact: Artifact, file: BufferedRandom, told: Told) -> str:
    """Append what the file lacks of the artifact; the SHA-256 of what is then in it."""

    def there() -> tuple[Any, int]:
        file.seek(0)
        return hashlib.file_digest(file, "sha256"), file.tell()

    def take(piece: bytes) -> None:
        file.write(piece)
        digest.update(piece)

    digest, done = await asyncio.to_thread(there)
    if done < artifact.size_bytes:
        reader = ArtifactReader(core, artifact.session_id, artifact.name, artifact.version, offset=done)
        async with aclosing(reader):
            async for piece in reader:
                await asyncio.to_thread(take, piece)
                done += len(piece)
                told(done, artifact.size_bytes)
    await asyncio.to_thread(file.flush)
    found: str = digest.hexdigest()
    return found


async def _described(core: Core, session_id: str, name: str, version: int | None) -> Artifact:
    request = render_artifacts.get_artifact(session_id, name, version, length=0)

    async def attempt(timeout: float) -> Artifact:
        async with aclosing(core.calls.artifacts.get(request, timeout)) as messages:
            async for message in messages:
                if isinstance(message, Artifact):
                    return message
        raise ProtocolError("the server did not say what the artifact is")

    return await core.call(attempt)


def corrupt(artifact: Artifact, actual: str) -> ArtifactCorruptError:
    """The error for bytes that are not those that were stored."""
    return ArtifactCorruptError(
        f"the bytes of artifact {artifact.name!r} are damaged",
        reason="ARTIFACT_CORRUPT",
        name=artifact.name,
        expected=artifact.sha256,
        actual=actual,
    )


def _artifact(sent: Sent) -> Artifact:
    if sent.artifact is None:
        raise ProtocolError("the server stored an artifact and did not say which")
    return sent.artifact


def _guessed(name: str, data: Data) -> str:
    """The media type that the name, else the file's, speaks of."""
    path = os.fspath(data) if isinstance(data, os.PathLike) else ""
    guessed = mimetypes.guess_type(name)[0] or mimetypes.guess_type(path)[0]
    return guessed or "application/octet-stream"
