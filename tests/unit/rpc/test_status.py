"""Errors on the wire: every reason has a code, and nothing of the inside gets out."""

import asyncio
import re
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

import sojourn_server
from sojourn.v1 import error_reason_pb2
from sojourn.v1 import session_service_pb2 as pb
from sojourn_server.domain import errors
from sojourn_server.rpc import render, status
from sojourn_server.rpc.chain import Activity, Call, compose, decoder, default_chain

REASONS = {name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number}
SECRET = "redis://user:password@10.0.0.7"


class AbortedError(grpc.aio.AbortError):
    pass


class Context:
    """What a call was answered with."""

    async def abort(self, code, text, trailing) -> None:
        self.code, self.text, self.trailing = code, text, dict(trailing)
        raise AbortedError

    @property
    def status(self) -> status_pb2.Status:
        return status_pb2.Status.FromString(self.trailing["grpc-status-details-bin"])


def unpack(found: status_pb2.Status) -> dict[str, object]:
    details = {}
    for packed in found.details:
        name = packed.TypeName().rpartition(".")[2]
        details[name] = getattr(error_details_pb2, name)()
        assert packed.Unpack(details[name])
    return details


async def answer(handler, request=None, activity: Activity | None = None) -> Context:
    context = Context()
    with pytest.raises(AbortedError):
        await compose(default_chain(activity or Activity()), "Method", handler)(request, context)
    return context


async def failing(error: BaseException) -> Context:
    async def handler(request, call: Call) -> None:
        raise error

    return await answer(handler)


def test_every_reason_has_a_code_and_every_code_a_reason():
    assert set(status.CODES) == REASONS


def test_every_reason_the_code_gives_is_in_the_protos():
    sources = "\n".join(path.read_text() for path in Path(sojourn_server.__file__).parent.rglob("*.py"))
    given = set(re.findall(r'reason(?:: str)? ?= ?"([A-Z_]+)"', sources))
    given |= set(re.findall(r'reason, text = "([A-Z_]+)"', sources))
    assert len(given) > 20
    assert given <= REASONS
    classes = [found for found in vars(errors).values() if isinstance(found, type)]
    assert {found.reason for found in classes if issubclass(found, errors.SojournError)} <= REASONS


async def test_a_typed_error():
    context = await failing(errors.TooLargeError("changes", actual=5, limit=4))
    assert (context.code, context.text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "changes: 5 bytes is more than the limit of 4",
    )
    found = context.status
    assert (found.code, found.message) == (3, context.text)
    details = unpack(found)
    assert details["ErrorInfo"] == error_details_pb2.ErrorInfo(
        reason="TOO_LARGE", domain="sojourn.dev",
        metadata={"field": "changes", "limit": "4", "actual": "5", "unit": "bytes"},
    )  # fmt: skip
    [violation] = details["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("changes", context.text)
    assert "RetryInfo" not in details


async def test_when_to_try_again():
    details = unpack((await failing(errors.StoreUnavailableError("away", cause="loading"))).status)
    assert details["RetryInfo"].retry_delay.ToMilliseconds() == 100
    assert details["ErrorInfo"].metadata == {"cause": "loading"}
    assert "BadRequest" not in details


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), RuntimeError(SECRET), OSError(SECRET), Exception()]
)
async def test_an_unknown_error_gives_an_id_and_never_its_text(error):
    context = await failing(error)
    assert context.code is grpc.StatusCode.INTERNAL
    assert re.fullmatch(r"internal error, id=[0-9a-f]{16}", context.text)
    info = unpack(context.status)["ErrorInfo"]
    assert (info.reason, info.metadata) == ("INTERNAL", {"error_id": context.text[-16:]})
    for part in (context.text, context.trailing["grpc-status-details-bin"].decode(errors="replace")):
        assert "password" not in part
        assert type(error).__name__ not in part


async def test_a_cancelled_call_stays_cancelled():
    async def handler(request, call: Call) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await compose(default_chain(Activity()), "Method", handler)(None, Context())


async def test_malformed_bytes_are_a_typed_error():
    async def handler(request, call: Call) -> None:
        pytest.fail("the handler saw it")

    context = await answer(handler, decoder(pb.WriteSessionRequest)(b"\xff\xff\xff"))
    assert unpack(context.status)["ErrorInfo"].metadata["field"] == "request"


async def test_a_draining_server_takes_no_calls():
    activity = Activity()
    activity.draining = True

    async def handler(request, call: Call) -> None:
        pytest.fail("the handler ran")

    context = await answer(handler, activity=activity)
    assert context.code is grpc.StatusCode.UNAVAILABLE
    assert unpack(context.status)["ErrorInfo"].reason == "SERVER_DRAINING"
    assert activity.running == 0


async def test_long_texts_are_cut_for_headers_and_cursors_are_not():
    error = errors.PositionError("x" * 100_000, reason="SLOW_CONSUMER", session_id="y" * 100_000, cursor="c" * 2500)
    context = await failing(error)
    assert len(context.text) < 2000
    assert len(context.trailing["grpc-status-details-bin"]) < 8000
    metadata = unpack(context.status)["ErrorInfo"].metadata
    assert len(metadata["session_id"]) < 2000
    assert metadata["cursor"] == "c" * 2500


def test_an_item_of_a_batch_tells_the_same():
    error = errors.NotFoundError.deleted("s", 7)
    item = render.item_status(error)
    assert (item.code, item.message) == (5, error.message)
    assert item.reason == error_reason_pb2.ERROR_REASON_SESSION_DELETED
    assert item.metadata == {"session_id": "s", "revision": "7"}
