"""A session out of a file of unknown origin: checked piece by piece, and stored whole or not at all."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import structlog

from ..domain import changes as ch
from ..domain.credible import CredibleHistory
from ..domain.effects import effects_of
from ..domain.errors import (
    AlreadyExistsError,
    FileInvalidError,
    InvalidFieldError,
    NotFoundError,
    OutcomeUnknownError,
    SojournError,
    TooLargeError,
)
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..domain.limits import check_session_id
from ..domain.paths import artifact_path, incoming_path
from ..domain.session import Session, SessionKey, SessionStatus
from ..ports import ActiveStore, ClockPort, EventCodec
from ..ports.archives import ArchivedArtifact, ArchiveHeader, ArchivePart
from ..ports.blobs import BlobStore
from ..ports.tiers import FirstEvent
from .exporting import ExportFormat
from .lifecycle import Places
from .planting import Planting
from .spooling import Spool

log = structlog.get_logger()

CLOCK_SKEW_S = 3600
"""How far the clocks of two deployments may be apart."""
LOST_BY_EXPORT = "the session was moved to another deployment"


class CheckedEvent(NamedTuple):
    """An event that holds nothing but what it should."""

    changes: list[ch.Change]
    mask: int
    body: bytes
    digests: frozenset[str]
    """SHA-256 of the artifacts that it attaches and whose bytes we are to have."""


Accepted = Callable[[], Awaitable[None]]


class EventChecker(Protocol):
    """Looks into the bodies of events."""

    def check(self, revision: int, body: bytes, uid: str, new_uid: str) -> CheckedEvent:
        """The event's changes, and its body as we would have written it, with the session's uid replaced.

        Raises:
            FileInvalidError: it is not an event, or breaks a limit.
        """
        ...


class FileReader(Protocol):
    """Reads files of one format; the contract is that of `Archives.read`, though JSON lines hold no session and no
    artifacts."""

    def read(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[ArchivePart]: ...


@dataclass(frozen=True, slots=True)
class ImportQuery:
    """What becomes of a file. An empty `session_id`: the file's own, or with `new_id` a minted one; format None: found
    out from its first byte."""

    session_id: str = ""
    new_id: bool = False
    dry_run: bool = False
    format: ExportFormat | None = None


class Imported(NamedTuple):
    """What was imported."""

    session: Session
    source_session_id: str
    events: int
    artifacts: int


@dataclass
class _Content:
    """What was found in a file so far. The history has the session's new uid already."""

    header: ArchiveHeader
    history: CredibleHistory
    new_uid: str
    session: Folded | None = None
    """What the file says it is."""
    digests: set[str] = field(default_factory=set)
    artifacts: int = 0


@dataclass
class Importing:
    """Reads files."""

    store: ActiveStore
    """Over all tiers."""
    archives: FileReader
    lines: FileReader
    checker: EventChecker
    planting: Planting
    places: Places
    blobs: BlobStore
    codec: EventCodec
    clock: ClockPort
    max_state_bytes: int
    max_bytes: int
    """Most bytes of events in a file."""
    max_artifact_bytes: int

    async def import_session(
        self, tenant: str, query: ImportQuery, pieces: AsyncIterator[bytes], accepted: Accepted
    ) -> Imported:
        """Stores the session that a file holds; with `dry_run`, only checks the file. `accepted` is called when the
        file's beginning is right and the id is free.

        Whatever is raised, nothing of it is left, except after OutcomeUnknownError; bytes of artifacts that nobody
        refers to may be left to the sweep.

        Raises:
            FileInvalidError: what is wrong with the file, and where.
            TooLargeError: the events have more bytes than may be imported, or an artifact has.
            AlreadyExistsError: a session has the id.
            LimitExceededError: the session's user has as many sessions as a user may have.
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError, StoreFullError, OutcomeUnknownError.
        """
        incoming: dict[str, str] = {}
        try:
            async with Spool(self.max_bytes) as spool:
                content = await self._read(tenant, query, pieces, spool, incoming, accepted)
                key = SessionKey(tenant, self._id(query, content))
                await self._refuse_taken(key)
                session = replace(content.history.folded.session, id=key.session_id, uid=content.new_uid)
                if not query.dry_run:
                    await self._store_artifacts(tenant, incoming)
                    session = await self._plant(key, replace(content.history.folded, session=session), spool)
                else:
                    session = replace(session, id="" if query.new_id else session.id, uid="", incarnation="")
                return Imported(session, content.header.session_id, content.history.revision, content.artifacts)
        finally:
            for path in incoming.values():
                await self._discard(path)

    async def _read(
        self, tenant: str, query: ImportQuery, pieces: AsyncIterator[bytes], spool: Spool, incoming: dict[str, str],
        accepted: Accepted,
    ) -> _Content:  # fmt: skip
        """Reads the file to its end; the events are in the spool then, and artifacts in `incoming`."""
        first, pieces = await _first(pieces)
        as_lines = query.format is ExportFormat.JSON_LINES if query.format else first[:1] == b"{"
        reader = self.lines if as_lines else self.archives
        async with aclosing(reader.read(pieces)) as parts:  # type: ignore[type-var]
            header = await anext(parts)
            assert isinstance(header, ArchiveHeader)
            latest = (self.clock.seconds() + CLOCK_SKEW_S) * 1_000_000
            history = CredibleHistory(header.session_id, latest_us=latest, max_state_bytes=self.max_state_bytes)
            content = _Content(header, history, secrets.token_hex(8))
            if not query.new_id:
                await self._refuse_taken(SessionKey(tenant, self._id(query, content)))
            await accepted()
            part = await anext(parts, None)
            while part is not None:
                if isinstance(part, ArchivedArtifact):
                    part = await self._receive(content, part, parts, None if query.dry_run else incoming)
                    continue
                if isinstance(part, list):
                    # Much work for large events; other calls go on meanwhile.
                    await spool.add(await asyncio.to_thread(self._check, content, part))
                elif isinstance(part, Folded):
                    content.session = part
                part = await anext(parts, None)
        self._check_whole(content)
        return content

    async def _receive(
        self, content: _Content, artifact: ArchivedArtifact, parts: AsyncIterator[ArchivePart],
        incoming: dict[str, str] | None,
    ) -> ArchivePart | None:  # fmt: skip
        """Takes an artifact's bytes, whose digest the reader checks (without `incoming`: only looks at them); returns
        what comes after them."""
        self._check_whole(content)
        if artifact.sha256 not in content.digests:
            raise FileInvalidError("the file has an artifact that no event attaches", problem="content")
        if artifact.size > self.max_artifact_bytes:
            raise TooLargeError("artifact", actual=artifact.size, limit=self.max_artifact_bytes)
        content.artifacts += 1
        following: list[ArchivePart] = []

        async def data() -> AsyncIterator[bytes]:
            async for part in parts:
                if not isinstance(part, bytes):
                    following.append(part)
                    return
                yield part

        if incoming is None:
            async for _ in data():
                pass
        else:
            path = incoming[artifact.sha256] = incoming_path()
            await self.blobs.put(path, data())
        return following[0] if following else None

    def _check(self, content: _Content, events: list[StoredEvent]) -> list[StoredEvent]:
        """The events as they are to be stored."""
        checked = []
        for event in events:
            found = self.checker.check(event.revision, event.body, content.header.uid, content.new_uid)
            content.history.add(event.revision, event.commit_us, found.changes)
            content.digests |= found.digests
            checked.append(replace(event, mask=found.mask, body=found.body, wire=None))
        return checked

    def _check_whole(self, content: _Content) -> None:
        """All events came; the session is what they add up to."""
        header, folded = content.header, content.history.folded
        if content.history.revision != header.revision:
            raise FileInvalidError(f"the file ends before event {header.revision}", problem="truncated")
        if folded.session.uid != content.new_uid:
            raise FileInvalidError("the events are of a session with another uid", problem="content")
        if content.session is not None and not _equal(content.session, folded):
            raise FileInvalidError("the session is not what its events add up to", problem="content")

    def _id(self, query: ImportQuery, content: _Content) -> str:
        if query.session_id:
            return query.session_id
        if query.new_id:
            return f"{content.history.folded.session.kind}-{self.clock.seconds()}-{secrets.token_hex(6)}"
        try:
            return check_session_id(content.header.session_id)
        except InvalidFieldError as error:
            raise FileInvalidError(f"the session's id in the file: {error}", problem="content") from None

    async def _refuse_taken(self, key: SessionKey) -> None:
        try:
            head = await self.store.get(key, full=False)
        except NotFoundError:
            return
        raise AlreadyExistsError(key.session_id, head.revision)

    async def _store_artifacts(self, tenant: str, incoming: dict[str, str]) -> None:
        """The bytes are where they belong before a session refers to them."""
        for sha256, path in list(incoming.items()):
            await self.blobs.move(path, artifact_path(tenant, sha256))
            del incoming[sha256]

    async def _plant(self, key: SessionKey, folded: Folded, spool: Spool) -> Session:
        session = folded.session
        user_id = session.user_id if session.status is SessionStatus.ACTIVE else ""
        await self.places.take(key, user_id)
        try:
            await self.planting.plant(key, folded, spool.pages(), self._end_requests(folded))
        except OutcomeUnknownError:
            raise
        except BaseException:
            await self.places.keep(key, user_id)
            raise
        return await self.store.get(key, full=True)

    def _end_requests(self, folded: Folded) -> FirstEvent | None:
        """Whoever held the live requests does so elsewhere."""
        if not folded.requests:
            return None
        lost = [ch.RequestLost(request_id, 0, LOST_BY_EXPORT) for request_id in folded.requests]
        return FirstEvent(effects_of(lost), self.codec.encode(lost, ""))

    async def _discard(self, path: str) -> None:
        try:
            await self.blobs.delete(path)
        except SojournError as error:
            log.info("left to the sweep", path=path, reason=error.reason)


def _equal(said: Folded, folded: Folded) -> bool:
    """Whether a session is what its events add up to, but for what is not its history's."""
    theirs, ours = said.session, folded.session
    same = replace(
        theirs, uid=ours.uid, incarnation=ours.incarnation, tier=ours.tier, snapshot_path=ours.snapshot_path,
        archive_path=ours.archive_path, connection_count=ours.connection_count,
    )  # fmt: skip
    return (same, said.open_invocations, said.requests) == (ours, folded.open_invocations, folded.requests)


async def _first(pieces: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes of a stream, and the whole stream."""
    first = b""
    async for first in pieces:
        if first:
            break

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return first, whole()
