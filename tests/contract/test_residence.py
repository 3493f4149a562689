"""Sessions leave the store whole and come back whole; nobody who looks at the store alone takes one for lost, or makes
another under its id."""

from dataclasses import replace
from typing import Any

import pytest

from sojourn_server.domain import changes as ch
from sojourn_server.domain.effects import effects_of
from sojourn_server.domain.errors import (
    AlreadyExistsError,
    ConflictError,
    MaybeElsewhereError,
    NotFoundError,
    PositionError,
    RetiredError,
)
from sojourn_server.domain.fold import Folded
from sojourn_server.domain.session import SessionStatus, StepStatus
from sojourn_server.ports import ArchivedSession
from sojourn_server.ports.tiers import FirstEvent
from sojourn_server.store.residence import RedisResidence
from tests.support.sessions import Desk, revisions, take

UID = "00000000000000f0"
STORES_OWN = ("cat", "oldest", "dirty", "ra", "rq", "fence")
"""Fields of the head that are not the session's."""


@pytest.fixture
async def residence(desk: Desk, engine: Any) -> RedisResidence:
    """Of a store whose filters are new."""
    for shard in desk.store.commits.shards:
        await engine.at_owner("DEL", shard.elsewhere)
    return desk.store.residence


async def tale(desk: Desk, sid: str = "s", *, ended: bool = True, **begins_with: Any) -> Folded:
    """A session with something in every field; the catalog has it."""
    begins_with = {"user_id": "u", "project": "p", "purpose": "why", "parent": "up", "tags": ("b", "a")} | begins_with
    await desk.create(sid, metadata={"m": b"1"}, state={"n": b"7", "ü": b'"x"'}, **begins_with)
    await desk.write(ch.StateIncremented("n", 5), ch.ResultSet("r", b"[]"), sid=sid)
    usage = ch.Usage(1, 2, 3, 4)
    await desk.write(ch.MessageAppended(ch.MessageRole.USER, usage), ch.InvocationStarted("i", "tool"), sid=sid)
    finished = ch.InvocationFinished("i", ch.InvocationStatus.FAILED)
    await desk.write(finished, ch.InvocationStarted("j", "tool"), ch.StepFinished("x", 2, StepStatus.FAILED), sid=sid)
    await desk.write(ch.ArtifactAttached("a.png", 3), ch.LogAppended(), sid=sid)
    if ended:
        await desk.write(ch.StatusChanged(SessionStatus.FAILED, "broken"), sid=sid)
    session = await desk.get(sid)
    assert await desk.store.outbox.projected(desk.key(sid), session.uid, session.revision)
    return Folded(session, {"j": "/tool"})


async def retire(desk: Desk, folded: Folded) -> bool:
    session = folded.session
    return await desk.store.residence.retire(desk.key(session.id), session.uid, session.revision)


def first(*changes: ch.Change, body: bytes = b"first", idempotency_key: str = "") -> FirstEvent:
    return FirstEvent(effects_of(changes), body, idempotency_key)


async def head(engine: Any, desk: Desk, sid: str = "s") -> dict[str, str]:
    """The fields of the session."""
    flat = await engine.at_owner("HGETALL", desk.keys(sid).head)
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    return {name: value for name, value in pairs if name not in STORES_OWN}


async def test_a_session_comes_back_as_it_was(desk, residence, engine):
    folded = await tale(desk, idle_timeout_ms=5_000, max_concurrent_requests=2)
    before, newest = await head(engine, desk), await desk.store.active.newest(desk.tenant, after=None, count=9)
    assert await retire(desk, folded)
    with pytest.raises(NotFoundError) as raised:
        await desk.get()
    assert raised.value.reason == "SESSION_NOT_FOUND"
    assert await desk.store.active.newest(desk.tenant, after=None, count=9) == []
    keys = desk.keys()
    assert await engine.at_owner("EXISTS", keys.head, keys.events, keys.requests, keys.queue) == 0
    assert await engine.at_owner("ZSCORE", keys.shard.dirty, keys.member) is None

    committed = await residence.adopt(desk.key(), folded, None, lost=False)
    session = folded.session
    assert (committed.cursor, committed.replayed) == (
        (session.uid, session.incarnation, session.revision, session.updated_us), False
    )  # fmt: skip
    assert await head(engine, desk) == before
    assert await desk.get() == session
    assert await desk.store.active.newest(desk.tenant, after=None, count=9) == newest
    assert desk.key() in await desk.store.outbox.of_tenant(desk.tenant)


async def test_it_goes_on_from_there(desk, residence):
    folded = await tale(desk)
    assert await retire(desk, folded)
    last = folded.session.revision
    resumed = first(ch.StatusChanged(SessionStatus.ACTIVE), body=b"resumed")
    committed = await residence.adopt(desk.key(), folded, resumed, lost=False)
    assert committed.revision == last + 1
    session = await desk.get()
    assert (session.status, session.error, session.ended_us) == (SessionStatus.ACTIVE, "", None)
    assert (session.updated_us, session.state) == (committed.commit_us, folded.session.state)
    await desk.write(ch.StateIncremented("n", 1), ch.InvocationFinished("j", ch.InvocationStatus.SUCCEEDED))
    session = await desk.get()
    assert session.state["n"] == b"13"
    assert "open_invocations" not in session.counters

    cursor = committed.cursor._replace(revision=last, commit_us=folded.session.updated_us)
    page = await desk.events(after=cursor)
    assert (revisions(page.events), page.events[0].body, page.oldest) == ([last + 1, last + 2], b"resumed", last + 1)
    with pytest.raises(PositionError) as raised:
        await desk.events(after=last - 1)
    assert raised.value.reason == "CURSOR_TOO_OLD"


async def test_a_fork_is_a_session_of_its_own(desk, residence, engine):
    folded = await tale(desk, ended=False)
    closed = ch.InvocationFinished("j", ch.InvocationStatus.INTERRUPTED)
    event = first(closed, ch.Forked(UID, "s", folded.session.revision), body=b"forked")
    mine = replace(folded, session=replace(folded.session, incarnation=""))
    committed = await residence.adopt(desk.key("f"), mine, event, lost=False)
    assert (committed.uid, committed.incarnation) == (UID, await residence.incarnation(desk.key("f")))
    expected = replace(
        folded.session, id="f", uid=UID, parent="s", incarnation=committed.incarnation, revision=committed.revision,
        created_us=committed.commit_us, updated_us=committed.commit_us,
    )  # fmt: skip
    expected.counters = {**expected.counters, "failed_invocations": 2}
    del expected.counters["open_invocations"]
    assert await desk.get("f") == expected
    places = await desk.store.active.newest(desk.tenant, after=None, count=9)
    assert places[0] == (committed.commit_us, "f")
    with pytest.raises(AlreadyExistsError):
        await residence.adopt(desk.key("f"), mine, event, lost=False)
    assert await desk.get("f") == expected
    assert await desk.get() == folded.session


async def test_it_expires_like_any_other(desk, residence, engine):
    folded = await tale(desk, ended=False, idle_timeout_ms=50_000)
    due, member = desk.keys().shard.due, desk.keys().member
    session = folded.session
    for event in (None, first(ch.Forked(UID, "s", 1))):
        await residence.adopt(desk.key("f"), folded, event, lost=False)
        found = await desk.get("f")
        score = await engine.at_owner("ZSCORE", desk.keys("f").shard.due, desk.keys("f").member)
        assert int(score) * 1000 == pytest.approx(found.expires_us, abs=1000)
        await desk.delete("f")
    assert await engine.at_owner("ZSCORE", due, member) is not None
    await desk.delete()
    ended = replace(folded, session=replace(session, status=SessionStatus.COMPLETED, uid=UID))
    await residence.adopt(desk.key(), ended, None, lost=False)
    assert await engine.at_owner("ZSCORE", due, member) is None


async def test_a_retried_adoption_is_the_first(desk, residence):
    folded = await tale(desk)
    assert await retire(desk, folded)

    def forking(uid: str, body: str = "forked") -> FirstEvent:
        return first(ch.Forked(uid, "s", 1), body=f"{body} {uid}".encode(), idempotency_key="k")

    once = await residence.adopt(desk.key("f"), folded, forking(UID), lost=False)
    again = await residence.adopt(desk.key("f"), folded, forking("00000000000000f1"), lost=False)
    assert again == once._replace(replayed=True)
    with pytest.raises(ConflictError) as raised:
        await residence.adopt(desk.key("f"), folded, forking(UID, "another"), lost=False)
    assert raised.value.reason == "IDEMPOTENCY_KEY_REUSED"
    await desk.delete("f")
    with pytest.raises(NotFoundError) as gone:
        await residence.adopt(desk.key("f"), folded, forking(UID), lost=False)
    assert gone.value.reason == "SESSION_DELETED"


async def test_what_was_deleted_does_not_come_back(desk, residence):
    folded = await tale(desk)
    await desk.delete()
    for lost in (False, True):
        with pytest.raises(NotFoundError) as raised:
            await residence.adopt(desk.key(), folded, None, lost=lost)
        assert raised.value.reason == "SESSION_DELETED"
    other = replace(folded, session=replace(folded.session, uid=UID))
    await residence.adopt(desk.key(), other, None, lost=False)
    assert (await desk.get()).uid == UID


async def test_only_what_is_finished_leaves(desk, residence, engine):
    folded = await tale(desk, ended=False)
    assert not await retire(desk, folded)
    await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
    session = await desk.get()
    folded.session = session
    assert not await retire(desk, folded), "the catalog does not have its last revision"
    assert await desk.store.outbox.projected(desk.key(), session.uid, session.revision)
    assert not await residence.retire(desk.key(), session.uid, session.revision - 1)
    requests = desk.keys().requests
    await engine.at_owner("HSET", requests, "f:7", "request")
    assert not await retire(desk, folded)
    await engine.at_owner("DEL", requests)
    assert await residence.retire(desk.key(), UID, session.revision), "that one is not there"
    assert await desk.get() == session
    assert await residence.may_be_elsewhere([desk.key()]) == [True], "a new store does not know"
    await residence.know_all()
    assert await residence.may_be_elsewhere([desk.key()]) == [False]
    assert await retire(desk, folded)
    assert await retire(desk, folded)
    assert await residence.may_be_elsewhere([desk.key()]) == [True]


async def test_the_filter_is_certain_of_what_it_denies(desk, residence):
    keys = [desk.key(f"s{n}") for n in range(3_000)]
    assert not await residence.knows_all()
    assert await residence.may_be_elsewhere(keys) == [True] * len(keys)
    await residence.learn(keys[:1_500])
    assert await residence.may_be_elsewhere(keys) == [True] * len(keys)
    await residence.know_all()
    assert await residence.knows_all()
    found = await residence.may_be_elsewhere(keys)
    assert found[:1_500] == [True] * 1_500
    assert sum(found[1_500:]) < 15
    assert await residence.may_be_elsewhere([keys[0], keys[0]]) == [True, True]
    assert await residence.may_be_elsewhere([]) == []


async def test_a_session_is_made_only_where_none_can_be(desk, residence):
    active = desk.store.active
    with pytest.raises(MaybeElsewhereError) as raised:
        await active.create(desk.new(), or_get=True)
    assert raised.value.deleted_uid == ""
    await residence.know_all()
    created, _ = await active.create(desk.new(), or_get=False)
    with pytest.raises(AlreadyExistsError):
        await active.create(desk.new(), or_get=False)
    await residence.learn([desk.key()])
    assert not (await active.create(desk.new(), or_get=True))[1], "what is here is not looked for elsewhere"
    await desk.delete()
    with pytest.raises(MaybeElsewhereError) as raised:
        await active.create(desk.new(), or_get=False)
    assert raised.value.deleted_uid == created.uid
    assert (await active.create(desk.new(), or_get=False, checked=True))[1]


async def test_a_creation_that_is_retried_looks_nowhere_else(desk, residence):
    new = desk.new(idempotency_key="k")
    once, _ = await desk.store.active.create(new, or_get=False, checked=True)
    again, created = await desk.store.active.create(new, or_get=False)
    assert created
    assert again == once._replace(replayed=True)


async def test_an_older_copy_is_replaced_by_what_was_lost(desk, residence, engine):
    await desk.create(state={"n": b"1"})
    keys = desk.keys()
    async with engine.forgetting(keys):
        await desk.add(3)
        await desk.write(ch.StateSet({"n": b"2"}), ch.InvocationStarted("j", "tool"))
        later = await desk.get()
    assert (await desk.get()).revision == 1
    await desk.write(ch.StateSet({"old": b"1"}))
    await engine.at_owner("HSET", keys.requests, "q:r", "3\n0\n1\n9\n1000" + "\n0" * 14, "f:9", "r")
    await engine.at_owner("ZADD", keys.shard.lease, 9_999_999_999_999, f"1000|r|{keys.member}/r")
    folded = Folded(later, {"j": "r/tool"})
    event = first(
        ch.RequestLost("r"), ch.InvocationFinished("j", ch.InvocationStatus.INTERRUPTED), ch.Restored(later.revision),
        body=b"restored",
    )  # fmt: skip
    with pytest.raises(AlreadyExistsError):
        await residence.adopt(desk.key(), folded, event, lost=False)
    committed = await residence.adopt(desk.key(), folded, event, lost=True)
    session = await desk.get()
    assert (session.revision, session.state) == (later.revision + 1, {"n": b"2"})
    assert "open_invocations" not in session.counters
    assert [event.body for event in (await desk.events()).events] == [b"restored"]
    assert await engine.at_owner("EXISTS", keys.requests) == 0
    assert await engine.at_owner("ZSCORE", keys.shard.lease, f"1000|r|{keys.member}/r") is None
    with pytest.raises(AlreadyExistsError):
        await residence.adopt(desk.key(), folded, event, lost=True)
    assert (await desk.write(ch.LogAppended())).revision == committed.revision + 1


async def test_what_was_lost_gets_the_shards_incarnation(desk, residence, engine):
    folded = await tale(desk, ended=False)
    keys = desk.keys()
    present = await residence.incarnation(desk.key())
    earlier = replace(folded, session=replace(folded.session, incarnation="00000000000000ee"))
    await engine.at_owner("UNLINK", keys.head, keys.events)
    kept = await residence.adopt(desk.key(), earlier, None, lost=False)
    assert kept.incarnation == "00000000000000ee"
    # The shard fell back since: this session is one of those that may be an older copy.
    restored = await residence.adopt(desk.key(), earlier, first(ch.Restored(kept.revision)), lost=True)
    assert (restored.incarnation, restored.revision) == (present, kept.revision + 1)
    with pytest.raises(PositionError) as raised:
        await desk.events(after=kept.cursor)
    assert raised.value.reason == "HISTORY_ROLLED_BACK"
    other = replace(earlier, session=replace(earlier.session, uid=UID, revision=99))
    with pytest.raises(AlreadyExistsError):
        await residence.adopt(desk.key(), other, None, lost=True)


async def test_watchers_are_told_last_of_all(desk, residence):
    folded = await tale(desk, ended=False)
    async with desk.watch() as (_, tap), desk.store.hub.tenant(desk.tenant, None) as every:
        assert await tap.next(0) == await every.next(0) == []
        ended = await desk.write(ch.StatusChanged(SessionStatus.COMPLETED))
        assert await desk.store.outbox.projected(desk.key(), ended.uid, ended.revision)
        folded.session = await desk.get()
        assert revisions(await take(tap, 1)) == revisions(await take(every, 1)) == [ended.revision]
        assert await retire(desk, folded)
        archived = ArchivedSession("s", ended.uid, ended.revision)
        assert await take(tap, 1) == await take(every, 1) == [archived]


async def test_a_watcher_that_was_not_told_finds_out(desk, residence):
    folded = await tale(desk)
    async with desk.watch() as (_, tap):
        await tap.next(0)
        cursor = desk.store.hub._feeds[desk.keys().shard.channel].position
        assert await retire(desk, folded)
        page = await desk.store.commits.after(desk.keys().shard, cursor, None)
        archived = ArchivedSession("s", folded.session.uid, folded.session.revision)
        assert [item for _, _, item in page.items] == [archived]
        tap.check()
        assert await take(tap, 1) == [archived]
    with pytest.raises(RetiredError) as raised:
        await desk.events()
    assert (raised.value.uid, raised.value.revision) == (folded.session.uid, folded.session.revision)


async def test_watchers_that_are_behind_read_the_rest_elsewhere(desk, residence):
    async with desk.store.hub.tenant(desk.tenant, None) as every:
        begin = every.cursor
    folded = await tale(desk)
    everything = await desk.events()
    cursor = everything.events[0].cursor
    assert await retire(desk, folded)

    class Elsewhere:
        """Has the session in another tier."""

        async def events(self, key, query):
            after = query.after if isinstance(query.after, int) else query.after.revision
            before = query.before or everything.head.revision + 1
            found = [replace(event, sequence=0) for event in everything.events if after < event.revision < before]
            part = found[: min(query.count, 2)]
            scanned = part[-1].revision if part else after
            return replace(everything, events=part, scanned=scanned, more=len(part) < len(found), tier=2)

    with pytest.raises(RetiredError):
        async with desk.watch(cursor):
            pytest.fail("the watch opened")
    desk.store.hub.read_through(Elsewhere())
    archived = ArchivedSession("s", folded.session.uid, folded.session.revision)
    async with desk.watch(cursor) as (_, tap):
        items = await take(tap, folded.session.revision)
        assert revisions(items[:-1]) == list(range(2, folded.session.revision + 1))
        assert items[-1] == archived
    async with desk.store.hub.tenant(desk.tenant, begin) as every:
        items = await take(every, folded.session.revision + 1)
        assert items[:-1] == everything.events
        assert items[-1] == archived
