"""How requests end."""

import asyncio

import pytest

from sojourn.v1 import event_pb2
from sojourn_server.domain.errors import ConflictError, LeaseLostError, NotFoundError, QueueTimeoutError, SojournError
from sojourn_server.domain.requests import (
    Ended,
    RequestOutcome,
    RequestState,
    Scope,
    ScopeKind,
)
from tests.support.requests import passed

PROJECT = (ScopeKind.PROJECT,)


async def reason_of(call) -> str:
    """The reason with which a call is refused; it must not write."""
    with pytest.raises(SojournError) as raised:
        await call
    return raised.value.reason


async def test_finish_is_idempotent(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    first = await clerk.finish("a", "FAILED", "broken", writer="w")
    assert first.key == clerk.key("a")
    assert first.ended == Ended(RequestOutcome.FAILED, "broken", 4)
    await clerk.finish("b")
    revision = (await clerk.desk.get()).revision
    again = await clerk.finish("a", "SUCCEEDED", "")
    assert (again.ended, again.reserving) == (first.ended, ())
    assert (await clerk.desk.get()).revision == revision
    assert (await clerk.news())[2] == ["finished a FAILED: broken", "admitted b"]


async def test_of_many_ends_at_once_one_counts(clerk):
    await clerk.create()
    await clerk.admitted("a")
    ends = await asyncio.gather(*(clerk.finish("a", "FAILED", str(n)) for n in range(10)))
    assert len({left.ended for left in ends}) == 1
    assert len(await clerk.news()) == 2


async def test_finish_of_what_never_was(clerk):
    await clerk.create()
    with pytest.raises(NotFoundError) as raised:
        await clerk.finish("a")
    assert (raised.value.reason, raised.value.metadata["request_id"]) == ("REQUEST_NOT_FOUND", "a")


async def test_finish_after_the_loss(clerk):
    await clerk.create()
    await clerk.admitted("a")
    left = await clerk.detach("a", cause="its stream ended")
    assert left is not None
    assert left.ended == Ended(RequestOutcome.LOST, "its stream ended", 3)
    for call in (clerk.finish, clerk.get, clerk.cancel):
        with pytest.raises(LeaseLostError) as raised:
            await call("a")
        assert raised.value.metadata["cause"] == "its stream ended"
    assert await clerk.news() == [["admitted a"], ["lost a: its stream ended"]]


@pytest.mark.parametrize("waits", [False, True])
async def test_finish_before_the_admission_is_giving_up(clerk, waits):
    """Whatever the caller says: work that was never admitted cannot have been done."""
    await clerk.create(limit=1, project="p")
    if waits:
        await clerk.admitted("holder")
    await clerk.begin("a", wide=PROJECT)
    await clerk.news()
    left = await clerk.finish("a", "SUCCEEDED", "never mind")
    assert left.ended.outcome is RequestOutcome.CANCELLED
    assert (await clerk.finish("a")).ended == left.ended
    assert await clerk.news() == [["finished a CANCELLED: never mind"]]
    assert [scope.kind for scope in left.scopes] == [ScopeKind.PROJECT]


async def test_after_the_end_get_says_how_it_ended(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.finish("a", "FAILED", "broken")
    for call in (clerk.get, clerk.cancel):
        with pytest.raises(ConflictError) as raised:
            await call("a")
        assert raised.value.reason == "REQUEST_ENDED"
        assert (raised.value.metadata["outcome"], raised.value.metadata["error"]) == ("FAILED", "broken")


async def test_detach_counts_only_for_the_last_stream(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    assert (await clerk.begin("a", resume=True)).request.attachment == 2
    before = (await clerk.live(), await clerk.desk.get())
    assert await clerk.detach("a", 1) is None
    assert await clerk.detach("a", 3) is None
    assert (await clerk.live(), await clerk.desk.get()) == before
    assert await clerk.detach("a", 2) is not None
    assert await clerk.holders() == ["b"]
    assert await clerk.detach("a", 2) is None
    assert await clerk.detach("never", 1) is None


async def test_detach_of_one_that_waits(clerk):
    await clerk.create(limit=1)
    token = (await clerk.admitted("a")).token
    await clerk.queued("b")
    assert (await clerk.detach("b")) is not None
    await clerk.news()
    assert clerk.event().changes[0].request_lost == event_pb2.RequestLost(request_id="b", cause="gone")
    await clerk.detach("a")
    await clerk.news()
    lost = event_pb2.RequestLost(request_id="a", cause="gone", fencing_token=token)
    assert clerk.event().changes[0].request_lost == lost


async def test_cancel_of_one_that_waits_ends_it(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    left, revision = await clerk.cancel("b", "not needed", writer="boss")
    assert left is not None
    assert (left.ended, revision) == (Ended(RequestOutcome.CANCELLED, "not needed", 4), 4)
    assert (await clerk.news())[-1] == ["finished b CANCELLED: not needed"]
    assert clerk.event().writer == "boss"
    for call in (clerk.finish, clerk.get, clerk.cancel):
        with pytest.raises(ConflictError) as raised:
            await call("b")
        assert raised.value.reason == "REQUEST_ENDED"
        assert raised.value.metadata["outcome"] == "CANCELLED"


async def test_cancel_of_one_that_works_tells_it_and_no_more(clerk):
    await clerk.create(limit=1)
    request = await clerk.admitted("a")
    await clerk.queued("b")
    await clerk.news()
    assert await clerk.cancel("a", "stop", writer="boss") == (None, 4)
    assert await clerk.news() == [["asked a: stop"]]
    assert clerk.event().writer == "boss"
    assert await clerk.cancel("a", "stop again") == (None, 0)
    assert await clerk.news() == []
    told = await clerk.get("a")
    assert (told.cancel_reason, told.state, told.token) == ("stop", RequestState.ADMITTED, request.token)
    assert (await clerk.begin("a")).request.cancel_reason == "stop"  # a new stream learns it too
    assert (await clerk.finish("a", "SUCCEEDED")).ended.outcome is RequestOutcome.SUCCEEDED
    assert await clerk.holders() == ["b"]


async def test_force_takes_it_away(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    await clerk.cancel("a", "please")
    await clerk.news()
    left, revision = await clerk.cancel("a", "now", force=True, writer="boss")
    assert left is not None
    assert left.ended == Ended(RequestOutcome.LOST, "now", revision)
    assert await clerk.news() == [["lost a: now", "admitted b"]]
    assert clerk.event().writer == "boss"
    assert await reason_of(clerk.finish("a")) == "LEASE_LOST"
    assert await reason_of(clerk.cancel("a", force=True)) == "LEASE_LOST"


async def test_force_ends_one_that_waits_too(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    left, _ = await clerk.cancel("b", force=True)
    assert left is not None
    assert left.ended.outcome in (RequestOutcome.CANCELLED, RequestOutcome.LOST)
    assert await clerk.queue() == []


async def test_drop_ends_only_what_was_not_admitted(clerk, desk):
    await clerk.create(limit=2, project="p")
    await clerk.admitted("a")
    await clerk.begin("b", wide=PROJECT)
    await clerk.queued("c")

    async def drop(rid: str):
        return await clerk.store.drop(clerk.key(rid), RequestOutcome.CANCELLED, "no such pool")

    before = (await clerk.live(), await clerk.desk.get())
    assert (await drop("a"), await drop("never")) == (None, None)
    assert (await clerk.live(), await clerk.desk.get()) == before
    await clerk.news()
    left = await drop("b")
    assert left.scopes == (Scope(ScopeKind.PROJECT, desk.tenant, "p"),)
    assert await clerk.news() == [["finished b CANCELLED: no such pool", "admitted c"]]
    assert (await drop("b"), await drop("c")) == (None, None)


async def test_a_queue_timeout_ends_one_that_waits(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a", queue_ms=20)
    request = await clerk.queued("b", queue_ms=20)
    assert request.queue_deadline_us == request.begin_us + 20_000
    await clerk.queued("patient")
    await clerk.news()
    await passed(request.queue_deadline_us)
    left = await clerk.store.time_out(clerk.key("b"))
    assert left is not None
    assert left.ended.outcome is RequestOutcome.TIMED_OUT
    [[finished]] = await clerk.news()
    assert finished.startswith("finished b CANCELLED: ")
    for call in (clerk.get, clerk.finish, clerk.cancel):
        with pytest.raises(QueueTimeoutError):
            await call("b")
    with pytest.raises(QueueTimeoutError):
        await clerk.begin("b", resume=True)
    for rid in ("a", "b", "patient", "never"):
        assert await clerk.store.time_out(clerk.key(rid)) is None


async def test_a_queue_timeout_counts_until_the_admission(clerk):
    """Not only in the session's queue: waiting for wider slots is waiting, too."""
    await clerk.create(project="p")
    request = (await clerk.begin("a", queue_ms=20, wide=PROJECT)).request
    other = (await clerk.begin("b", queue_ms=20, wide=PROJECT)).request
    assert await clerk.store.admit(clerk.key("b"), None)
    assert [lease for lease in await clerk.leases() if "|t|" in lease] == [f"0|t|{clerk.key('a').holder}"]
    await passed(max(request.queue_deadline_us, other.queue_deadline_us))
    assert await clerk.store.time_out(clerk.key("b")) is None
    left = await clerk.store.time_out(clerk.key("a"))
    assert left is not None
    assert [scope.kind for scope in left.scopes] == [ScopeKind.PROJECT]


async def test_a_queue_timeout_is_over_with_the_admission(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a", queue_ms=60_000)
    await clerk.queued("b", queue_ms=60_000)
    await clerk.finish("a")
    assert await clerk.holders() == ["b"]
    assert [lease for lease in await clerk.leases() if "|t|" in lease] == []


async def test_never_before_its_time(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b", queue_ms=60_000)
    before = await clerk.live()
    assert await clerk.store.time_out(clerk.key("b")) is None
    assert await clerk.lose("a") is None
    assert await clerk.live() == before


async def test_nothing_is_left_of_requests_that_ended(clerk, engine, desk):
    await clerk.create(limit=1)
    keys = desk.keys()
    for rid, end in (("a", clerk.finish), ("b", clerk.cancel), ("c", clerk.detach)):
        await clerk.begin("holder")
        await clerk.begin(rid, queue_ms=60_000)
        await end(rid)
        await clerk.finish("holder")
    assert await engine.at_owner("EXISTS", keys.requests, keys.queue) == 0
    assert await clerk.leases() == []
    for rid in "abc":
        assert 86_000 < await engine.at_owner("TTL", f"{keys.ended_prefix}{rid}") <= 86_400


async def test_a_deleted_session_takes_its_requests_with_it(clerk, engine, desk):
    await clerk.create(limit=2, project="p")
    first = await clerk.admitted("a")
    await clerk.begin("b", wide=PROJECT, queue_ms=60_000)
    await clerk.queued("c", queue_ms=60_000)
    await desk.delete()
    keys = desk.keys()
    assert await engine.at_owner("EXISTS", keys.requests, keys.queue) == 0
    assert await clerk.leases() == []
    assert await clerk.store.renew([first]) == [None]
    assert await clerk.store.of_tenant(desk.tenant) == []
    for call in (clerk.get, clerk.finish, clerk.cancel):
        assert await reason_of(call("a")) == "SESSION_DELETED"


async def test_a_session_made_anew_knows_nothing_of_requests_before(clerk, desk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    await clerk.finish("a")
    await desk.delete()
    await clerk.create()
    assert await clerk.live() == []
    for rid in "ab":
        for call in (clerk.get, clerk.finish, clerk.cancel):
            assert await reason_of(call(rid)) == "REQUEST_NOT_FOUND"
        assert await reason_of(clerk.begin(rid, resume=True)) == "REQUEST_NOT_FOUND"
        assert not (await clerk.begin(rid)).resumed
