"""Artifacts on their way up."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ._patience import Patience
from ._sources import EXPECTED, Data, FileSource, MemorySource, Source, Told, each, segments
from ._transport import faults, render_artifacts
from ._transport.artifacts import Sent
from ._transport.values import invalid
from .errors import InvalidFieldError, ProtocolError, SojournError, UploadNotFoundError
from .models import Artifact

if TYPE_CHECKING:
    from ._core import Core

RESUMABLE = 32 << 20
"""Larger artifacts are sent so that a broken connection loses little."""
SEGMENT = 8 << 20
"""Bytes of an iterable that are held until the server has them."""


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
        patience, stored, end, doubtful = Patience(self._core), begin, begin + source.size, False
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
                doubtful = doubtful or (last and faults.may_have_happened(error))
                failure = error
            try:
                await patience.wait(failure)
                before, stored = stored, await self._ask()
            except SojournError as error:
                if doubtful and faults.may_retry(error):
                    raise faults.outcome_unknown(error, header.session_id, header.idempotency_key) from error
                raise
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


def _artifact(sent: Sent) -> Artifact:
    if sent.artifact is None:
        raise ProtocolError("the server stored an artifact and did not say which")
    return sent.artifact


def _guessed(name: str, data: Data) -> str:
    """The media type that the name, else the file's, speaks of."""
    path = os.fspath(data) if isinstance(data, os.PathLike) else ""
    guessed = mimetypes.guess_type(name)[0] or mimetypes.guess_type(path)[0]
    return guessed or "application/octet-stream"
