"""What tiers do when something is damaged, away, or late."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sojourn_server.domain.errors import (
    AlreadyExistsError,
    BlobsUnavailableError,
    CatalogUnavailableError,
    NotFoundError,
    SojournError,
)
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.usecases.cold import is_retired
from tests.support.tiering import AT_ONCE, NEVER, Fate, KilledError, Place, look, paths, worker


async def recent(place: Place) -> SessionKey:
    key = await place.ended()
    await place.settle(archive_after_seconds=NEVER)
    await place.check_whole(key, Tier.RECENT)
    return key


async def spoil(place: Place, key: SessionKey, content: bytes | None) -> None:
    """Replaces the session's file; None: it is gone."""
    row = await place.catalog.get(key)
    assert row is not None
    path = row.archive_path or row.snapshot_path
    await place.blobs.delete(path)
    if content is not None:

        async def pieces():
            yield content

        await place.blobs.put(path, pieces())


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 1000])
async def test_a_snapshot_that_is_lost_costs_nothing_but_time(place, content):
    key = await recent(place)
    before = await place.seen(key)
    await spoil(place, key, content)
    assert await place.seen(key) == before
    await place.settle()
    await place.check_whole(key, Tier.ARCHIVE)
    assert await place.seen(key) == before


async def test_a_snapshot_that_was_damaged_before_the_session_left_is_written_anew(place):
    key = await place.ended()
    async with place.worker() as one:
        await one.calls.saving.save(key)
        before = await look(one, key)
    await spoil(place, key, b"nonsense")
    await place.settle(archive_after_seconds=NEVER)
    await place.check_whole(key, Tier.RECENT)
    assert await place.seen(key) == before
    await place.check_no_orphans()


async def test_a_damaged_archive_is_our_defect_and_one_sessions_alone(place):
    key, other = await place.archived(), await place.archived()
    await spoil(place, key, b"nonsense")
    async with place.worker() as one:
        with pytest.raises(SojournError) as raised:
            await one.store.get(key, full=True)
        assert raised.value.reason == "INTERNAL"
        assert (await one.store.get(key, full=False)).tier is Tier.ARCHIVE
        assert (await one.store.get(other, full=True)).state


async def test_one_that_cannot_be_moved_does_not_keep_the_others(place):
    bad, good = await place.ended(), await place.ended()
    before = await place.seen(bad)
    async with place.worker() as one:
        await one.tiers.projector.drain(place.desk.tenant)
        retire = one.tiers.moving.retire

        async def fails_for_one(key, row):
            if key == bad:
                raise ValueError("cannot be moved")
            return await retire(key, row)

        one.tiers.moving.retire = fails_for_one
        for _ in range(2):
            await one.archiver.look()
        assert await place.tier(good) is Tier.ARCHIVE
        assert await place.tier(bad) is Tier.HOT
    assert await place.seen(bad) == before
    await place.settle()
    await place.check_whole(bad, Tier.ARCHIVE)


class AwayBlobs:
    """A blob store that does not answer."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: Any, **__: Any) -> Any:
            raise BlobsUnavailableError("it was stopped")

        return fail


async def test_the_blob_store_is_away(place):
    away, ended = await place.archived(), await place.ended()
    before = await place.seen(ended)
    one = worker(place.store, place.catalog, AwayBlobs(), **AT_ONCE)
    await one.tiers.projector.drain(place.desk.tenant)
    with pytest.raises(BlobsUnavailableError):
        await one.archiver.look()
    assert (await look(one, ended)) == before
    with pytest.raises(BlobsUnavailableError):
        await one.store.get(away, full=True)
    assert (await one.store.get(away, full=False)).tier is Tier.ARCHIVE
    await one.close()
    await place.settle()
    await place.check_whole(ended, Tier.ARCHIVE)
    assert await place.seen(ended) == before


async def test_the_catalog_is_away(place):
    live, away = await place.live(), await place.archived()

    async def unavailable(*_, **__):
        raise CatalogUnavailableError("it was stopped")

    async with place.worker() as one:
        one.tiers.cold.catalog = type("Away", (), {"get": unavailable, "events": unavailable})()
        assert (await one.store.get(live, full=True)).revision == 1
        for call in (
            one.store.get(away, full=True),
            one.store.delete(away, expected_revision=None, idempotency_key=""),
        ):
            with pytest.raises(CatalogUnavailableError):
                await call
        with pytest.raises(NotFoundError):
            await one.store.get(place.desk.key("never-was"), full=False)


async def test_a_session_that_left_is_read_before_anybody_noted_it(place):
    key = await place.ended()
    before = await place.seen(key)
    async with place.worker() as one:
        await one.calls.saving.save(key)
        row = await place.catalog.get(key)
        assert is_retired(row)
        assert await place.store.residence.retire(key, row.uid, row.revision)
        session = await one.store.get(key, full=True)
        assert session.tier is Tier.RECENT
    assert await place.seen(key) == before
    assert await place.tier(key) is Tier.HOT
    await place.settle(archive_after_seconds=NEVER)
    await place.check_whole(key, Tier.RECENT)


async def test_whoever_is_late_does_not_bring_back_what_was(place):
    key = await recent(place)
    async with place.worker() as one:
        row = await one.tiers.cold.find(key)
        old = await one.tiers.cold.folded(key, row)
        await one.calls.resuming.resume(key, writer="", idempotency_key="")
        await one.tiers.lifecycle.end(
            key, SessionStatus.FAILED, "", writer="", precondition=place.anything, idempotency_key=""
        )
        before = await look(one, key)
    await place.settle(archive_after_seconds=NEVER)
    with pytest.raises(AlreadyExistsError):
        await place.store.residence.adopt(key, old, None, lost=False)
    assert await place.seen(key) == before


async def test_what_the_active_store_lost_goes_down_all_the_same(place):
    key = await place.ended()
    async with place.worker() as one:
        await one.tiers.projector.drain(place.desk.tenant)
        before = await look(one, key)
    await place.lose(key)
    await place.settle()
    seen = await place.seen(key)
    assert seen.events[:-1] == before.events
    assert seen.session.status is before.session.status
    await place.check_whole(key, Tier.ARCHIVE)


async def test_two_archivers_at_once(place):
    keys = [await place.ended() for _ in range(8)]
    before = [await place.seen(key) for key in keys]
    async with place.worker() as one, place.worker() as two:
        await one.tiers.projector.drain(place.desk.tenant)
        for _ in range(2):
            await place.both(one.archiver.look(), two.archiver.look())
    for key, seen in zip(keys, before, strict=True):
        await place.check_whole(key, Tier.ARCHIVE)
        assert await place.seen(key) == seen
    await place.check_no_orphans()
    assert len(await paths(place.blobs)) == len(keys)


def test_the_fate_kills_once_and_for_all():
    fate = Fate(1)
    fate.strike("put")
    fate.strike("get")
    for name in ("put", "get"):
        with pytest.raises(KilledError):
            fate.strike(name)
    assert replace(fate).dead
