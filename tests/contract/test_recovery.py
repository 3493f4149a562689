"""A store that lost data gets back what the catalog has, and everybody who knew of more is told."""

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import CatalogUnavailableError, NotFoundError, PositionError
from sojourn_server.domain.events import NO_PRECONDITION
from sojourn_server.domain.requests import NewRequest, Quotas, RequestKey
from sojourn_server.domain.session import SessionStatus, Tier
from sojourn_server.ports import EventQuery
from tests.support.engines import EngineServer, ValkeyProcess
from tests.support.lossy import Copy, Place, place
from tests.support.requests import started
from tests.support.waiting import wait_until


@pytest.fixture
async def engine() -> AsyncIterator[EngineServer]:
    async with ValkeyProcess(persistent=True) as engine:
        yield engine


@pytest.fixture
async def catalog_file(databases, tmp_path):
    url = await databases.migrated("sqlite")
    shutil.move(url.removeprefix("sqlite:///"), tmp_path / "catalog.db")
    return tmp_path


@pytest.fixture
async def here(engine, catalog_file) -> AsyncIterator[Place]:
    async with place(engine, catalog_file) as here:
        yield here


@pytest.fixture
def copy(engine):
    copy = Copy(engine)
    yield copy
    copy.discard()


async def wipe(here: Place) -> None:
    await here.engine.call("FLUSHALL")


async def refused(here: Place, **how) -> PositionError:
    with pytest.raises(PositionError) as raised:
        await here.say("refused", **how)
    assert raised.value.reason == "HISTORY_ROLLED_BACK"
    return raised.value


async def test_a_wiped_session_is_read_as_it_was_and_says_that_it_was_restored(here):
    await here.create(state={"n": b"1"}, tags=("a",), purpose="to survive")
    await here.say("one", "two")
    await here.project()
    before, log = await here.get(), await here.events()
    await wipe(here)
    after = await here.get()
    assert [event.body for event in await here.events()][:-1] == [event.body for event in log]
    assert await here.kinds() == ["session_created", "message_appended", "message_appended", "restored"]
    kept = ("uid", "state", "tags", "purpose", "counters", "status", "created_us")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.incarnation != before.incarnation
    assert here.worker.tiers.losses.sessions_restored == 1


async def test_the_write_that_finds_the_loss_is_refused_and_the_next_goes_on(here):
    await here.create()
    await wipe(here)
    assert (await refused(here)).metadata["revision"] == "2"
    assert (await here.say("again")).revision == 3


async def test_writers_who_knew_lost_history_are_told_and_others_are_not(here):
    kept = await here.say("one") if await here.create() else None
    await here.project()
    lost = await here.say("two", "three")
    await wipe(here)
    now = await here.cursor()
    for known in (kept, lost, now._replace(revision=now.revision + 1, commit_us=1)):
        await refused(here, known=known)
    assert (await here.say("fine", known=now)).revision == now.revision + 1
    assert (await here.say("fine")).revision == now.revision + 2


async def test_readers_and_watchers_with_cursors_of_lost_history_are_told(here):
    await here.create()
    seen = await here.say("one")
    async with here.desk.watch(seen) as (_, tap):
        await wipe(here)
        await here.get()
        with pytest.raises(PositionError, match="lost history"):
            await wait_until(lambda: tap.next(1), description="never")
    with pytest.raises(PositionError) as raised:
        await here.history.events(here.desk.key(), EventQuery(after=seen))
    assert raised.value.reason == "HISTORY_ROLLED_BACK"


async def test_a_session_that_no_catalog_had_is_lost_but_not_silently(here):
    seen = (await here.worker.store.create(here.desk.new("new"), or_get=False))[0].cursor
    await wipe(here)
    assert (await refused(here, sid="new", known=seen)).metadata["revision"] == "0"
    with pytest.raises(NotFoundError):
        await here.worker.store.get(here.desk.key("new"), full=False)


async def test_what_was_under_way_is_over(here):
    await here.create(max_concurrent_requests=1)
    requests, key = here.desk.store.requests, here.desk.key()
    for name in ("a", "b"):
        await requests.begin(NewRequest(RequestKey(key, name)), Quotas())
    await here.change(started("i", "a", tool="search"))
    await here.project()
    await wipe(here)
    session = await here.get()
    assert (session.admitted_requests, session.queued_requests) == (0, 0)
    assert session.counters == {"invocations": 1, "failed_invocations": 1}
    last = event_pb2.Event.FromString((await here.events())[-1].body)
    assert [change.WhichOneof("kind") for change in last.changes] == [
        "request_lost", "request_lost", "invocation_finished", "restored",
    ]  # fmt: skip
    finished = last.changes[2].invocation_finished
    assert (finished.invocation_id, finished.tool, finished.status) == (
        "i",
        "search",
        event_pb2.INVOCATION_STATUS_INTERRUPTED,
    )
    assert last.changes[3].restored.restored_revision == session.revision - 1
    assert (await requests.begin(NewRequest(RequestKey(key, "c")), Quotas())).request.token


async def test_sessions_that_nobody_touches_come_back_too(here):
    for number in range(20):
        await here.create(f"s{number}")
    await wipe(here)
    await here.recovery.recover()
    assert len(await here.desk.store.active.newest(here.desk.tenant, after=None, count=100)) == 20
    assert not any(state.lost for state in await here.desk.store.shards.look())


async def test_one_restoration_serves_all_who_ask(here):
    await here.create()
    await wipe(here)
    assert all(await asyncio.gather(*(here.recovery.restore(here.desk.key()) for _ in range(20))))
    assert await here.kinds() == ["session_created", "restored"]


async def test_two_workers_restore_a_session_once(here, engine, catalog_file):
    await here.create()
    async with place(engine, catalog_file, here.desk) as other:
        await wipe(here)
        await asyncio.gather(*(one.recovery.restore(here.desk.key()) for one in (here, other) * 5))
    assert await here.kinds() == ["session_created", "restored"]


async def test_what_was_not_lost_is_not_restored(here):
    await here.create()
    await here.create("deleted")
    await here.worker.store.delete(here.desk.key("deleted"), expected_revision=None, idempotency_key="")
    for sid in ("s", "deleted", "never"):
        assert not await here.recovery.restore(here.desk.key(sid))
    assert (await here.cursor()).revision == 1


async def test_an_archived_session_is_not_touched_by_the_loss(here):
    await here.create()
    await here.worker.sessions.complete(
        here.desk.key(), SessionStatus.COMPLETED, "", writer="", precondition=NO_PRECONDITION, idempotency_key=""
    )
    await here.project()
    await here.worker.archiver.look()
    before = await here.get(), await here.kinds()
    await wipe(here)
    await here.recovery.recover()
    assert (await here.get(), await here.kinds()) == before
    session = await here.get()
    assert session.tier is Tier.RECENT
    page = await here.history.events(here.desk.key(), EventQuery(after=await here.cursor()))
    assert page.events == []


async def test_an_older_copy_is_noticed_and_what_it_lacks_comes_back(engine, catalog_file, copy):
    async with place(engine, catalog_file) as here:
        await here.create("old")
        early = await here.say("one", sid="old")
        await here.project("old")
        await here.create("same")
        same = await here.cursor("same")
        await copy.take()
        late = await here.say("two", "three", sid="old")
        await here.create("young")
        young = await here.say("hello", sid="young")
        await here.project("old", "young")
        await here.say("lost", sid="old")
    await copy.put_back()
    async with place(engine, catalog_file, here.desk) as after:
        assert await after.kinds("old") == ["session_created", *["message_appended"] * 3, "restored"]
        assert await after.kinds("young") == ["session_created", "message_appended", "restored"]
        for sid, known in (("old", early), ("old", late), ("young", young)):
            await refused(after, sid=sid, known=known)
        assert (await after.say("fine", sid="same", known=same)).revision == 2
        assert after.worker.tiers.losses.sessions_restored == 2


async def test_a_session_that_an_older_copy_still_has_ends_again(engine, catalog_file, copy):
    async with place(engine, catalog_file) as here:
        await here.create()
        await copy.take()
        await here.say("one")
        await here.worker.sessions.complete(
            here.desk.key(), SessionStatus.COMPLETED, "", writer="", precondition=NO_PRECONDITION, idempotency_key=""
        )
        await here.project()
        await here.worker.archiver.look()
        assert (await here.get()).tier is Tier.RECENT
    await copy.put_back()
    async with place(engine, catalog_file, here.desk) as after:
        assert (await after.get()).status is SessionStatus.COMPLETED
        assert await after.kinds() == ["session_created", "message_appended", "status_changed", "restored"]
        await after.project()
        await after.worker.archiver.look()
        assert (await after.get()).tier is Tier.RECENT
        assert await after.kinds() == ["session_created", "message_appended", "status_changed", "restored"]


async def test_an_older_copy_is_noticed_by_a_worker_that_goes_on(here, copy):
    await here.create()
    await copy.take()
    await here.say("one", "two")
    await here.project()
    await copy.put_back()
    await wait_until(lambda: len(here.desk.store.shards.undecided), description="the engine is back")
    await here.recovery.recover()
    assert await here.kinds() == ["session_created", "message_appended", "message_appended", "restored"]


async def test_writes_to_an_older_copy_do_not_get_into_the_catalog(here, copy):
    await here.create()
    await copy.take()
    await here.say("one", "two")
    await here.project()
    await copy.put_back()
    await wait_until(lambda: len(here.desk.store.shards.undecided), description="the engine is back")
    for _ in range(3):  # past the tiers, as one does who was on the way when the engine died
        wrong = (await here.desk.write(ch.LogAppended())).cursor
    await here.project()
    assert await here.kinds() == ["session_created", "message_appended", "message_appended", "restored"]
    await refused(here, known=wrong)


async def test_nobody_builds_on_an_older_copy(here, copy):
    """What is written before the background has looked at the session goes on from what the catalog has."""
    await here.create()
    await copy.take()
    await here.say("one", "two")
    await here.project()
    lost = await here.say("three")
    await copy.put_back()
    await wait_until(lambda: here.recovery.doubtful, description="the engine is back")
    assert (await here.get()).revision == 4
    said = await here.say("another one")
    await refused(here, known=lost)
    await here.recovery.recover()
    await here.project()
    assert not here.recovery.doubtful
    assert await here.kinds() == ["session_created", *["message_appended"] * 2, "restored", "message_appended"]
    await here.say("more", known=said)


async def test_live_work_goes_on_though_nobody_can_tell_whether_history_was_lost(here, copy, monkeypatch):
    async def away() -> None:
        raise CatalogUnavailableError("it is away")

    await here.create()
    await copy.take()
    await copy.put_back()
    await wait_until(lambda: here.recovery.doubtful, description="the engine is back")
    monkeypatch.setattr(here.recovery, "certain", away)
    assert (await here.say("one", "two")).revision == 3


async def test_losses_are_counted_as_far_as_anybody_knows(here):
    losses = here.worker.tiers.losses
    await here.create()
    kept = await here.say("kept")
    await here.project()
    lost = await here.say("one", "two", "three")
    await wipe(here)
    await here.get()
    for seen in (kept, lost, lost, lost._replace(revision=4)):
        losses.noticed(here.desk.key(), seen)
        await here.worker.background.wait()
    assert (losses.sessions_restored, losses.sessions_lost, losses.revisions_lost) == (1, 0, 3)
    losses.noticed(here.desk.key("never catalogued"), lost)
    await here.worker.background.wait()
    assert (losses.sessions_lost, losses.revisions_lost) == (1, 8)


async def test_a_snapshot_that_cannot_be_read_costs_time_and_nothing_else(here, catalog_file):
    await here.create()
    await here.say("one", "two")
    await here.worker.tiers.snapshots.take(here.desk.key())
    await here.say("three")
    await here.project()
    shutil.rmtree(catalog_file / "blobs" / "sessions")
    await wipe(here)
    assert await here.kinds() == ["session_created", *["message_appended"] * 3, "restored"]
