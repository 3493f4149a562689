"""Planting: a session that was made elsewhere (a fork, an import) becomes a session of this deployment, whole or not at
all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from ..domain.details import Detail
from ..domain.errors import (
    AlreadyExistsError,
    BlobMissingError,
    BlobsUnavailableError,
    FileInvalidError,
    NotFoundError,
    OutcomeUnknownError,
    SojournError,
)
from ..domain.events import Committed, StoredEvent
from ..domain.fold import Folded
from ..domain.paths import snapshot_path
from ..domain.session import Session, SessionKey
from ..ports import ActiveStore
from ..ports.archives import Archives
from ..ports.blobs import BlobStore
from ..ports.tiers import FirstEvent, Residence, TierCatalog, WholeSession
from .background import Background
from .projecting import Projector

log = structlog.get_logger()

ADOPT_TRIES = 3


@dataclass
class Planting:
    """Snapshot, catalog row, active store: in this order, so that whatever state is left by a kill is a session whole
    or none at all."""

    store: ActiveStore
    """The real one: whoever has the id there."""
    archives: Archives
    blobs: BlobStore
    tiers: TierCatalog
    residence: Residence
    details: Callable[[bytes], Sequence[Detail]]
    background: Background
    projector: Projector

    async def plant(
        self, key: SessionKey, folded: Folded, pages: AsyncIterator[Sequence[StoredEvent]], event: FirstEvent | None
    ) -> Committed:
        """Stores a new session under `key`: `folded.session` (with the uid it is to have; its id and incarnation are
        set here) with its events 1 to `folded.session.revision` (`pages`, in order, read once; ids, uids, incarnations
        and sequences in them are set here), and `event` as its next revision. Returns the last commit: `event`'s, or
        without one the head as it was given.

        Whatever is raised, nothing of it is left, except after OutcomeUnknownError.

        Raises:
            AlreadyExistsError: a session has this id.
            CatalogUnavailableError, BlobsUnavailableError, StoreUnavailableError, StoreFullError: nothing happened.
            OutcomeUnknownError: the session may have been stored, then whole.
        """
        session = folded.session
        incarnation = await self.residence.incarnation(key)
        folded = replace(folded, session=replace(session, id=key.session_id, incarnation=incarnation))
        path = snapshot_path(session.uid, session.revision)
        try:
            await self.blobs.put(path, self.archives.write(folded, _stamped(pages, folded.session)))
        except BaseException:
            await self._delete(path)  # not there, unless its writing was confirmed too late
            raise
        # A caller that goes away meanwhile must not leave half of it.
        return await self.background.run(self._settle(key, folded, path, event), f"plant {key.session_id}")

    async def _settle(self, key: SessionKey, folded: Folded, path: str, event: FirstEvent | None) -> Committed:
        """From the snapshot on; takes it back when the session cannot be stored."""
        try:
            # A creation of this id must look into the catalog from now on.
            await self.residence.learn([key])
            await self._insert(key, folded.session, path)
        except AlreadyExistsError:
            await self._delete(path)  # the row is another's
            raise
        except BaseException as error:
            await self._take_back(key, folded.session.uid, path, error)
            raise
        try:
            return await self._adopt(key, folded, event)
        except OutcomeUnknownError:
            raise
        except BaseException as error:
            await self._take_back(key, folded.session.uid, path, error)
            raise

    async def _insert(self, key: SessionKey, session: Session, path: str) -> None:
        try:
            await self.tiers.insert(WholeSession(key.tenant, session, self._read_back(path)), snapshot_path=path)
        except AlreadyExistsError:
            # What is there may have been deleted, and the catalog does not know yet.
            await self.projector.project([key])
            await self.tiers.insert(WholeSession(key.tenant, session, self._read_back(path)), snapshot_path=path)

    async def _read_back(self, path: str) -> AsyncIterator[tuple[Sequence[StoredEvent], Sequence[Sequence[Detail]]]]:
        """The events of the snapshot, for the catalog: what it gets is what the snapshot holds, verified to the end."""
        try:
            async for part in self.archives.read(self.blobs.read(path)):
                if isinstance(part, list):
                    yield part, [self.details(event.body) for event in part]
        except (FileInvalidError, BlobMissingError) as error:
            log.error("what was stored a moment ago cannot be read", path=path, error=str(error))
            raise BlobsUnavailableError("what was stored cannot be read") from error

    async def _adopt(self, key: SessionKey, folded: Folded, event: FirstEvent | None) -> Committed:
        for attempt in range(ADOPT_TRIES):
            try:
                return await self.residence.adopt(key, folded, event, lost=False)
            except OutcomeUnknownError:
                if attempt == ADOPT_TRIES - 1:
                    raise
            except AlreadyExistsError:
                if (head := await self._ours(key, folded.session.uid)) is not None:
                    return Committed(head.revision, head.updated_us, head.uid, head.incarnation)
                raise
        raise AssertionError

    async def _ours(self, key: SessionKey, uid: str) -> Session | None:
        """The session in the active store, when it is the one that an attempt without an answer brought there."""
        try:
            head = await self.store.get(key, full=False)
        except NotFoundError:
            return None
        return head if head.uid == uid else None

    async def _take_back(self, key: SessionKey, uid: str, path: str, cause: BaseException) -> None:
        """First the row, then the snapshot that it names. A row that cannot be removed is a session, whole."""
        try:
            await self.tiers.remove(uid)
        except SojournError as error:
            log.warning("a session may be stored though it was refused", session=key.session_id, reason=error.reason)
            raise OutcomeUnknownError(f"session {key.session_id!r} may have been stored") from cause
        await self._delete(path)

    async def _delete(self, path: str) -> None:
        try:
            await self.blobs.delete(path)
        except SojournError as error:
            log.info("left to the sweep", path=path, reason=error.reason)


async def _stamped(pages: AsyncIterator[Sequence[StoredEvent]], session: Session) -> AsyncIterator[list[StoredEvent]]:
    """The events as this session's own. The sequence is that of no commit: the shard never made them."""
    async for page in pages:
        yield [
            StoredEvent(
                session.id, session.uid, session.incarnation, event.revision, event.commit_us, 0, event.mask, event.body
            )
            for event in page
        ]
