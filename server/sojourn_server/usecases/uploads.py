"""Uploads that go on after their connection broke. All there is of one are objects in the blob store: any worker goes
on with it, and the sweep removes what nobody finished.

    <upload>/info               JSON: the id and the uid of the session
    <upload>/<offset>-<random>  the bytes from there on; two streams that store the same bytes do not meet
    <upload>/done               JSON: the revision that it became an artifact at
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

import structlog

from ..domain.errors import BlobMissingError, NotFoundError, SojournError
from ..domain.paths import upload_prefix
from ..domain.session import Session, SessionKey
from ..ports.blobs import BlobStore
from .background import Background

log = structlog.get_logger()

PART = 4 << 20
"""Bytes held in memory until they are stored: what is lost when this process dies."""
INFO, DONE = "info", "done"
_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_PART = re.compile(r"([0-9]{20})-[0-9a-f]{8}").fullmatch


class Facts(TypedDict, total=False):
    """What `info` and `done` hold."""

    session: str
    uid: str
    revision: int


class Part(NamedTuple):
    """A stored piece of an upload."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it was when it was looked at."""

    key: SessionKey
    id: str
    parts: list[Part] = field(default_factory=list)
    """Those that count: each begins where those before end, or within them."""
    stored: int = 0
    """Bytes from the first on without a gap."""
    others: list[str] = field(default_factory=list)
    """Paths of further parts."""
    revision: int = 0
    """At which it became an artifact; 0 while it has not."""

    @property
    def prefix(self) -> str:
        return upload_prefix(self.key.tenant, self.id)


class Uploads:
    """The uploads of all tenants."""

    def __init__(self, blobs: BlobStore, background: Background) -> None:
        self._blobs = blobs
        self._background = background

    async def begin(self, key: SessionKey, session: Session) -> str:
        """Opens an upload; returns its id."""
        upload = Upload(key, secrets.token_hex(16))
        await self._note(upload, INFO, {"session": key.session_id, "uid": session.uid})
        return upload.id

    async def look(self, key: SessionKey, uid: str, upload_id: str) -> Upload:
        """What is stored of an upload.

        Args:
            uid: of the session: an upload ends with its session.

        Raises:
            NotFoundError: UPLOAD_NOT_FOUND.
        """
        if not _ID(upload_id):
            raise NotFoundError.upload(key.session_id, upload_id)
        known = Upload(key, upload_id)
        parts, notes = [], set()
        async for blob in self._blobs.list(known.prefix):
            name = blob.path.rpartition("/")[2]
            if match := _PART(name):
                parts.append(Part(blob.path, int(match[1]), blob.size))
            else:
                notes.add(name)
        if INFO not in notes or (await self._read(known, INFO)).get("uid") != uid:
            raise NotFoundError.upload(key.session_id, upload_id)
        if DONE in notes:
            revision = (await self._read(known, DONE)).get("revision", 0)
            return Upload(key, upload_id, others=[part.path for part in parts], revision=revision)
        return _arranged(key, upload_id, parts)

    async def store(self, upload: Upload, pieces: AsyncIterator[bytes]) -> int:
        """Stores what comes after what is stored; returns how many bytes that are then. What came before `pieces`
        raised, or the caller was cancelled, is stored all the same."""
        offset, held, size = upload.stored, list[bytes](), 0
        try:
            async for piece in pieces:
                held.append(piece)
                size += len(piece)
                if size >= PART:
                    part, at, held = held, offset, []
                    offset, size = offset + size, 0
                    await self._background.run(self._put_part(upload, at, part), "store a part")
        except BaseException:
            if held:
                self._background.spawn(self._put_part(upload, offset, held), "store a part")
            raise
        if held:
            await self._background.run(self._put_part(upload, offset, held), "store a part")
        return offset + size

    async def bytes_of(self, upload: Upload) -> AsyncIterator[bytes]:
        """The stored bytes. Raises NotFoundError: UPLOAD_NOT_FOUND, when they were removed meanwhile."""
        at = 0
        try:
            for part in upload.parts:
                async for piece in self._blobs.read(part.path, start=at - part.offset):
                    yield piece
                at = part.offset + part.size
        except BlobMissingError:
            raise NotFoundError.upload(upload.key.session_id, upload.id) from None

    async def finish(self, upload: Upload, revision: int) -> None:
        """Notes that the upload became an artifact, and removes its parts. What fails is left to the sweep."""
        await self._background.run(self._finish(upload, revision), "finish an upload")

    async def _finish(self, upload: Upload, revision: int) -> None:
        try:
            await self._note(upload, DONE, {"revision": revision})
            for path in [*(part.path for part in upload.parts), *upload.others]:
                await self._blobs.delete(path)
        except SojournError as error:
            log.info("an upload is left to the sweep", reason=error.reason)

    async def _put_part(self, upload: Upload, offset: int, pieces: list[bytes]) -> None:
        await self._blobs.put(f"{upload.prefix}/{offset:020}-{secrets.token_hex(4)}", _each(pieces))

    async def _note(self, upload: Upload, name: str, facts: Facts) -> None:
        await self._blobs.put(f"{upload.prefix}/{name}", _each([json.dumps(facts).encode()]))

    async def _read(self, upload: Upload, name: str) -> Facts:
        try:
            raw = b"".join([piece async for piece in self._blobs.read(f"{upload.prefix}/{name}")])
        except BlobMissingError:
            raise NotFoundError.upload(upload.key.session_id, upload.id) from None
        facts: Facts = json.loads(raw)
        return facts


def _arranged(key: SessionKey, upload_id: str, parts: list[Part]) -> Upload:
    """Chooses the parts that together are the longest beginning without a gap."""
    chosen: list[Part] = []
    stored = 0
    for part in sorted(parts, key=lambda part: (part.offset, -part.size)):
        if part.offset <= stored < part.offset + part.size:
            chosen.append(part)
            stored = part.offset + part.size
    rest = {part.path for part in parts} - {part.path for part in chosen}
    return Upload(key, upload_id, chosen, stored, sorted(rest))


async def _each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
