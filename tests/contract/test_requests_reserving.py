"""Requests that need slots of wider scopes: they hold the session's slot and reserve."""

import pytest

from sojourn.v1 import event_pb2, request_pb2
from sojourn_server.domain.errors import LimitExceededError
from sojourn_server.domain.requests import (
    PoolSlot,
    RequestState,
    Scope,
    ScopeKind,
)
from tests.support.requests import Clerk

PROJECT = (ScopeKind.PROJECT,)


async def refused(clerk: Clerk, rid: str, **wants) -> LimitExceededError:
    """The refusal of a request, which must have left everything as it was."""
    before = (await clerk.live(), await clerk.desk.get())
    with pytest.raises(LimitExceededError) as raised:
        await clerk.begin(rid, **wants)
    assert (await clerk.live(), await clerk.desk.get()) == before
    return raised.value


async def test_who_needs_wider_slots_reserves_and_then_is_admitted(clerk, desk):
    await clerk.create(limit=2, user_id="u", project="p")
    begun = await clerk.begin("a", pool="browsers", wide=(ScopeKind.POOL, ScopeKind.USER, *PROJECT), priority=4)
    request = begun.request
    assert (request.state, request.token, request.position) == (RequestState.RESERVING, 0, 0)
    assert request.pool == "browsers"
    assert request.scopes == (
        Scope(ScopeKind.POOL, desk.tenant, "browsers"),
        Scope(ScopeKind.USER, desk.tenant, "u"),
        Scope(ScopeKind.PROJECT, desk.tenant, "p"),
    )
    assert await clerk.news() == [["queued a"]]
    assert clerk.event().changes[0].request_queued.pool == "browsers"
    admitted = await clerk.store.admit(clerk.key("a"), PoolSlot(3, 77))
    assert admitted is not None
    assert (admitted.state, admitted.slot) == (RequestState.ADMITTED, PoolSlot(3, 77))
    assert await clerk.store.admit(clerk.key("a"), PoolSlot(3, 77)) == admitted
    assert await clerk.news() == [["admitted a"]]
    assert clerk.event().changes[0].request_admitted == event_pb2.RequestAdmitted(
        request_id="a", fencing_token=admitted.token, priority=4,
        pool_slot=request_pb2.PoolSlot(pool="browsers", slot=3, fencing_token=77),
    )  # fmt: skip
    assert (await clerk.finish("a")).scopes == request.scopes


async def test_the_first_slot_of_a_pool_has_the_number_0(clerk):
    await clerk.create()
    await clerk.begin("a", pool="browsers", wide=(ScopeKind.POOL,))
    admitted = await clerk.store.admit(clerk.key("a"), PoolSlot(0, 1))
    assert admitted is not None
    assert admitted.slot == PoolSlot(0, 1)
    await clerk.news()
    slot = clerk.event().changes[0].request_admitted.pool_slot
    assert (slot.pool, slot.slot, slot.fencing_token) == ("browsers", 0, 1)


async def test_a_session_without_a_user_takes_none_of_a_users_slots(clerk, desk):
    await clerk.create("s")
    await clerk.admitted("a", wide=(ScopeKind.USER, ScopeKind.PROJECT))
    assert (await clerk.finish("a")).scopes == ()
    every = (ScopeKind.USER, ScopeKind.PROJECT, ScopeKind.TENANT, ScopeKind.SERVER)
    begun = await clerk.begin("b", wide=every)
    assert begun.request.scopes == (Scope(ScopeKind.TENANT, desk.tenant), Scope(ScopeKind.SERVER, ""))


async def test_who_reserves_holds_the_sessions_slot_and_counts_as_waiting(clerk):
    await clerk.create(limit=1, project="p")
    await clerk.begin("a", wide=PROJECT)
    await clerk.queued("b", wide=PROJECT)
    await clerk.queued("c")
    session = await clerk.desk.get()
    assert (session.admitted_requests, session.queued_requests) == (0, 3)
    left = (await clerk.cancel("a"))[0]
    assert left is not None
    assert left.reserving == ("b",)
    assert await clerk.news() == [
        ["session_created"], ["queued a"], ["queued b"], ["queued c"], ["finished a CANCELLED: why"]
    ][1:]  # fmt: skip
    await clerk.store.admit(clerk.key("b"), None)
    left = await clerk.finish("b")
    assert (left.reserving, await clerk.holders()) == ((), ["c"])


async def test_only_who_reserves_can_be_admitted(clerk):
    await clerk.create(limit=1, project="p")
    await clerk.admitted("holder")
    await clerk.queued("a", wide=PROJECT)
    assert await clerk.store.admit(clerk.key("a"), None) is None
    assert await clerk.store.admit(clerk.key("never"), None) is None
    await clerk.cancel("a")
    assert await clerk.store.admit(clerk.key("a"), None) is None
    assert await clerk.queue() == []


async def test_whose_wider_slots_were_taken_before_is_admitted_at_once_or_refused(clerk):
    await clerk.create(limit=1, project="p")
    wants = {"wide": PROJECT, "reserved": True, "policy": "REJECT"}
    request = await clerk.admitted("a", **wants)
    assert [scope.kind for scope in request.scopes] == [ScopeKind.PROJECT]
    assert (await refused(clerk, "b", **wants)).metadata["limit_name"] == "requests_per_session"
    await clerk.finish("a")
    request = await clerk.admitted("b", pool="browsers", slot=PoolSlot(2, 9), **wants)
    assert request.slot == PoolSlot(2, 9)
    assert await clerk.news() == [["admitted a"], ["finished a SUCCEEDED"], ["admitted b"]]


async def test_interrupt_ends_those_who_only_reserve(clerk):
    """They hold a slot but nobody to ask: what never began is cancelled at once."""
    await clerk.create(limit=1, project="p")
    await clerk.begin("a", wide=PROJECT)
    begun = await clerk.begin("b", policy="INTERRUPT")
    assert begun.request.state is RequestState.ADMITTED
    assert [(left.key.request_id, [scope.kind for scope in left.scopes]) for left in begun.replaced] == [
        ("a", [ScopeKind.PROJECT])
    ]


async def test_nobody_waits_for_a_slot_that_nobody_holds(clerk):
    """An exclusive request waits for one that reserves; that one gives way to yet another."""
    await clerk.create(limit=2, project="p")
    await clerk.admitted("a")
    await clerk.queued("alone", policy="INTERRUPT", exclusive=True)
    await clerk.begin("b", policy="INTERRUPT", priority=5, wide=PROJECT)
    await clerk.finish("a")
    await clerk.begin("c", policy="INTERRUPT")
    live = {one.key.request_id: one.state for one in await clerk.live()}
    assert RequestState.QUEUED not in live.values() or set(live.values()) > {RequestState.QUEUED}
