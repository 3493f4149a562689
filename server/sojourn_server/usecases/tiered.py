"""The ActiveStore port over all tiers: reads fall through, writes bring a session back first.

A read moves nothing. At every moment a session is whole in the active store, in the catalog with a snapshot, or in an
archive; while it moves, it is in both places, the same in each. So a read asks the places in the order in which
sessions leave them, and begins anew when the session moved under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..domain.errors import (
    AlreadyExistsError,
    ConflictError,
    MaybeElsewhereError,
    NotFoundError,
    PositionError,
    SojournError,
    is_missing,
)
from ..domain.events import Committed, Durability, Precondition, Write
from ..domain.session import Session, SessionKey, SessionStatus, Tier
from ..ports import ActiveStore, EventPage, EventQuery
from ..ports.tiers import Residence
from .background import Background
from .cold import Cold, MovedError
from .positions import rolled_back
from .recovery import Recovery
from .returning import PAUSE, ROUNDS, Returning, too_fast
from .wiping import Wiping

T = TypeVar("T")

AT_ONCE = 8
"""Sessions of a batch that are read from other tiers at a time."""


@dataclass
class TieredStore:
    """The contract of each method is `ports.ActiveStore`'s, for sessions of every tier. Besides its errors: of sessions
    that are not in the active store CatalogUnavailableError and BlobsUnavailableError, and, of a write to one that had
    to be restored, PositionError (HISTORY_ROLLED_BACK); then nothing of the write happened."""

    store: ActiveStore
    """The real one."""
    residence: Residence
    cold: Cold
    returning: Returning
    recovery: Recovery
    wiping: Wiping
    background: Background

    @property
    def durability(self) -> Durability:
        return self.store.durability

    async def create(self, write: Write, *, or_get: bool, checked: bool = False) -> tuple[Committed, bool]:
        try:
            return await self.store.create(write, or_get=or_get, checked=checked)
        except MaybeElsewhereError as maybe:
            row = await self.cold.find(write.key)
            if row is None or row.uid == maybe.deleted_uid:
                return await self.store.create(write, or_get=or_get, checked=True)
            if not or_get:
                raise AlreadyExistsError(write.key.session_id, row.revision) from None
            return Committed(row.revision, row.updated_us, row.uid, row.incarnation), False

    async def mint(self, tenant: str, idempotency_key: str, proposed: str) -> str:
        return await self.store.mint(tenant, idempotency_key, proposed)

    async def write(self, write: Write) -> Committed:
        do = partial(self.store.write, write)
        try:
            return await self.change(write.key, do, partial(refuse, write.precondition, on_ended=write.on_ended))
        except PositionError as error:
            self._notice(write, error)
            raise

    async def write_many(self, writes: Sequence[Write]) -> list[Committed | SojournError]:
        if self.recovery.doubtful:
            await self.recovery.make_whole(write.key for write in writes)
        results = await self.store.write_many(writes)
        missing = [i for i, result in enumerate(results) if is_missing(result)]
        by_session: dict[SessionKey, list[int]] = {}
        for i in missing:
            by_session.setdefault(writes[i].key, []).append(i)

        async def again(numbers: list[int]) -> None:
            for i in numbers:
                try:
                    results[i] = await self.write(writes[i])
                except SojournError as error:
                    results[i] = error

        for i, result in enumerate(results):
            if isinstance(result, PositionError) and not is_missing(result):
                self._notice(writes[i], result)
        await _at_once([partial(again, numbers) for numbers in by_session.values()])
        return results

    async def get(self, key: SessionKey, *, full: bool) -> Session:
        return await self._read(
            key, partial(self.store.get, key, full=full), lambda row: self.cold.session(key, row, full=full)
        )

    async def get_many(self, keys: Sequence[SessionKey], *, full: bool) -> list[Session | SojournError]:
        if self.recovery.doubtful:
            await self.recovery.make_whole(keys)
        results = await self.store.get_many(keys, full=full)
        missing = [i for i, result in enumerate(results) if is_missing(result)]

        async def elsewhere(i: int) -> None:
            with suppress(NotFoundError):
                try:
                    results[i] = await self.get(keys[i], full=full)
                except NotFoundError:
                    raise
                except SojournError as error:
                    results[i] = error

        if missing:
            maybe = await self.residence.may_be_elsewhere([keys[i] for i in missing])
            await _at_once([partial(elsewhere, i) for i, there in zip(missing, maybe, strict=True) if there])
        return results

    async def delete(self, key: SessionKey, *, expected_revision: int | None, idempotency_key: str) -> int:
        do = partial(self.store.delete, key, expected_revision=expected_revision, idempotency_key=idempotency_key)
        expected = Precondition(expected_revision=expected_revision)
        last = await self.change(key, do, partial(refuse, expected, on_ended=True))
        # Nobody can read it any more; what is left of it is cleared away while the caller goes on.
        self.background.spawn(self.wiping.wipe(key), f"wipe {key.session_id}")
        return last

    async def events(self, key: SessionKey, query: EventQuery) -> EventPage:
        return await self._read(
            key, partial(self.store.events, key, query), lambda row: self.cold.events(key, row, query)
        )

    async def newest(self, tenant: str, *, after: tuple[int, str] | None, count: int) -> list[tuple[int, str]]:
        return await self.store.newest(tenant, after=after, count=count)

    async def trim(self, key: SessionKey, *, before: int) -> None:
        await self.store.trim(key, before=before)

    async def change(
        self, key: SessionKey, do: Callable[[], Awaitable[T]], refuse: Callable[[Session], None] | None = None
    ) -> T:
        """Does something to a session in the active store, where it is brought back to if need be.

        Args:
            do: raises NotFoundError when the active store does not have the session.
            refuse: given a session of another tier, raises what `do` would; so that what would be refused anyway does
                not bring it back.
        """
        missing: SojournError
        for attempt in range(ROUNDS):
            if self.recovery.doubtful:
                await self.recovery.make_whole([key])
            try:
                return await do()
            except (NotFoundError, PositionError) as error:
                if not is_missing(error):
                    raise
                missing = NotFoundError.missing(key.session_id) if isinstance(error, NotFoundError) else error
            if refuse and (row := await self._row(key)):
                refuse(row)
            try:
                returned = await self.returning.bring(key)
            except NotFoundError as error:
                raise missing if is_missing(error) else error from None
            if returned.restored:
                raise rolled_back(key.session_id, (await self.get(key, full=False)).revision)
            await asyncio.sleep(PAUSE * attempt)
        raise too_fast(key)

    def _notice(self, write: Write, error: PositionError) -> None:
        """What a writer had seen may be lost."""
        if error.reason == "HISTORY_ROLLED_BACK" and write.precondition.known:
            self.recovery.losses.noticed(write.key, write.precondition.known)

    async def _row(self, key: SessionKey) -> Session | None:
        """A session's row, when it is in another tier."""
        if not (await self.residence.may_be_elsewhere([key]))[0]:
            return None
        row = await self.cold.find(key)
        return None if row is None or row.tier is Tier.HOT else row

    async def _read(
        self, key: SessionKey, hot: Callable[[], Awaitable[T]], cold: Callable[[Session], Awaitable[T]]
    ) -> T:
        """Reads in the active store, else where the catalog says."""
        for attempt in range(ROUNDS):
            if attempt:
                await asyncio.sleep(PAUSE * attempt)
            if self.recovery.doubtful:
                await self.recovery.make_whole([key])
            try:
                return await hot()
            except (NotFoundError, PositionError) as error:
                if not is_missing(error):
                    raise
                missing = NotFoundError.missing(key.session_id) if isinstance(error, NotFoundError) else error
            if attempt == 0 and not (await self.residence.may_be_elsewhere([key]))[0]:
                raise missing
            row = await self.cold.find(key)
            if row is None and attempt:
                raise missing
            if row is None:
                continue  # it may have been created, or deleted, in this very moment
            if row.tier is Tier.HOT:
                if attempt:  # it did not come back in this very moment: it is lost
                    await self.recovery.restore(key)
                continue
            with suppress(MovedError):
                return await cold(row)
        raise too_fast(key)


def refuse(precondition: Precondition, row: Session, *, on_ended: bool) -> None:
    """Raises what the active store would raise of a write to a session that has ended, in the same order."""
    sid, revision, status = row.id, str(row.revision), row.status.name
    if precondition.known is not None:
        return
    if precondition.expected_revision not in (None, row.revision):
        raise ConflictError(
            f"session {sid!r} is at revision {revision}, not the expected one", reason="REVISION_CONFLICT",
            session_id=sid, revision=revision, expected_revision=str(precondition.expected_revision),
        )  # fmt: skip
    if precondition.required_status not in (None, row.status):
        required = precondition.required_status.name if precondition.required_status else ""
        raise ConflictError(
            f"session {sid!r} is {status}, not {required}", reason="STATUS_CONFLICT",
            session_id=sid, revision=revision, status=status, required_status=required,
        )  # fmt: skip
    if row.status is not SessionStatus.ACTIVE and not on_ended:
        raise ConflictError(
            f"session {sid!r} has ended: {status}", reason="SESSION_ENDED",
            session_id=sid, revision=revision, status=status,
        )  # fmt: skip


async def _at_once(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(do: Callable[[], Awaitable[None]]) -> None:
        async with limit:
            await do()

    await asyncio.gather(*map(one, work))
