"""Artifacts: bytes go straight through to the blob store, and an event attaches them to their session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..domain import changes as ch
from ..domain.artifacts import Artifact
from ..domain.details import ArtifactDetail, Detail
from ..domain.effects import INT64_MAX, effects_of
from ..domain.errors import (
    ArtifactCorruptError,
    BlobMissingError,
    ConflictError,
    FieldChangedError,
    InvalidFieldError,
    NotFoundError,
    TooLargeError,
)
from ..domain.events import Committed, Precondition, Write
from ..domain.paths import artifact_path, incoming_path
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, EventQuery
from ..ports.artifacts import ArtifactCatalog, ArtifactFilter, ArtifactPlace
from ..ports.blobs import BlobStore
from .background import Background
from .history import History
from .projecting import Projector
from .receiving import Received
from .uploads import Uploads


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """What bytes are to become; checked at the edge."""

    key: SessionKey
    name: str
    content_type: str = ""
    phase: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    sha256: str = ""
    upload_id: str = ""
    offset: int = 0
    more: bool = False
    writer: str = ""
    idempotency_key: str = ""
    fencing_token: int | None = None


class Stored(NamedTuple):
    """What became of a stream: an artifact, or so many bytes of an upload."""

    artifact: Artifact | None
    deduplicated: bool = False
    bytes: int = 0


@dataclass
class Artifacts:
    """The artifacts of sessions, whichever tier they are in."""

    store: ActiveStore
    blobs: BlobStore
    catalog: ArtifactCatalog
    projector: Projector
    history: History
    uploads: Uploads
    background: Background
    encode: Callable[[Artifact, str], bytes]
    """The body of the event that attaches an artifact; with the writer's label."""
    read_details: Callable[[bytes], Sequence[Detail]]
    """What an event's body holds."""
    max_bytes: int

    async def check(self, new: NewArtifact) -> Session:
        """Looks whether the bytes are worth sending.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED.
            ConflictError: SESSION_ENDED. One with an idempotency key may be attached already: that is seen later.
            TooLargeError: more bytes than allowed are announced.
        """
        if new.size is not None and new.size > self.max_bytes:
            raise TooLargeError("header.size_bytes", actual=new.size, limit=self.max_bytes)
        session = await self.store.get(new.key, full=False)
        if session.status is not SessionStatus.ACTIVE and not new.idempotency_key:
            status = session.status.name
            raise ConflictError(
                f"session {session.id!r} has ended: {status}",
                reason="SESSION_ENDED", session_id=session.id, status=status, revision=str(session.revision),
            )  # fmt: skip
        return session

    async def put(self, new: NewArtifact, pieces: AsyncIterator[bytes]) -> Stored:
        """Stores bytes and attaches them, or only stores them as the next of an upload.

        Whatever `pieces` raises is raised; nothing is attached then.

        Raises like `check`, and:
            ArtifactCorruptError: other bytes than announced.
            InvalidFieldError: the offset is not where the upload is.
            NotFoundError: UPLOAD_NOT_FOUND.
            ConflictError: FENCING_TOKEN_REJECTED, IDEMPOTENCY_KEY_REUSED.
        """
        if not new.upload_id:
            return await self._receive(new, pieces)
        session = await self.check(new)
        upload = await self.uploads.look(new.key, session.uid, new.upload_id)
        if upload.revision:
            return Stored(await self._attached_at(new.key, session.uid, upload.revision), deduplicated=True)
        if new.offset != upload.stored:
            raise InvalidFieldError("header.offset", f"{upload.stored}, the bytes that are stored")
        stored = await self.uploads.store(upload, self._bounded(new, pieces))
        if new.more:
            return Stored(None, bytes=stored)
        upload = await self.uploads.look(new.key, session.uid, new.upload_id)
        result = await self._receive(new, self.uploads.bytes_of(upload))
        if result.artifact:
            await self.uploads.finish(upload, result.artifact.revision)
        return result

    async def begin_upload(self, key: SessionKey) -> str:
        """Opens an upload; returns its id. Raises NotFoundError, and ConflictError: SESSION_ENDED."""
        return await self.uploads.begin(key, await self.check(NewArtifact(key, "")))

    async def stored_of(self, key: SessionKey, upload_id: str) -> int:
        """How many bytes of an upload are stored; of one that became an artifact all.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED, UPLOAD_NOT_FOUND.
        """
        session = await self.store.get(key, full=False)
        upload = await self.uploads.look(key, session.uid, upload_id)
        if not upload.revision:
            return upload.stored
        return (await self._attached_at(key, session.uid, upload.revision)).size_bytes

    async def list(
        self, key: SessionKey, wanted: ArtifactFilter, *, after: ArtifactPlace | None, count: int
    ) -> tuple[list[Artifact], ArtifactPlace | None]:
        """A page of a session's artifacts in the order they were attached, and the place to go on after; None at the
        end. Everything acknowledged before is seen."""
        session = await self._projected(key)
        found = await self.catalog.artifacts(session.uid, wanted, after=after, count=count + 1)
        page = found[:count]
        return page, (page[-1].revision, page[-1].position) if len(found) > count else None

    async def get(self, key: SessionKey, name: str, version: int) -> Artifact:
        """One artifact; version 0: the one attached last.

        Raises:
            NotFoundError: SESSION_NOT_FOUND, SESSION_DELETED, ARTIFACT_NOT_FOUND (also: its bytes are kept elsewhere).
        """
        session = await self._projected(key)
        found = await self.catalog.artifact(session.uid, name, version)
        if found is None:
            raise NotFoundError.artifact(key.session_id, name, version)
        if not found.is_ours:
            raise NotFoundError(
                f"the bytes of artifact {name!r} are kept elsewhere", reason="ARTIFACT_NOT_FOUND",
                session_id=key.session_id, name=name, version=str(found.version), uri=found.uri,
            )  # fmt: skip
        return found

    async def read(self, key: SessionKey, artifact: Artifact, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes of an artifact from `start` up to `end`. Raises ArtifactCorruptError: some are missing, or at the end
        of the whole artifact, they are not those that were stored."""
        whole = start == 0 and end == artifact.size_bytes
        received = Received(artifact.name, size=None, sha256="", limit=INT64_MAX)
        try:
            async for piece in received.through(
                self.blobs.read(artifact_path(key.tenant, artifact.sha256), start=start, end=end)
            ):
                yield piece
        except BlobMissingError:
            raise _damaged(artifact, "no bytes") from None
        if received.size != end - start:
            raise _damaged(artifact, f"{start + received.size} bytes")
        if whole and received.sha256 != artifact.sha256:
            raise _damaged(artifact, received.sha256)

    async def _receive(self, new: NewArtifact, pieces: AsyncIterator[bytes]) -> Stored:
        received = Received(new.name, size=new.size, sha256=new.sha256, limit=self.max_bytes)
        path = incoming_path()
        try:
            await self.blobs.put(path, received.through(pieces))
            target = artifact_path(new.key.tenant, received.sha256)
            known = await self.blobs.head(target) is not None
            # Also over bytes that are there: who sweeps must see that somebody needs them from now on.
            await self.blobs.move(path, target)
        except BaseException:
            self.background.spawn(self.blobs.delete(path), "delete bytes that were not taken")
            raise
        return Stored(await self._attach(new, received), known)

    async def _attach(self, new: NewArtifact, received: Received) -> Artifact:
        artifact = Artifact(
            new.key.session_id, new.name, 0, new.content_type, received.size, received.sha256, new.phase, new.labels
        )
        # A retry is known by all but the version, which is ours to choose.
        identity = self.encode(artifact, new.writer)
        while True:  # each time somebody else was quicker: they all get on
            last = (await self.store.get(new.key, full=False)).artifacts.get(new.name, 0)
            if last == INT64_MAX:
                raise ConflictError(
                    f"artifact {new.name!r} has the last version there is",
                    reason="INTEGER_OVERFLOW", session_id=new.key.session_id, key=new.name,
                )  # fmt: skip
            artifact = replace(artifact, version=last + 1)
            try:
                committed = await self.store.write(self._write(new, artifact, identity, last))
            except FieldChangedError:
                continue
            if committed.replayed:
                return await self._attached_at(new.key, committed.uid, committed.revision)
            return _at(artifact, committed)

    def _write(self, new: NewArtifact, artifact: Artifact, identity: bytes, last: int) -> Write:
        return Write(
            new.key,
            effects_of([ch.ArtifactAttached(artifact.name, artifact.version)]),
            self.encode(artifact, new.writer),
            Precondition(fencing_token=new.fencing_token),
            new.idempotency_key,
            expects={f"a:{artifact.name}": str(last) if last else ""},
            identity=identity,
        )

    async def _attached_at(self, key: SessionKey, uid: str, revision: int) -> Artifact:
        """The artifact that the event with this revision attached."""
        page = await self.history.events(key, EventQuery(after=revision - 1, before=revision + 1, count=1))
        for event in page.events:
            for position, detail in enumerate(self.read_details(event.body) if event.uid == uid else ()):
                if isinstance(detail, ArtifactDetail):
                    return Artifact(
                        key.session_id, detail.name, detail.version, detail.content_type, detail.size_bytes,
                        detail.sha256, detail.phase, detail.labels, detail.uri, revision, position, event.commit_us,
                    )  # fmt: skip
        raise NotFoundError.missing(key.session_id)  # replaced by another session meanwhile

    async def _bounded(self, new: NewArtifact, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces, as long as they are not too many for the upload."""
        size = new.offset
        async for piece in pieces:
            size += len(piece)
            if new.size is not None and size > new.size:
                raise ArtifactCorruptError(new.name, expected=f"{new.size} bytes", actual="more", stored=False)
            if size > self.max_bytes:
                raise TooLargeError("data", actual=size, limit=self.max_bytes)
            yield piece

    async def _projected(self, key: SessionKey) -> Session:
        """The session as the catalog has it, up to date."""
        await self.projector.project([key])
        session = await self.catalog.get(key)
        return session or await self.store.get(key, full=False)  # says whether it was deleted


def _at(artifact: Artifact, committed: Committed) -> Artifact:
    return replace(artifact, revision=committed.revision, created_us=committed.commit_us)


def _damaged(artifact: Artifact, actual: str) -> ArtifactCorruptError:
    return ArtifactCorruptError(artifact.name, expected=artifact.sha256, actual=actual, stored=True)
