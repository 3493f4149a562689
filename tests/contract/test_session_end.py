"""The end of sessions: asked for, or because their time is over."""

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain import changes as ch
from sojourn_server.domain.errors import ConflictError, NotFoundError
from sojourn_server.domain.requests import ScopeKind
from sojourn_server.domain.session import SessionStatus
from tests.support.requests import Clerk, note, passed
from tests.support.waiting import wait_until


async def refused(clerk: Clerk, **wants) -> ConflictError:
    """The refusal of an end, which must have left everything as it was."""
    before = (await clerk.desk.get(), await clerk.live())
    with pytest.raises(ConflictError) as raised:
        await clerk.end(**wants)
    assert (await clerk.desk.get(), await clerk.live()) == before
    return raised.value


async def test_ended_at_once(clerk):
    await clerk.create()
    committed = await clerk.end(SessionStatus.FAILED, "broken", writer="boss")
    session = await clerk.desk.get()
    assert (committed.revision, committed.commit_us, committed.replayed) == (2, session.updated_us, False)
    assert (committed.uid, committed.incarnation) == (session.uid, session.incarnation)
    assert (session.status, session.error, session.ended_us) == (SessionStatus.FAILED, "broken", session.updated_us)
    assert await clerk.news() == [["FAILED: broken"]]
    assert clerk.event().writer == "boss"


async def test_the_queue_ends_with_the_session_and_the_admitted_stay(clerk):
    await clerk.create(limit=2, project="p")
    token = (await clerk.admitted("a")).token
    await clerk.begin("reserving", wide=(ScopeKind.PROJECT,))
    for rid in "bcd":
        await clerk.queued(rid, queue_ms=60_000)
    await clerk.news()
    await clerk.end()
    [changes] = await clerk.news()
    assert "COMPLETED" in changes
    ended = [change.request_finished for change in clerk.event().changes if change.HasField("request_finished")]
    assert {one.request_id for one in ended} == {"reserving", "b", "c", "d"}
    assert {one.outcome for one in ended} == {event_pb2.REQUEST_OUTCOME_CANCELLED}
    assert len(changes) == 5
    assert [one.key.request_id for one in await clerk.live()] == ["a"]
    assert len(await clerk.leases()) == 1
    with pytest.raises(ConflictError) as raised:
        await clerk.get("b")
    assert raised.value.reason == "REQUEST_ENDED"
    assert (await clerk.begin("a", resume=True)).request.token == token
    await clerk.store.progress(clerk.key(), 0.5, "", interval_ms=0)
    assert await clerk.cancel("a") == (None, (await clerk.desk.get()).revision)
    await clerk.finish("a")
    session = await clerk.desk.get()
    assert (session.status, session.admitted_requests, session.queued_requests) == (SessionStatus.COMPLETED, 0, 0)
    assert await clerk.leases() == []


async def test_nothing_begins_in_a_session_that_ended(clerk):
    await clerk.create()
    token = (await clerk.admitted("a")).token
    await clerk.end(SessionStatus.CANCELLED)
    before = await clerk.desk.get()
    for policy in ("QUEUE", "REJECT", "INTERRUPT", "REPLACE_QUEUED"):
        with pytest.raises(ConflictError) as raised:
            await clerk.begin("b", policy=policy)
        assert (raised.value.reason, raised.value.metadata["status"]) == ("SESSION_ENDED", "CANCELLED")
    with pytest.raises(ConflictError) as raised:
        await clerk.write(note(), fencing_token=token)
    assert raised.value.reason == "SESSION_ENDED"
    assert await clerk.desk.get() == before
    await clerk.lose("a")
    await clerk.detach("a")
    assert await clerk.live() == []


async def test_only_once(clerk):
    await clerk.create()
    await clerk.end(SessionStatus.FAILED)
    error = await refused(clerk)
    assert (error.reason, error.metadata["status"], error.metadata["revision"]) == ("SESSION_ENDED", "FAILED", "2")


async def test_what_must_hold(clerk):
    await clerk.create(limit=1)
    token = (await clerk.admitted("a")).token
    await clerk.queued("b")
    error = await refused(clerk, expected_revision=1)
    assert (error.reason, error.metadata["expected_revision"]) == ("REVISION_CONFLICT", "1")
    error = await refused(clerk, required_status=SessionStatus.FAILED)
    assert (error.reason, error.metadata["required_status"]) == ("STATUS_CONFLICT", "FAILED")
    error = await refused(clerk, fencing_token=token + 1)
    assert (error.reason, error.metadata["fencing_token"]) == ("FENCING_TOKEN_REJECTED", str(token + 1))
    everything = {"expected_revision": 3, "required_status": SessionStatus.ACTIVE, "fencing_token": token}
    assert (await clerk.end(**everything)).revision == 4


async def test_a_retry_gives_the_first_result(clerk):
    await clerk.create()
    await clerk.admitted("a")
    first = await clerk.end(SessionStatus.FAILED, "x", key="k", expected_revision=2)
    await clerk.finish("a")
    again = await clerk.end(SessionStatus.FAILED, "x", key="k", expected_revision=2)
    assert (again.revision, again.commit_us, again.replayed) == (3, first.commit_us, True)
    assert (await clerk.desk.get()).revision == 4
    for other in ({"status": SessionStatus.COMPLETED}, {"error": "y"}, {"expected_revision": 3}, {"writer": "w"}):
        wants = {"status": SessionStatus.FAILED, "error": "x", "key": "k", "expected_revision": 2} | other
        assert (await refused(clerk, **wants)).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_a_key_is_used_up_by_what_happened_alone(clerk):
    await clerk.create()
    await refused(clerk, key="k", expected_revision=9)
    assert not (await clerk.end(key="k")).replayed


async def test_a_key_of_a_write_is_not_one_of_an_end(clerk, desk):
    await clerk.create()
    body = event_pb2.Event(changes=[note()]).SerializeToString()
    await desk.write(ch.LogAppended(), body=body, idempotency_key="k")
    assert (await refused(clerk, key="k")).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_no_such_session(clerk, desk):
    with pytest.raises(NotFoundError) as raised:
        await clerk.end()
    assert raised.value.reason == "SESSION_NOT_FOUND"
    await clerk.create()
    await desk.delete()
    with pytest.raises(NotFoundError) as raised:
        await clerk.end()
    assert raised.value.reason == "SESSION_DELETED"


async def expire(clerk: Clerk, sid: str = "s", **how) -> bool:
    return await clerk.lifecycle.expire(clerk.desk.key(sid), SessionStatus.EXPIRED, **how)


async def told(clerk: Clerk) -> list[str]:
    """Sessions of the tenant whose time is over, as the reaper sees them."""
    found = await clerk.lifecycle.overdue("w", lease_ms=50)
    return [key.session_id for one in found for key in one.sessions if key.tenant == clerk.desk.tenant]


async def due_ms(clerk: Clerk, engine, sid: str = "s") -> float | None:
    """When the session is due, as it is indexed."""
    keys = clerk.desk.keys(sid)
    score = await engine.at_owner("ZSCORE", keys.shard.due, keys.member)
    return None if score is None else float(score)


@pytest.mark.parametrize(("timeout", "because"), [({"idle_timeout_ms": 30}, "idle"), ({"max_lifetime_ms": 30}, "old")])
async def test_a_session_expires_when_its_time_is_over(clerk, engine, timeout, because):
    await clerk.create(**timeout)
    created_us = (await clerk.desk.get()).created_us

    async def expired() -> bool:
        return await expire(clerk)

    await wait_until(expired, description="the session expires")
    session = await clerk.desk.get()
    assert session.status is SessionStatus.EXPIRED
    assert because in session.error
    assert session.ended_us is not None
    assert session.ended_us - created_us >= 30_000
    assert await clerk.news() == [[f"EXPIRED: {session.error}"]]
    assert not await expire(clerk)
    assert await due_ms(clerk, engine) is None


async def test_expired_may_be_called_abandoned(clerk):
    await clerk.create(max_lifetime_ms=1)
    await passed((await clerk.desk.get()).created_us + 1000)
    assert await clerk.lifecycle.expire(clerk.desk.key(), SessionStatus.ABANDONED)
    assert (await clerk.desk.get()).status is SessionStatus.ABANDONED


async def test_writes_keep_a_session_from_being_idle_but_not_from_growing_old(clerk):
    await clerk.create("idle", idle_timeout_ms=150)
    await clerk.create("old", idle_timeout_ms=60_000, max_lifetime_ms=150)
    first = (await clerk.desk.get("idle")).created_us
    await passed(first + 100_000)
    for sid in ("idle", "old"):
        await clerk.write(note(), sid=sid)
    updated = (await clerk.desk.get("idle")).updated_us
    await passed((await clerk.desk.get("old")).created_us + 150_000)
    assert await expire(clerk, "old")

    async def expired() -> bool:
        return await expire(clerk, "idle")

    await wait_until(expired)
    assert ((await clerk.desk.get("idle")).ended_us or 0) - updated >= 150_000


async def test_a_session_without_a_timeout_never_expires(clerk, engine):
    await clerk.create()
    assert not await expire(clerk)
    assert await due_ms(clerk, engine) is None
    assert not await expire(clerk, "never")


async def test_never_with_a_live_request(clerk, engine):
    await clerk.create(limit=1, idle_timeout_ms=30, max_lifetime_ms=40)
    await clerk.admitted("a")
    await clerk.queued("b")
    assert (await clerk.desk.get()).expires_us is None
    await clerk.write(note())  # a write does not start the clock either
    assert (await clerk.desk.get()).expires_us is None
    await passed((await clerk.desk.get()).updated_us + 50_000)
    for _ in range(2):
        assert not await expire(clerk)
        assert not await expire(clerk, idle=True)
        assert await told(clerk) == []
    await clerk.finish("a")
    assert not await expire(clerk)
    assert not await expire(clerk, idle=True)
    await clerk.cancel("b", force=True)
    session = await clerk.desk.get()
    assert session.status is SessionStatus.ACTIVE
    assert session.expires_us == session.created_us + 40_000

    async def is_told() -> bool:
        return await told(clerk) == ["s"]

    await wait_until(is_told, description="the session is due again")
    assert await expire(clerk)
    assert "old" in (await clerk.desk.get()).error


@pytest.mark.parametrize("end", ["finish", "detach", "cancel", "lose", "time_out", "drop"])
async def test_the_last_request_that_leaves_starts_the_clock(clerk, engine, end):
    await clerk.create(project="p", idle_timeout_ms=60_000)
    assert await due_ms(clerk, engine) is not None
    wide = (ScopeKind.PROJECT,) if end in ("cancel", "time_out", "drop") else ()
    request = (await clerk.begin("a", lease_ms=5 if end == "lose" else 60_000, queue_ms=5, wide=wide)).request
    assert await due_ms(clerk, engine) is None
    match end:
        case "lose":
            await clerk.lose_soon("a")
        case "time_out":
            await passed(request.queue_deadline_us)
            assert await clerk.store.time_out(clerk.key())
        case "drop":
            assert await clerk.store.drop(clerk.key(), 3, "")
        case _:
            await getattr(clerk, end)("a")
    session = await clerk.desk.get()
    assert session.expires_us == session.updated_us + 60_000_000
    assert await due_ms(clerk, engine) == pytest.approx((session.updated_us + 60_000_000) / 1000, abs=1)


async def test_a_session_that_ended_is_not_due(clerk, engine):
    await clerk.create(idle_timeout_ms=60_000)
    await clerk.admitted("a")
    await clerk.end()
    await clerk.finish("a")
    assert await due_ms(clerk, engine) is None


async def test_room_is_made_by_ending_an_idle_session_whatever_the_clock_says(clerk):
    await clerk.create()
    await clerk.create("busy", idle_timeout_ms=60_000)
    await clerk.admitted("a", sid="busy")
    assert await expire(clerk, idle=True)
    session = await clerk.desk.get()
    assert session.status is SessionStatus.EXPIRED
    assert session.error != ""
    assert not await expire(clerk, idle=True)
    assert not await expire(clerk, "busy", idle=True)
    assert not await expire(clerk, "never", idle=True)
    assert (await clerk.desk.get("busy")).status is SessionStatus.ACTIVE
