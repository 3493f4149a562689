"""Every reason the service documents becomes a typed error with its attributes."""

import copy
import pickle
import re
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from sojourn import errors
from sojourn._transport import faults
from sojourn.v1 import error_reason_pb2
from sojourn.v1 import session_service_pb2 as pb

CATALOGUE = Path("protos/sojourn/v1/error_reason.proto").read_text()
REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name
    if not name.endswith("UNSPECIFIED")
]
CODE_NAMES = "|".join(code.name for code in grpc.StatusCode)


def example(reason: str) -> tuple[grpc.StatusCode, dict[str, str]]:
    """The status code and the metadata of a reason's example in the catalogue."""
    comment = re.findall(r"((?:  //[^\n]*\n)+)  ERROR_REASON_" + reason + " =", CATALOGUE)[0]
    text = re.sub(r"\n  // *", " ", comment)
    code = re.search(rf"\b({CODE_NAMES})\b", text.split('{"reason"')[0])
    assert code is not None
    body = text[text.index('"metadata": {') + len('"metadata": {') :].replace('\\"', "''")
    return grpc.StatusCode[code[1]], dict(re.findall(r'"([^"]*)": "([^"]*)"', body))


def rpc_error(
    code: grpc.StatusCode, reason: str = "", metadata: dict[str, str] | None = None, *, retry: float | None = None
) -> grpc.aio.AioRpcError:
    status = status_pb2.Status()
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="sojourn.dev", metadata=metadata)
        status.details.add().Pack(info)
    if retry is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=retry))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details="what happened")


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_a_type_and_each_metadatum_an_attribute(reason: str):
    code, metadata = example(reason)
    from_call = faults.from_rpc(rpc_error(code, reason, metadata))
    number = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    from_item = faults.from_item(
        pb.ItemStatus(code=code.value[0], message="what happened", reason=number, metadata=metadata)
    )
    for error in (from_call, from_item):
        assert type(error) is faults._BY_REASON[reason]
        assert error.reason == reason
        assert str(error) == "what happened"
        for name, text in metadata.items():
            value = getattr(error, name)
            if name in ("status", "required_status", "outcome"):
                assert value == text.lower()
            else:
                assert str(value) == text
                assert isinstance(value, int) == text.isdecimal() or name == "idempotency_key"


def test_every_reason_has_a_type_of_its_own_and_stands_in_the_tree():
    kinds = [faults._BY_REASON[reason] for reason in REASONS]
    assert len(set(kinds)) == len(REASONS)
    tree = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.SojournError):
            assert re.search(rf"[─ ] ?{name}\b", tree), f"{name} is not in the tree"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAVAILABLE", errors.ServerUnreachableError),
        ("CANCELLED", errors.ServerUnreachableError),
        ("DEADLINE_EXCEEDED", errors.DeadlineExceededError),
        ("UNAUTHENTICATED", errors.AccessDeniedError),
        ("PERMISSION_DENIED", errors.AccessDeniedError),
        ("RESOURCE_EXHAUSTED", errors.ResourceExhaustedError),
        ("UNIMPLEMENTED", errors.ServerError),
        ("UNKNOWN", errors.ServerError),
    ],
)
def test_errors_without_a_reason_go_by_their_code(code: str, kind: type[errors.SojournError]):
    error = faults.from_rpc(rpc_error(grpc.StatusCode[code]))
    assert type(error) is kind
    assert error.reason == ""
    if isinstance(error, errors.ServerError):
        assert error.code == code


def test_details_of_others_are_not_ours():
    status = status_pb2.Status()
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="SESSION_ENDED", domain="proxy.example"))
    for details in (status.SerializeToString(), b"\xff\xff garbage"):
        trailers = grpc.aio.Metadata(("grpc-status-details-bin", details))
        error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), trailers)
        assert type(faults.from_rpc(error)) is errors.ServerUnreachableError


def test_a_newer_server_may_say_more():
    known = faults.from_rpc(
        rpc_error(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", {"session_id": "s", "new": "x", "args": "y"})
    )
    assert isinstance(known, errors.SessionNotFoundError)
    assert known.session_id == "s"
    assert type(faults.from_rpc(rpc_error(grpc.StatusCode.ABORTED, "NEW_REASON"))) is errors.PreconditionError
    assert type(faults.from_item(pb.ItemStatus(code=14, reason=9999))) is errors.ServerUnreachableError  # type: ignore[arg-type]


def test_what_is_worth_a_retry():
    retried = {reason for reason in REASONS if faults.may_retry(faults.from_rpc(rpc_error(example(reason)[0], reason)))}
    assert retried == {
        "STORE_UNAVAILABLE",
        "CATALOG_UNAVAILABLE",
        "BLOBS_UNAVAILABLE",
        "OUTCOME_UNKNOWN",
        "SERVER_DRAINING",
    }
    limited = faults.from_rpc(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", retry=1.5))
    assert limited.retry_after == timedelta(seconds=1.5)
    assert faults.may_retry(limited)


def test_errors_are_builtin_kinds_too_and_can_be_pickled():
    assert issubclass(errors.InvalidFieldError, ValueError)
    assert issubclass(errors.DeadlineExceededError, TimeoutError)
    assert issubclass(errors.ClientClosedError, RuntimeError)
    for kind in (errors.RevisionConflictError, errors.DeadlineExceededError, errors.LimitExceededError):
        error = kind("text", reason="R", retry_after=timedelta(seconds=1))
        for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(same) is kind
            assert (str(same), same.reason, same.retry_after) == ("text", "R", timedelta(seconds=1))
    with pytest.raises(TypeError, match="colour"):
        errors.SojournError("text", colour="red")
