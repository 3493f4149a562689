"""What a request does when it cannot be admitted at once."""

import pytest

from sojourn_server.domain.errors import ConflictError, LimitExceededError, NotFoundError
from sojourn_server.domain.requests import (
    Quotas,
    RequestOutcome,
    RequestState,
)
from tests.support.requests import Clerk


async def refused(clerk: Clerk, rid: str, **wants) -> LimitExceededError:
    """The refusal of a request, which must have left everything as it was."""
    before = (await clerk.live(), await clerk.desk.get())
    with pytest.raises(LimitExceededError) as raised:
        await clerk.begin(rid, **wants)
    assert (await clerk.live(), await clerk.desk.get()) == before
    return raised.value


async def test_reject_leaves_no_trace(clerk):
    await clerk.create(limit=2)
    await clerk.admitted("a", policy="REJECT")
    await clerk.admitted("b", policy="REJECT")
    error = await refused(clerk, "c", policy="REJECT")
    assert (error.reason, error.metadata["limit_name"], error.metadata["limit"]) == (
        "LIMIT_EXCEEDED", "requests_per_session", "2",
    )  # fmt: skip
    assert error.retry_after is not None
    with pytest.raises(NotFoundError) as raised:
        await clerk.get("c")
    assert raised.value.reason == "REQUEST_NOT_FOUND"
    assert len(await clerk.leases()) == 2
    await clerk.finish("a")
    await clerk.admitted("c", policy="REJECT")


async def test_reject_does_not_jump_the_queue(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.queued("b", exclusive=True)
    await refused(clerk, "c", policy="REJECT")
    await clerk.admitted("d", policy="REJECT", priority=1)
    await refused(clerk, "e", policy="REJECT", priority=9, exclusive=True)


async def test_the_queue_has_an_end(desk):
    clerk = Clerk(desk, quotas=Quotas(queued_per_session=2))
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    await clerk.queued("c")
    for wants in ({}, {"priority": 9}, {"policy": "INTERRUPT"}):
        error = await refused(clerk, "d", **wants)
        assert error.metadata["limit_name"] == "queued_requests_per_session"
        assert error.metadata["limit"] == "2"
    assert (await clerk.get("a")).cancel_reason is None
    assert (await clerk.begin("d", policy="REPLACE_QUEUED")).request.position == 1
    await clerk.queued("e")
    await clerk.finish("a")
    await clerk.queued("f")
    await clerk.check()


async def test_interrupt_asks_the_holder_to_stop_and_goes_first(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a", priority=9)
    await clerk.queued("b", priority=9)
    await clerk.news()
    request = await clerk.queued("c", policy="INTERRUPT")
    assert request.position == 1
    asked = (await clerk.get("a")).cancel_reason
    assert asked is not None
    assert "c" in asked
    [changes] = await clerk.news()
    assert sorted(changes) == [f"asked a: {asked}", "queued c"]
    queued = next(change.request_queued for change in clerk.event().changes if change.HasField("request_queued"))
    assert queued.interrupts
    assert (await clerk.holders(), await clerk.queue()) == (["a"], ["c", "b"])
    await clerk.finish("a", "CANCELLED")
    assert (await clerk.holders(), await clerk.queue()) == (["c"], ["b"])


async def test_interrupt_with_room_disturbs_nobody(clerk):
    await clerk.create(limit=2)
    await clerk.admitted("a")
    await clerk.admitted("b", policy="INTERRUPT")
    assert (await clerk.get("a")).cancel_reason is None


async def test_interrupt_goes_before_a_waiting_exclusive_one_and_needs_no_room_made_then(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.queued("b", exclusive=True, priority=9)
    await clerk.admitted("c", policy="INTERRUPT")
    assert (await clerk.get("a")).cancel_reason is None
    assert await clerk.queue() == ["b"]


async def test_interrupt_asks_as_many_as_it_needs_the_least_important_first(clerk):
    await clerk.create(limit=3)
    await clerk.admitted("a", priority=1)
    await clerk.admitted("b", priority=0)
    await clerk.admitted("c", priority=0)

    async def asked() -> list[str]:
        return [one.key.request_id for one in await clerk.live() if one.cancel_reason is not None]

    for rid, expected in (("i", ["b"]), ("j", ["b", "c"]), ("k", ["a", "b", "c"]), ("l", ["a", "b", "c"])):
        await clerk.queued(rid, policy="INTERRUPT")
        assert await asked() == expected
    assert await clerk.queue() == ["i", "j", "k", "l"]


async def test_interrupt_alone_asks_everybody(clerk):
    await clerk.create()
    for rid in "abc":
        await clerk.admitted(rid)
    await clerk.cancel("b", "before")
    await clerk.queued("i", policy="INTERRUPT", exclusive=True)
    reasons = [one.cancel_reason or "" for one in await clerk.live()][:3]
    assert reasons[1] == "before"
    assert "i" in reasons[0]
    assert "i" in reasons[2]
    for rid in "abc":
        assert "i" in await clerk.queue()
        await clerk.finish(rid)
    assert await clerk.holders() == ["i"]


async def test_interrupt_stops_one_that_is_alone(clerk):
    await clerk.create()
    await clerk.admitted("a", exclusive=True)
    await clerk.queued("i", policy="INTERRUPT")
    assert (await clerk.get("a")).cancel_reason is not None


async def test_those_who_interrupt_keep_their_order(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    for rid, priority in (("i", 0), ("j", 5), ("k", 0)):
        await clerk.queued(rid, policy="INTERRUPT", priority=priority)
    await clerk.queued("b", priority=9)
    assert await clerk.queue() == ["j", "i", "k", "b"]


async def test_replace_takes_the_place_of_all_that_wait(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b", priority=9)
    await clerk.queued("c", policy="INTERRUPT")
    await clerk.news()
    begun = await clerk.begin("d", policy="REPLACE_QUEUED")
    assert (begun.request.state, begun.request.position) == (RequestState.QUEUED, 1)
    assert {left.key.request_id for left in begun.replaced} == {"b", "c"}
    assert {(left.ended.outcome, left.scopes) for left in begun.replaced} == {(RequestOutcome.CANCELLED, ())}
    [changes] = await clerk.news()
    assert changes[-1] == "queued d"
    assert sorted(changes[:-1]) == ["finished b CANCELLED: replaced by d", "finished c CANCELLED: replaced by d"]
    assert (await clerk.holders(), await clerk.queue()) == (["a"], ["d"])
    for rid in "bc":
        with pytest.raises(ConflictError) as raised:
            await clerk.get(rid)
        assert raised.value.reason == "REQUEST_ENDED"
        assert raised.value.metadata["outcome"] == "CANCELLED"
        assert raised.value.metadata["error"] == "replaced by d"


async def test_replace_is_admitted_when_only_the_queue_was_in_its_way(clerk):
    await clerk.create()
    await clerk.admitted("a")
    await clerk.queued("b", exclusive=True)
    begun = await clerk.begin("c", policy="REPLACE_QUEUED")
    assert begun.request.state is RequestState.ADMITTED
    assert [left.key.request_id for left in begun.replaced] == ["b"]
    assert (await clerk.news())[-1] == ["finished b CANCELLED: replaced by c", "admitted c"]


async def test_replace_with_nobody_waiting(clerk):
    await clerk.create(limit=1)
    begun = await clerk.begin("a", policy="REPLACE_QUEUED")
    assert (begun.request.state, begun.replaced) == (RequestState.ADMITTED, ())
    begun = await clerk.begin("b", policy="REPLACE_QUEUED")
    assert (begun.request.state, begun.replaced) == (RequestState.QUEUED, ())
