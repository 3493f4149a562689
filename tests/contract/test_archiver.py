"""When the archiver does what."""

import asyncio

from sojourn_server.domain.paths import revision_of
from sojourn_server.domain.session import SessionKey, Tier
from tests.support.replays import changes_write, says
from tests.support.tiering import NEVER, Place, paths


async def look(place: Place, **settings: float) -> None:
    """Everything is projected, and the archiver looks once."""
    async with place.worker(**settings) as one:
        await one.tiers.projector.drain(place.desk.tenant)
        await asyncio.sleep(0.01)  # so that the walk over live sessions is due
        await one.archiver.look()


async def write(place: Place, key: SessionKey) -> None:
    await place.store.active.write(changes_write(place.desk, key.session_id, says("more")))


async def test_a_session_that_has_ended_stays_for_a_while(place):
    key = await place.ended()
    await look(place, recent_after_seconds=NEVER)
    assert await place.tier(key) is Tier.HOT
    assert await paths(place.blobs) == []
    await look(place, archive_after_seconds=NEVER)
    assert await place.tier(key) is Tier.RECENT
    await look(place)
    assert await place.tier(key) is Tier.ARCHIVE


async def test_a_session_that_goes_on_stays(place):
    key = await place.live()
    await look(place, retention_seconds=0.001)
    assert await place.tier(key) is Tier.HOT


async def test_a_live_session_is_saved_from_time_to_time(place):
    key = await place.live()
    await look(place, snapshot_seconds=0.001)
    (first,) = await paths(place.blobs)
    assert revision_of(first) == 1
    await look(place, snapshot_seconds=0.001)
    assert await paths(place.blobs) == [first]  # nothing was written since
    await write(place, key)
    await look(place, snapshot_seconds=NEVER)
    assert await paths(place.blobs) == [first]
    await look(place, snapshot_seconds=0.001)
    (second,) = await paths(place.blobs)
    assert revision_of(second) == 2
    assert await place.tier(key) is Tier.HOT


async def test_a_session_is_kept_for_ever_unless_told_otherwise(place):
    key = await place.archived()
    await look(place)
    assert await place.tier(key) is Tier.ARCHIVE
    await look(place, retention_seconds=NEVER)
    assert await place.tier(key) is Tier.ARCHIVE
    await look(place, retention_seconds=0.001)
    assert await place.tier(key) is None
    assert await paths(place.blobs) == []


async def test_a_request_that_goes_on_keeps_its_session(place):
    """A session that has ended keeps its admitted requests until they finish."""
    key = await place.busy()
    await look(place)
    assert await place.tier(key) is Tier.HOT
    await place.finish(key)
    await look(place)
    assert await place.tier(key) is Tier.ARCHIVE
