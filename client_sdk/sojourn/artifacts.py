"""Artifacts: files, screenshots and traces of a session, read in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import _paging
from ._patience import Patience
from ._sources import Data, Told
from ._transport import faults, render_artifacts
from .errors import ArtifactCorruptError, ProtocolError, SlowConsumerError, SojournError
from .models import Artifact

if TYPE_CHECKING:
    from ._core import Core

__all__ = ["ArtifactReader", "Data", "Told"]


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
        patience, digest, at = Patience(self._core), hashlib.sha256(), self._offset
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
