"""A session from elsewhere is planted whole, or nothing of it is left, whatever answers on the way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sojourn_server.archive.files import SessionFiles
from sojourn_server.blobs.local import LocalBlobs
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import (
    AlreadyExistsError,
    BlobsUnavailableError,
    NotFoundError,
    OutcomeUnknownError,
    StoreUnavailableError,
)
from sojourn_server.domain.events import Committed, StoredEvent
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.session import Session, SessionKey, Tier
from sojourn_server.rpc.codec import ProtoCodec
from sojourn_server.rpc.details import details
from sojourn_server.usecases.background import Background
from sojourn_server.usecases.planting import Planting

KEY = SessionKey("t", "new")
INCARNATION = "00000000000000cc"
CODEC = ProtoCodec()
EVENTS = [
    [ch.SessionCreated(uid="00000000000000aa", state={"n": b"1"}, purpose="planted")],
    [ch.StatusChanged(status=ch.SessionStatus.COMPLETED)],
]
AWAY = StoreUnavailableError("away", cause="test")
UNKNOWN = OutcomeUnknownError("who knows")
TAKEN = AlreadyExistsError("new", 1)


def session() -> tuple[Folded, list[StoredEvent]]:
    folded = Folded(Session("old", "00000000000000aa", "00000000000000bb"))
    events = []
    for revision, changes in enumerate(EVENTS, 1):
        folded.add(changes, revision)
        body, mask = CODEC.encode(changes, "w"), ch.kind_mask(change.kind for change in changes)
        events.append(StoredEvent("old", "00000000000000aa", "", revision, revision, 77, mask, body))
    return folded, events


class Residence:
    """Answers as it is told to, one answer after the other; None: the session is there now."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.learned: list[SessionKey] = []
        self.there: Session | None = None

    async def incarnation(self, key: SessionKey) -> str:
        return INCARNATION

    async def learn(self, keys: list[SessionKey]) -> None:
        self.learned += keys

    async def adopt(self, key: SessionKey, folded: Folded, event: Any, *, lost: bool) -> Committed:
        assert not lost
        answer = self._answers.pop(0)
        if answer is None or answer is UNKNOWN:
            self.there = folded.session
        if answer is not None:
            raise answer
        head = folded.session
        return Committed(head.revision, head.updated_us, head.uid, head.incarnation)

    async def get(self, key: SessionKey, *, full: bool) -> Session:
        if self.there is None:
            raise NotFoundError.missing(key.session_id)
        return self.there

    async def project(self, keys: list[SessionKey]) -> None:
        """As the projector, which has nothing to do here."""


class Ground:
    """Where sessions are planted."""

    def __init__(self, catalog: SqlCatalog, directory: Path) -> None:
        self.catalog = catalog
        self.directory = directory
        self.blobs = LocalBlobs(directory)

    async def plant(self, *answers: Exception | None) -> Committed:
        residence: Any = Residence(*answers)
        planting = Planting(
            residence, SessionFiles(), self.blobs, self.catalog.tiers, residence, details, Background(), residence
        )
        folded, events = session()

        async def pages() -> AsyncIterator[list[StoredEvent]]:
            for event in events:
                yield [event]

        committed = await planting.plant(KEY, folded, pages(), None)
        assert residence.learned == [KEY]
        return committed

    async def is_empty(self) -> bool:
        files = [path for path in self.directory.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return not files and await self.catalog.get(KEY) is None


@pytest.fixture
def ground(catalog: SqlCatalog, tmp_path: Path) -> Ground:
    return Ground(catalog, tmp_path)


async def test_a_planted_session_is_in_the_catalog_with_its_snapshot(ground: Ground) -> None:
    committed = await ground.plant(None)
    row = await ground.catalog.get(KEY)
    assert row is not None
    assert (row.id, row.uid, row.incarnation, row.tier) == ("new", committed.uid, INCARNATION, Tier.RECENT)
    found = await SessionFiles().session(ground.blobs, row.snapshot_path)
    expected, events = session()
    assert found.session == replace(expected.session, id="new", incarnation=INCARNATION)
    stored = await ground.catalog.events(row.uid, after=0, before=None, mask=0, count=10, reverse=False)
    assert [(event.session_id, event.revision, event.commit_us, event.sequence, event.body) for event in stored] == [
        ("new", event.revision, event.commit_us, 0, event.body) for event in events
    ]


@pytest.mark.parametrize("answer", [AWAY, TAKEN, RuntimeError("a defect")])
async def test_nothing_is_left_of_one_that_the_store_does_not_take(ground: Ground, answer: Exception) -> None:
    with pytest.raises(type(answer)):
        await ground.plant(answer)
    assert await ground.is_empty()


async def test_an_answer_that_was_lost_is_asked_for_again(ground: Ground) -> None:
    committed = await ground.plant(UNKNOWN, TAKEN)
    assert (committed.revision, committed.uid) == (2, "00000000000000aa")
    assert await ground.catalog.get(KEY) is not None


async def test_what_may_be_there_is_left_there(ground: Ground) -> None:
    with pytest.raises(OutcomeUnknownError):
        await ground.plant(UNKNOWN, UNKNOWN, UNKNOWN)
    row = await ground.catalog.get(KEY)
    assert row is not None
    assert (await SessionFiles().verify(ground.blobs, row.snapshot_path)).revision == 2


async def test_an_id_that_the_catalog_knows_is_taken(ground: Ground) -> None:
    await ground.plant(None)
    row = await ground.catalog.get(KEY)
    with pytest.raises(AlreadyExistsError):
        await ground.plant()
    assert await ground.catalog.get(KEY) == row
    assert row is not None
    await SessionFiles().verify(ground.blobs, row.snapshot_path)


async def test_events_that_cannot_be_had_leave_nothing(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"some of it"
            raise BlobsUnavailableError("gone")

        return pieces()

    monkeypatch.setattr(SessionFiles, "write", broken)
    with pytest.raises(BlobsUnavailableError):
        await ground.plant()
    assert await ground.is_empty()
