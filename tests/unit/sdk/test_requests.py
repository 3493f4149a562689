"""Live requests are listed page by page and asked to stop."""

from datetime import timedelta

import grpc
import pytest

from sojourn import (
    Client,
    InvalidFieldError,
    LeaseLostError,
    PoolSlot,
    Request,
    RequestEndedError,
    RequestNotFoundError,
    RequestPolicy,
    RequestState,
)
from sojourn._transport import parse_requests
from sojourn.v1 import request_pb2
from tests.unit.sdk.fake_service import FakeService, fail, lose

Code = grpc.StatusCode


async def test_a_list_is_read_page_by_page(client: Client, service: FakeService):
    assert [request.id async for request in client.requests()] == [f"r{number}" for number in range(8)]
    assert len(service.requests("ListRequests")) == 3
    assert len([request async for request in client.requests(limit=5)]) == 5


async def test_what_is_listed(client: Client, service: FakeService):
    found = client.requests(session_id="s", user_id="u", project="p", pool="browsers", state="queued", limit=2)
    assert len([request async for request in found]) == 2
    of_session = client.session("s").requests(pool="browsers", state=RequestState.ADMITTED)
    await anext(of_session)
    first, second = service.requests("ListRequests")
    assert (first.session_id, first.user_id, first.project, first.pool, first.page_size) == (
        "s", "u", "p", "browsers", 2,
    )  # fmt: skip
    assert first.state == request_pb2.REQUEST_STATE_QUEUED
    assert (second.session_id, second.pool, second.state) == ("s", "browsers", request_pb2.REQUEST_STATE_ADMITTED)
    with pytest.raises(InvalidFieldError, match="state"):
        client.requests(state="waiting")


def test_a_request_with_everything():
    message = request_pb2.Request(
        session_id="s",
        id="r",
        name="plan",
        state=request_pb2.REQUEST_STATE_ADMITTED,
        priority=3,
        policy=request_pb2.REQUEST_POLICY_REPLACE_QUEUED,
        exclusive=True,
        user_id="u",
        project="p",
        pool="browsers",
        fencing_token=41,
        pool_slot=request_pb2.PoolSlot(pool="browsers", slot=2, fencing_token=8),
        waiting_for="pool",
        position=1,
        progress=0.5,
        progress_text="half",
        cancel_requested=True,
        cancel_reason="late",
    )
    message.lease_ttl.FromTimedelta(timedelta(seconds=15))
    for name in ("lease_expire_time", "begin_time", "admit_time"):
        getattr(message, name).FromSeconds(1_000)
    request = parse_requests.request(message)
    assert (request.state, request.policy) == (RequestState.ADMITTED, RequestPolicy.REPLACE_QUEUED)
    assert request.pool_slot == PoolSlot(pool="browsers", slot=2, fencing_token=8)
    assert request.admit_time == request.begin_time == request.lease_expire_time
    assert (request.lease_ttl, request.progress, request.cancel_reason) == (timedelta(seconds=15), 0.5, "late")
    assert Request.model_validate(request.model_dump(mode="json")) == request


def test_a_request_with_nothing():
    request = parse_requests.request(request_pb2.Request(session_id="s", id="r"))
    assert request.state is RequestState.UNKNOWN
    assert request.pool_slot is request.admit_time is request.lease_expire_time is None


async def test_ask_to_stop(running, service: FakeService):
    async with running.client(writer="supervisor") as client:
        assert not await client.cancel_request("s", "r", reason="stuck")
        assert await client.session("s").cancel_request("r", force=True)
    told, forced = service.requests("CancelRequest")
    assert (told.session_id, told.request_id, told.reason, told.force, told.writer) == (
        "s", "r", "stuck", False, "supervisor",
    )  # fmt: skip
    assert (forced.session_id, forced.force) == ("s", True)


async def test_what_is_over_cannot_be_stopped(client: Client, service: FakeService):
    service.plan(
        "CancelRequest",
        fail(Code.NOT_FOUND, "REQUEST_NOT_FOUND", session_id="s", request_id="r"),
        fail(Code.FAILED_PRECONDITION, "REQUEST_ENDED", request_id="r", outcome="SUCCEEDED"),
        fail(Code.ABORTED, "LEASE_LOST", request_id="r", cause="its lease ran out"),
    )
    for kind in (RequestNotFoundError, RequestEndedError, LeaseLostError):
        with pytest.raises(kind) as raised:
            await client.cancel_request("s", "r")
        assert raised.value.request_id == "r"


@pytest.mark.parametrize("reason", ["REQUEST_ENDED", "LEASE_LOST"])
async def test_an_answer_that_was_lost_is_not_taken_for_somebody_elses_doing(
    client: Client, service: FakeService, reason: str
):
    service.plan("CancelRequest", lose(), fail(Code.ABORTED, reason))
    assert await client.cancel_request("s", "r", force=True)
