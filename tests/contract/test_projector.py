"""From the store to the catalog: everything, once, whatever is stopped, killed or away meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from sojourn.v1 import event_pb2
from sojourn_server.catalog.catalog import SqlCatalog
from sojourn_server.catalog.engine import open_engine, writing
from sojourn_server.catalog.migrating import migrate
from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import CatalogUnavailableError
from sojourn_server.domain.filters import SessionFilter
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.paths import snapshot_path
from sojourn_server.domain.session import SessionKey, SessionStatus, Tier
from sojourn_server.rpc.details import details
from sojourn_server.usecases import projecting
from sojourn_server.usecases.projecting import Projector
from tests.support.catalogs import KINDS, Databases, Postgres
from tests.support.projected import catalogued, check
from tests.support.replays import changes_write, conversations, create, replay, says
from tests.support.sessions import Desk, committed
from tests.support.waiting import wait_until

PERIOD = 0.05

Start = Callable[..., Projector]


@pytest.fixture(params=["embedded"])
def engine(request: pytest.FixtureRequest, engines):
    """What a projector does is the same on every store: `test_outbox` looks at all of them."""
    return engines.get(request.param)


@pytest.fixture
async def start(desk: Desk, catalog: SqlCatalog) -> AsyncIterator[Start]:
    """Makes projectors from the desk's store into the catalog; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def one(worker: str = "w", *, run: bool = False, to: Any = None, read: Any = details) -> Projector:
            found = Projector(desk.store.active, desk.store.outbox, to or catalog, read, worker, period=PERIOD)
            if run:
                found.start()
                stack.push_async_callback(found.close)
            return found

        yield one
    for worker in ("w", "w1", "w2"):
        await desk.store.outbox.leave(worker)


async def level(desk: Desk) -> bool:
    """Whether nothing of the tenant waits."""
    return await desk.store.outbox.of_tenant(desk.tenant) == []


async def write(desk: Desk, text: str, sid: str = "s", count: int = 1) -> None:
    writes = [changes_write(desk, sid, says(f"{text} {n}")) for n in range(count)]
    for result in await desk.store.active.write_many(writes):
        committed(result)


async def found(catalog: SqlCatalog, desk: Desk, text: str) -> list[str]:
    sessions = await catalog.list(desk.tenant, SessionFilter(text=text), after=None, count=100)
    return sorted(session.id for session in sessions)


async def test_recorded_sessions_are_in_the_catalog_as_they_are_in_the_store(desk, catalog, start):
    start(run=True)
    told = conversations(40)
    await replay(desk, told)
    await wait_until(lambda: level(desk), timeout=60, description="the catalog is level")
    assert await check(desk, catalog) == 40
    for conversation in told[:5]:
        session = await catalog.get(desk.key(f"c{conversation.number}"))
        assert session.counters["messages"] == len(conversation.writes)
        assert session.counters.get("invocations", 0) == conversation.invocations
    mentioned = {
        f"c{one.number}" for one in told if any("flight" in (w.content or "").lower().split() for w in one.writes)
    }
    assert mentioned
    assert mentioned <= set(await found(catalog, desk, "flight"))


async def test_what_is_written_is_there_soon(desk, catalog, start):
    projector = start(run=True)
    await create(desk, "s", purpose="soon")
    await wait_until(lambda: found(catalog, desk, "soon"))
    await write(desk, "later")
    await wait_until(lambda: found(catalog, desk, "later"))
    await wait_until(lambda: level(desk))
    await wait_until(lambda: projector.backlog.sessions == 0)
    await desk.delete("s")
    await wait_until(lambda: level(desk))
    assert await catalog.get(desk.key()) is None


async def test_killed_at_any_moment_nothing_is_lost_and_nothing_twice(desk, catalog, start):
    """A worker that is killed says no goodbye: its shards are another's when its lease has run out, or at once with
    `drain`, which needs none."""
    chance = random.Random(11)
    for n in range(8):
        await create(desk, f"s{n}", purpose=f"number {n}")
    for round_ in range(40):
        for n in range(8):
            await write(desk, f"round {round_}", f"s{n}", count=chance.randint(0, 4))
        task = asyncio.create_task(start(f"w{round_}").drain(desk.tenant))
        await asyncio.sleep(chance.random() * 0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await start().drain(desk.tenant)
    assert await level(desk)
    assert await check(desk, catalog) == 8
    assert await catalog.count(desk.tenant, SessionFilter(text="round")) == 8


async def test_several_projectors_while_sessions_are_written_deleted_and_made_anew(desk, catalog, catalog_url, start):
    other_engine = open_engine(catalog_url)
    other = SqlCatalog(other_engine)
    chance = random.Random(5)
    stop = asyncio.Event()

    async def live(n: int) -> None:
        """A session's ups and downs."""
        sid = f"s{n}"
        for _ in range(12):
            await create(desk, sid, purpose="alive", tags=("x",))
            for _ in range(chance.randint(0, 5)):
                await write(desk, "word", sid, count=chance.randint(1, 10))
                await asyncio.sleep(chance.random() * 0.02)
            await desk.delete(sid)
        if n % 2:
            await create(desk, sid, purpose="alive at the end")
            await write(desk, "word", sid)

    async def drain(catalog: SqlCatalog) -> None:
        while not stop.is_set():
            task = asyncio.create_task(start("w2", to=catalog).drain(desk.tenant))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.03)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    start("w1", run=True)
    async with asyncio.TaskGroup() as drains:
        drains.create_task(drain(other))
        drains.create_task(drain(catalog))
        async with asyncio.TaskGroup() as lives:
            for n in range(6):
                lives.create_task(live(n))
        stop.set()
    await start().drain(desk.tenant)
    await wait_until(lambda: level(desk), description="the catalog is level")
    assert await check(desk, catalog) == 3
    await other.close()


async def test_drain_brings_what_was_acknowledged_before(desk, catalog, start):
    """A write that was acknowledged is found by whoever asks afterwards, while other writes go on."""
    projector = start()
    await create(desk, "s")
    await create(desk, "busy")
    stop = False

    async def keep_busy() -> None:
        while not stop:
            await write(desk, "noise", "busy", count=20)

    task = asyncio.create_task(keep_busy())
    for n in range(20):
        await write(desk, f"needle{n}")
        await projector.drain(desk.tenant)
        assert await found(catalog, desk, f"needle{n}") == ["s"]
    stop = True
    await task


async def test_drain_brings_one_tenants_sessions(desk, store, catalog, start):
    other = Desk(store)
    await create(desk, "s")
    await create(other, "s")
    await start().drain(desk.tenant)
    assert await catalog.count(desk.tenant, SessionFilter()) == 1
    assert await catalog.count(other.tenant, SessionFilter()) == 0
    await other.delete_all()


async def test_project_brings_named_sessions_and_forgets_deleted_ones(desk, catalog, start):
    projector = start()
    for sid in ("a", "b", "c"):
        await create(desk, sid)
    await projector.project([desk.key("a"), desk.key("b"), desk.key("never was")])
    assert sorted(await catalog.revisions([desk.key(sid) for sid in "abc"])) == [desk.key("a"), desk.key("b")]
    await desk.delete("a")
    await projector.project([desk.key("a"), desk.key("b"), desk.key("b")])
    assert sorted(await catalog.revisions([desk.key(sid) for sid in "abc"])) == [desk.key("b")]
    assert await desk.store.outbox.of_tenant(desk.tenant) == [desk.key("c")]


async def test_a_session_with_more_events_than_are_stored_at_a_time(desk, catalog, start, monkeypatch):
    monkeypatch.setattr(projecting, "EVENTS", 100)
    heads: list[tuple[int, int]] = []

    class Looking(SqlCatalog):
        """Looks whether the row runs ahead of the events after each transaction."""

        async def project(self, projections: Any, standings: Any) -> Any:
            left_out = await super().project(projections, standings)
            for projection in projections:
                session = await self.get(SessionKey(projection.tenant, projection.session.id))
                stored = await catalogued(self, session.uid)
                heads.append((session.revision, len(stored)))
            return left_out

    await create(desk, "s")
    await write(desk, "many", count=949)
    await start(to=Looking(catalog._engine)).drain(desk.tenant)
    assert heads == [(n, n) for n in (*range(100, 901, 100), 950)]
    assert await check(desk, catalog) == 1
    assert await level(desk)


async def test_events_larger_than_a_page(desk, catalog, start):
    await create(desk, "s")
    for n in range(6):
        await write(desk, f"{n} " + "x" * 900_000)
    await start().drain(desk.tenant)
    assert await check(desk, catalog) == 1


async def test_a_catalog_that_was_away_catches_up(desk, start, databases: Databases):
    """PostgreSQL is killed, and comes back a while later."""
    postgres = await asyncio.to_thread(Postgres, databases.fresh_directory() / "data")
    try:
        postgres.run("CREATE DATABASE catalog")
        catalog_engine = open_engine(postgres.url("catalog"))
        await migrate(catalog_engine)
        catalog = SqlCatalog(catalog_engine)
        projector = start("w1", run=True, to=catalog)
        await create(desk, "s")
        await wait_until(lambda: level(desk))
        await asyncio.to_thread(postgres.kill)
        with capture_logs() as logs:
            await write(desk, "meanwhile", count=300)
            await create(desk, "another")
            await desk.delete("another")
            await create(desk, "third")
            with pytest.raises(CatalogUnavailableError):
                await projector.drain(desk.tenant)
            await wait_until(lambda: [one for one in logs if one["event"] == "the catalog falls behind"])
        assert projector.backlog.sessions >= 1
        await asyncio.to_thread(postgres.start)
        await wait_until(lambda: level(desk), timeout=20, description="the catalog is level")
        assert await check(desk, catalog) == 2
        await projector.close()
        await catalog.close()
    finally:
        postgres.start()
        postgres.close()


async def test_a_lock_that_another_holds_is_waited_for(desk, catalog, catalog_engine, start):
    start(run=True)
    async with writing(catalog_engine) as connection:
        if catalog_engine.dialect.name == "postgresql":
            await connection.exec_driver_sql("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        await create(desk, "s")
        await asyncio.sleep(0.3)
        assert not await level(desk)
    await wait_until(lambda: level(desk))
    assert await check(desk, catalog) == 1


async def test_a_session_that_the_catalog_does_not_take_keeps_no_other_waiting(desk, catalog, start, monkeypatch):
    """It is told loudly, and tried again later."""

    class Choosy(SqlCatalog):
        """Does not take sessions of one name."""

        async def project(self, projections: Any, standings: Any) -> Any:
            if any(projection.session.id == "bad" for projection in projections):
                raise OverflowError("too large")
            return await super().project(projections, standings)

    choosy = Choosy(catalog._engine)
    for n in range(10):
        await create(desk, f"s{n}")
    await create(desk, "bad")
    with capture_logs() as logs:
        projector = start("w1", run=True, to=choosy)
        await wait_until(lambda: [one for one in logs if one["event"].startswith("a session cannot be brought")])

        async def others() -> bool:
            return await desk.store.outbox.of_tenant(desk.tenant) == [desk.key("bad")]

        await wait_until(others)
        with pytest.raises(OverflowError):
            await start(to=choosy).drain(desk.tenant)
        await write(desk, "on and on", "s1")
        await wait_until(others)
        await asyncio.sleep(5 * PERIOD)
    told = [one for one in logs if one["event"].startswith("a session cannot be brought")]
    assert {one["session"] for one in told} == {"bad"}
    assert len(told) == 2  # once by each projector
    await projector.close()
    await start().drain(desk.tenant)
    assert await check(desk, catalog) == 11


async def test_an_event_that_is_not_understood_is_kept_all_the_same(desk, catalog, start):
    await create(desk, "s")
    await desk.write(ch.LogAppended(), body=b"\xff\xff not protobuf")
    await write(desk, "understood")
    with capture_logs() as logs:
        await start().drain(desk.tenant)
    assert [(one["event"], one["revision"]) for one in logs] == [("an event is not understood", 2)]
    assert await check(desk, catalog) == 1
    assert await found(catalog, desk, "understood") == ["s"]


async def test_a_catalog_restored_from_an_old_copy_says_what_is_missing(store, catalog, start, open_another):
    desk = Desk(await open_another(log_events_kept=10))
    projector = Projector(desk.store.active, desk.store.outbox, catalog, details, "w1", period=PERIOD)
    await create(desk, "s")
    await write(desk, "old", count=4)
    await projector.drain(desk.tenant)
    uid = (await desk.get()).uid
    await write(desk, "lost", count=50)
    await projector.drain(desk.tenant)
    await forget_after(catalog, uid, 5)
    await write(desk, "new")
    with capture_logs() as logs:
        await projector.drain(desk.tenant)
        await write(desk, "newer")
        await projector.drain(desk.tenant)
    oldest = (await desk.events()).events[0].revision
    (told,) = logs
    assert told == {
        "event": "events are missing in the catalog for ever", "log_level": "error", "tenant": desk.tenant,
        "session": "s", "after": 5, "before": oldest,
    }  # fmt: skip
    kept = [event[2] for event in await catalogued(catalog, uid)]
    assert kept == [*range(1, 6), *range(oldest, 58)]
    assert (await catalog.get(desk.key())).revision == 57
    assert await level(desk)
    await desk.delete_all()
    await projector.drain(desk.tenant)


async def forget_after(catalog: SqlCatalog, uid: str, revision: int) -> None:
    """Puts the catalog back to an earlier state, as a restored copy would."""
    async with writing(catalog._engine) as connection:
        number = f"(SELECT id FROM sessions WHERE uid = '{uid}')"
        for table in ("events", "messages"):
            await connection.exec_driver_sql(f"DELETE FROM {table} WHERE session = {number} AND revision > {revision}")
        await connection.exec_driver_sql(f"DELETE FROM texts WHERE session = {number} AND revision > {revision}")
        await connection.exec_driver_sql(
            f"UPDATE sessions SET revision = {revision}, texts = (SELECT count(*) FROM texts WHERE session = {number})"
            f" WHERE uid = '{uid}'"
        )


@pytest.mark.parametrize("since", [1, 5, 9])
async def test_a_store_put_back_to_an_old_copy_is_not_mixed_with_the_catalog(desk, catalog, engine, start, since):
    """Though it goes on from there, as far as it was or further."""
    projector = start("w1")
    await create(desk, "s")
    await create(desk, "other")
    await projector.drain(desk.tenant)
    async with engine.forgetting(desk.keys()):
        await write(desk, "lost by the store", count=5)
        await projector.drain(desk.tenant)
        before = await catalogued(catalog, (await desk.get()).uid)
    assert len(before) == 6
    await write(desk, "written since", count=since)
    await write(desk, "written", "other")
    with capture_logs() as logs:
        await projector.drain(desk.tenant)
    assert [(one["event"], one["session"]) for one in logs] == [("the store lost events that the catalog has", "s")]
    assert await catalogued(catalog, (await desk.get()).uid) == before
    assert await found(catalog, desk, "written") == ["other"]
    assert await found(catalog, desk, "lost") == ["s"]
    assert await desk.store.outbox.of_tenant(desk.tenant) == [desk.key()]


async def test_nobody_runs_after_a_session_that_is_written_to_all_the_time(desk, catalog, start, monkeypatch):
    monkeypatch.setattr(projecting, "EVENTS", 10)
    await create(desk, "s")
    await write(desk, "x", count=50)
    stop = False

    async def keep_busy() -> None:
        while not stop:
            await write(desk, "noise", count=50)

    task = asyncio.create_task(keep_busy())
    async with asyncio.timeout(60):
        await start().drain(desk.tenant)
    stop = True
    await task


async def test_a_worker_that_ends_gives_its_shards_to_others_at_once(desk, catalog, start, monkeypatch):
    """Nobody waits for the end of its lease."""
    monkeypatch.setattr(projecting, "SHARD_LEASE_MS", 60_000)
    first = start("w1", run=True)
    await create(desk, "s")
    await wait_until(lambda: level(desk))
    await first.close()
    start("w2", run=True)
    await write(desk, "after")
    await wait_until(lambda: level(desk), timeout=30)


async def test_what_left_the_store_without_a_deletion_stays_in_the_catalog(desk, catalog, engine, start):
    """Evicted, or moved to another tier."""
    await create(desk, "s", purpose="precious")
    projector = start()
    await projector.drain(desk.tenant)
    await write(desk, "more")
    keys = desk.keys()
    await engine.at_owner("DEL", keys.head, keys.events)
    await engine.at_owner("ZREM", keys.by_creation, "s")
    await projector.drain(desk.tenant)
    assert await found(catalog, desk, "precious") == ["s"]
    assert await level(desk)


@pytest.mark.parametrize("engine", ["embedded", "cluster", "redis"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
async def test_on_every_store_and_every_database(desk, databases, kind, store):
    told = conversations(3)  # nothing is started where there are none
    catalog = SqlCatalog(open_engine(await databases.migrated(kind)))
    projector = Projector(store.active, store.outbox, catalog, details, "w", period=PERIOD)
    projector.start()
    await replay(desk, told)
    await create(desk, "gone")
    await desk.delete("gone")
    await wait_until(lambda: level(desk), timeout=30)
    assert await check(desk, catalog) == 3
    await projector.close()
    await catalog.close()


def test_kinds_of_detail_are_those_of_the_protos():
    """Every change that has something to look for is read; the others are known not to."""
    from sojourn_server.rpc.details import _READ

    kinds = {field.name for field in event_pb2.Change.DESCRIPTOR.fields}
    silent = {
        "state_set", "state_deleted", "state_incremented", "result_set", "custom", "status_changed", "forked",
        "restored", "request_queued", "request_admitted", "request_progressed", "request_finished", "request_lost",
        "request_cancel_requested",
    }  # fmt: skip
    assert kinds == silent | set(_READ)


@pytest.mark.parametrize("written", [False, True])
async def test_a_session_that_came_back_is_hot_again(desk, catalog, start, written):
    projector, residence = start(), desk.store.residence
    await create(desk, "s")
    await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
    await projector.project([desk.key()])
    session = await desk.get()
    uid, revision = session.uid, session.revision
    shard = desk.keys().shard.number
    assert (await catalog.tiers.marks())[shard] == (session.incarnation, (await desk.events()).events[-1].sequence)

    path = snapshot_path(uid, revision)
    assert await catalog.tiers.set_snapshot(uid, revision, path) == ""
    assert not await catalog.tiers.move(uid, revision, Tier.HOT, Tier.RECENT, standings=desk.store.outbox.standings)
    assert await residence.retire(desk.key(), uid, revision)
    assert await catalog.tiers.move(uid, revision, Tier.HOT, Tier.RECENT, standings=desk.store.outbox.standings)
    await projector.project([desk.key()])
    row = await catalog.get(desk.key())
    assert (row.tier, row.snapshot_path) == (Tier.RECENT, path)

    await residence.adopt(desk.key(), Folded(session), None, lost=False)
    if written:
        await desk.write(ch.InfoUpdated(purpose="again"), on_ended=True)
    assert desk.key() in await desk.store.outbox.of_tenant(desk.tenant)
    await projector.project([desk.key()])
    assert await level(desk)
    row = await catalog.get(desk.key())
    assert (row.tier, row.revision) == (Tier.HOT, revision + written)
    assert [event[2] for event in await catalogued(catalog, uid)] == list(range(1, revision + written + 1))
