"""Creating sessions."""

import asyncio

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import AlreadyExistsError, ConflictError, NotFoundError
from sojourn_server.domain.session import SessionStatus
from sojourn_server.store.writing import WriteSettings
from tests.support.sessions import Desk


async def test_a_session_begins_with_what_it_was_given(desk):
    given = {
        "session_kind": "qa", "user_id": "u", "project": "p", "purpose": "why", "tags": ("b", "a"),
        "metadata": {"m": b"1"}, "state": {"k": b'{"x":[1]}', "n": b"7"}, "parent": "mother",
        "idle_timeout_ms": 60_000, "max_lifetime_ms": 90_000, "max_concurrent_requests": 3,
    }  # fmt: skip
    new = desk.new(**given)
    committed, created = await desk.store.active.create(new, or_get=False, checked=True)
    assert (committed.revision, created, committed.replayed) == (1, True, False)
    assert committed.uid == new.effects.sets["uid"]
    session = await desk.get()
    assert (session.id, session.uid, session.incarnation) == ("s", committed.uid, committed.incarnation)
    assert (session.kind, session.user_id, session.project, session.purpose) == ("qa", "u", "p", "why")
    assert (session.tags, session.metadata, session.state) == (["a", "b"], {"m": b"1"}, {"k": b'{"x":[1]}', "n": b"7"})
    assert (session.parent, session.max_concurrent_requests) == ("mother", 3)
    assert (session.idle_timeout_ms, session.max_lifetime_ms) == (60_000, 90_000)
    assert session.status is SessionStatus.ACTIVE
    assert session.created_us == session.updated_us == committed.commit_us
    assert session.ended_us is None
    assert (session.counters, session.usage, session.tools, session.steps, session.results) == ({}, {}, {}, {}, {})


async def test_its_first_event_is_in_the_log(desk):
    committed = await desk.create(body=b"hello")
    page = await desk.events()
    [event] = page.events
    assert (event.revision, event.body, event.commit_us, event.uid) == (1, b"hello", committed.commit_us, committed.uid)
    assert event.mask == ch.kind_mask([ch.ChangeKind.SESSION_CREATED])
    assert event.cursor == committed.cursor == page.head


async def test_the_commit_time_is_the_engines_clock(desk, engine):
    async with engine.clients() as clients:
        seconds, micros = await clients[0].time()
        committed = await desk.create()
        later_seconds, later_micros = await clients[0].time()
    assert seconds * 1_000_000 + micros <= committed.commit_us <= later_seconds * 1_000_000 + later_micros


async def test_a_taken_id_is_refused_and_nothing_changes(desk):
    await desk.create(state={"k": b"1"})
    await desk.add(2)
    with pytest.raises(AlreadyExistsError) as raised:
        await desk.create(state={"k": b"2"})
    assert raised.value.metadata == {"session_id": "s", "revision": "3"}
    session = await desk.get()
    assert (session.revision, session.state) == (3, {"k": b"1"})


async def test_or_get_gives_the_present_head(desk):
    first = await desk.create()
    await desk.add(1)
    found, created = await desk.store.active.create(desk.new(), or_get=True, checked=True)
    assert (created, found.revision, found.uid) == (False, 2, first.uid)
    assert (await desk.get()).revision == 2


async def test_of_many_creators_one_wins(desk):
    results = await asyncio.gather(*(desk.create() for _ in range(20)), return_exceptions=True)
    winners = [result for result in results if not isinstance(result, Exception)]
    assert len(winners) == 1
    assert all(isinstance(result, AlreadyExistsError) for result in results if isinstance(result, Exception))
    assert (await desk.get()).uid == winners[0].uid


async def test_of_many_that_get_or_create_one_creates_and_all_see_it(desk):
    create = desk.store.active.create
    results = await asyncio.gather(*(create(desk.new(), or_get=True, checked=True) for _ in range(20)))
    assert sorted(created for _, created in results) == [False] * 19 + [True]
    assert len({committed.uid for committed, _ in results}) == 1


async def test_tenants_do_not_see_each_other(desk, store):
    other = Desk(store)
    await desk.create(purpose="ours")
    await other.create(purpose="theirs")
    assert (await desk.get()).purpose == "ours"
    await other.delete()
    assert (await desk.get()).purpose == "ours"
    with pytest.raises(NotFoundError):
        await other.get()


async def test_a_creation_beyond_the_limit_leaves_nothing(open_another):
    desk = Desk(await open_another(write=WriteSettings(max_state_bytes=1000)))
    with pytest.raises(ConflictError) as raised:
        await desk.create(state={"k": b"x" * 1000})
    assert raised.value.reason == "STATE_LIMIT_EXCEEDED"
    assert raised.value.metadata["limit"] == "1000"
    assert int(raised.value.metadata["actual"]) == len("s:k") + 1000
    with pytest.raises(NotFoundError) as missing:
        await desk.get()
    assert missing.value.reason == "SESSION_NOT_FOUND"
    assert await desk.store.active.newest(desk.tenant, after=None, count=10) == []


async def test_a_minted_id_is_the_same_for_the_same_key(desk):
    mint = desk.store.active.mint
    first = await mint(desk.tenant, "key", "proposed-1")
    assert first == "proposed-1"
    assert await mint(desk.tenant, "key", "proposed-2") == "proposed-1"
    assert await mint(desk.tenant, "other", "proposed-2") == "proposed-2"
    assert await mint(desk.tenant + "x", "key", "proposed-3") == "proposed-3"


async def test_an_id_can_be_used_again_after_its_session_was_deleted(desk):
    first = await desk.create(state={"old": b"1"})
    await desk.add(4)
    await desk.delete()
    second = await desk.create(state={"new": b"1"})
    assert (second.revision, second.uid != first.uid) == (1, True)
    session = await desk.get()
    assert (session.revision, session.state, session.counters) == (1, {"new": b"1"}, {})
    assert [event.revision for event in (await desk.events()).events] == [1]
