"""Taking up a live request again."""

import asyncio

import pytest

from sojourn_server.domain.errors import ConflictError, LeaseLostError, SojournError
from sojourn_server.domain.requests import (
    Quotas,
    RequestOutcome,
    RequestPolicy,
    RequestState,
    ScopeKind,
)
from sojourn_server.domain.session import SessionStatus
from tests.support.requests import Clerk

PROJECT = (ScopeKind.PROJECT,)


async def reason_of(call) -> str:
    """The reason with which a call is refused; it must not write."""
    with pytest.raises(SojournError) as raised:
        await call
    return raised.value.reason


async def test_a_live_request_is_taken_up_again_with_its_token(clerk):
    await clerk.create()
    first = await clerk.admitted("a", name="n", priority=2)
    for attachment in (2, 3):
        begun = await clerk.begin("a", name="other", priority=9, exclusive=True, resume=attachment == 3)
        again = begun.request
        assert begun.resumed
        assert (again.token, again.attachment, again.state) == (first.token, attachment, RequestState.ADMITTED)
        assert (again.name, again.priority, again.exclusive) == ("n", 2, False)  # what it began with
        assert again.lease_deadline_us >= first.lease_deadline_us
    assert await clerk.news() == [["admitted a"]]


async def test_one_that_waits_keeps_its_place(clerk):
    await clerk.create(limit=1)
    await clerk.admitted("holder")
    await clerk.queued("a")
    await clerk.queued("b")
    begun = await clerk.begin("a", policy="REJECT")
    assert begun.resumed
    assert (begun.request.state, begun.request.attachment, begun.request.policy) == (
        RequestState.QUEUED, 2, RequestPolicy.QUEUE,
    )  # fmt: skip
    assert await clerk.queue() == ["a", "b"]


async def test_one_that_reserves_goes_on_reserving(clerk):
    await clerk.create(project="p")
    await clerk.begin("a", wide=PROJECT)
    begun = await clerk.begin("a", wide=PROJECT)
    assert (begun.resumed, begun.request.state) == (True, RequestState.RESERVING)


async def test_taking_up_is_not_bound_to_what_had_to_hold_at_the_beginning(clerk):
    """Otherwise a retry, whose first answer was lost, would be refused: its own beginning moved the revision."""
    await clerk.create()
    required = {"expected_revision": 1, "required_status": SessionStatus.ACTIVE}
    first = await clerk.admitted("a", **required)
    assert (await clerk.begin("a", **required)).request.token == first.token
    await clerk.end()
    assert (await clerk.begin("a", **required)).request.token == first.token


async def test_taking_up_needs_no_room(desk):
    clerk = Clerk(desk, quotas=Quotas(queued_per_session=1))
    await clerk.create(limit=1)
    await clerk.admitted("a")
    await clerk.queued("b")
    assert (await clerk.begin("a", policy="REJECT")).resumed
    assert (await clerk.begin("b")).resumed


async def test_resume_never_begins_one(clerk):
    await clerk.create()
    assert await reason_of(clerk.begin("a", resume=True)) == "REQUEST_NOT_FOUND"
    assert await clerk.live() == []
    await clerk.begin("a")
    await clerk.finish("a", "FAILED", "broken")
    with pytest.raises(ConflictError) as raised:
        await clerk.begin("a", resume=True)
    assert raised.value.reason == "REQUEST_ENDED"
    assert raised.value.metadata == {"session_id": "s", "request_id": "a", "outcome": "FAILED", "error": "broken"}
    assert not (await clerk.begin("a")).resumed  # without it, the id is free for another request
    await clerk.detach("a", cause="its stream ended")
    with pytest.raises(LeaseLostError) as lost:
        await clerk.begin("a", resume=True)
    assert lost.value.metadata == {"session_id": "s", "request_id": "a", "cause": "its stream ended"}


async def test_an_id_used_again_is_another_request(clerk):
    await clerk.create()
    first = await clerk.admitted("a")
    await clerk.finish("a", "FAILED", "first")
    second = await clerk.admitted("a")
    assert second.token > first.token
    assert second.attachment == 1
    assert (await clerk.finish("a", "SUCCEEDED")).ended.outcome is RequestOutcome.SUCCEEDED


async def test_of_many_that_begin_with_one_id_at_once_one_begins(clerk, open_another):
    """A caller that retries at another worker never has two requests."""
    await clerk.create()
    other = clerk.at(await open_another())
    begun = await asyncio.gather(*(one.begin("a") for one in (clerk, other) for _ in range(10)))
    assert sum(not one.resumed for one in begun) == 1
    assert len({one.request.token for one in begun}) == 1
    assert sorted(one.request.attachment for one in begun) == list(range(1, 21))
    assert await clerk.news() == [["admitted a"]]
