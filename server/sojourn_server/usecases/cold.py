"""Reading sessions that are not in the active store. Nothing here moves anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from ..domain.cursor import SessionCursor
from ..domain.errors import BlobMissingError, FileInvalidError, SojournError, internal_error
from ..domain.events import StoredEvent
from ..domain.fold import Folded
from ..domain.paths import revision_of
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import EventCodec, EventPage, EventQuery
from ..ports.archives import Archives
from ..ports.blobs import BlobStore
from ..ports.catalog import Catalog
from .paging import EventsMissingError, Read, all_events, fold_on, read_page
from .positions import check_position, head_of, revision_at, rolled_back

log = structlog.get_logger()


class MovedError(Exception):
    """The session went to another tier while it was read: look where it is now."""


def is_retired(row: Session) -> bool:
    """Whether a hot session's row is that of one that may have left the active store: it has ended, and the newest
    snapshot holds all of it. If the active store does not have it, it is to be read as one of the recent tier."""
    return row.status is not SessionStatus.ACTIVE and revision_of(row.snapshot_path) == row.revision


@dataclass
class Cold:
    """Sessions as the catalog and the blob store have them. A *row* is a session as the catalog has it, with the tier
    it is read from; methods that take one raise MovedError when it is out of date.

    May raise CatalogUnavailableError, BlobsUnavailableError.
    """

    catalog: Catalog
    archives: Archives
    blobs: BlobStore
    codec: EventCodec

    async def find(self, key: SessionKey) -> Session | None:
        """The row of a session that the active store does not have; its tier is HOT when it was lost there, or came
        back to it meanwhile. None when the catalog does not know the session."""
        row = await self.catalog.get(key)
        if row and row.tier is Tier.HOT and is_retired(row):
            row.tier = Tier.RECENT
        return row

    async def session(self, key: SessionKey, row: Session, *, full: bool) -> Session:
        """The session; without `full`, state and results stay behind."""
        if not full:
            return row
        found = (await self.folded(key, row)).session
        return replace(
            found, tier=row.tier, snapshot_path=row.snapshot_path, archive_path=row.archive_path,
            incarnation=row.incarnation,
        )  # fmt: skip

    async def folded(self, key: SessionKey, row: Session) -> Folded:
        """The session with what is unfinished in it, as it is at its revision."""
        path = row.archive_path if row.tier is Tier.ARCHIVE else row.snapshot_path
        try:
            folded = await self.archives.session(self.blobs, path)
            if folded.session.uid == row.uid and folded.session.revision == row.revision:
                return folded
            error: Exception = FileInvalidError("another session, or another revision", problem="session")
        except BlobMissingError as missing:
            await self.check(key, row)
            error = missing
        except FileInvalidError as invalid:
            error = invalid
        if row.tier is Tier.ARCHIVE:
            raise damaged(path, error) from error
        # All events are in the catalog: nothing is lost but time.
        log.error("a snapshot cannot be read", path=path, error=str(error))
        return await self.fold(key, row, row.revision)

    async def fold(self, key: SessionKey, row: Session, revision: int) -> Folded:
        """The session as it was at a revision, from its events and, where it is of use, the newest snapshot."""
        base = Folded(Session(key.session_id, row.uid, row.incarnation))
        if 0 < revision_of(row.snapshot_path) <= revision:
            try:
                base = await self.archives.session(self.blobs, row.snapshot_path)
            except (BlobMissingError, FileInvalidError) as error:
                log.warning("folding without the snapshot", path=row.snapshot_path, error=str(error))
        pages = self.pages(key, row, revision, after=base.session.revision)
        return await fold_on(base, pages, self.codec)

    async def pages(
        self, key: SessionKey, row: Session, last: int, *, after: int = 0
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """All events of the session after a revision up to another, in order. Raises EventsMissingError."""
        try:
            with self.stored(row.archive_path):
                async for page in all_events(self._read(row), last, after=after):
                    yield page
        except EventsMissingError:
            await self.check(key, row)
            raise

    async def events(self, key: SessionKey, row: Session, query: EventQuery) -> EventPage:
        """A page of the session's whole log. Raises like `ActiveStore.events`, but no position is too old."""
        check_position(row, query.after)
        read = self._read(row)
        await self._check_seen(row, query.after, read)
        after, head = revision_at(query.after), head_of(row)
        before = head.revision + 1 if query.before is None else min(revision_at(query.before), head.revision + 1)
        with self.stored(row.archive_path):
            events, end = await read_page(
                read, after=after, before=before, mask=query.mask, count=query.count, reverse=query.reverse
            )
        if end:
            await self.check(key, row)  # the end of what there is, or of what is left there
        last = after + 1 if query.reverse else max(before - 1, after)
        scanned = last if end else events[-1].revision
        return EventPage(events, head, scanned=scanned, more=not end, tier=row.tier)

    async def check(self, key: SessionKey, row: Session) -> None:
        """Raises MovedError unless the session is still where its row says. Paths are never used twice, so one that
        left and came back shows."""
        now = await self.find(key)
        if now is None or _place(now) != _place(row):
            raise MovedError

    @contextmanager
    def stored(self, path: str) -> Iterator[None]:
        """Around reads of an archive: one that is not there has moved, one that is damaged is our fault."""
        try:
            yield
        except BlobMissingError as error:
            raise MovedError from error
        except FileInvalidError as error:
            raise damaged(path, error) from error

    def _read(self, row: Session) -> Read:
        if row.tier is Tier.ARCHIVE:
            return partial(self.archives.events, self.blobs, row.archive_path)
        return partial(self.catalog.events, row.uid)

    async def _check_seen(self, row: Session, position: int | SessionCursor, read: Read) -> None:
        """Raises PositionError (HISTORY_ROLLED_BACK) for a cursor of an event that is not the one in the log."""
        if not isinstance(position, SessionCursor) or not position.commit_us or not position.revision:
            return
        at = position.revision
        with self.stored(row.archive_path):
            seen = await read(after=at - 1, before=at + 1, mask=0, count=1, reverse=False)
        if not seen:
            raise MovedError
        if seen[0].commit_us != position.commit_us:
            raise rolled_back(row.id, row.revision)


def _place(row: Session) -> tuple[str, Tier, int, str, str]:
    return row.uid, row.tier, row.revision, row.snapshot_path, row.archive_path


def damaged(path: str, error: Exception) -> SojournError:
    """Of a stored file that is not what was written: what a caller is told."""
    hidden = internal_error()
    log.error("a stored file cannot be read", path=path, error=str(error), **hidden.metadata)
    return hidden
