"""The one mapping from the domain's errors to gRPC status."""

from __future__ import annotations

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ..domain import errors
from ..domain.errors import SojournError

log = structlog.get_logger()

DOMAIN = "sojourn.dev"
DETAILS_KEY = "grpc-status-details-bin"
MAX_TEXT = 1024
"""Messages and metadata values are cut to this: status travels in HTTP/2 headers, and large ones break clients. Half a
cursor would be worth nothing; the longest has about 3,000 characters."""

Code = grpc.StatusCode

CODES: dict[str, grpc.StatusCode] = {
    "INVALID_FIELD": Code.INVALID_ARGUMENT,
    "TOO_LARGE": Code.INVALID_ARGUMENT,
    "STATE_LIMIT_EXCEEDED": Code.RESOURCE_EXHAUSTED,
    "NOT_AN_INTEGER": Code.FAILED_PRECONDITION,
    "INTEGER_OVERFLOW": Code.FAILED_PRECONDITION,
    "SESSION_NOT_FOUND": Code.NOT_FOUND,
    "SESSION_DELETED": Code.NOT_FOUND,
    "SESSION_ALREADY_EXISTS": Code.ALREADY_EXISTS,
    "SESSION_ENDED": Code.FAILED_PRECONDITION,
    "REVISION_CONFLICT": Code.ABORTED,
    "STATUS_CONFLICT": Code.FAILED_PRECONDITION,
    "FENCING_TOKEN_REJECTED": Code.FAILED_PRECONDITION,
    "REQUEST_NOT_FOUND": Code.NOT_FOUND,
    "INVOCATION_NOT_FOUND": Code.NOT_FOUND,
    "ARTIFACT_NOT_FOUND": Code.NOT_FOUND,
    "UPLOAD_NOT_FOUND": Code.NOT_FOUND,
    "TEMPLATE_NOT_FOUND": Code.NOT_FOUND,
    "TEMPLATE_ALREADY_EXISTS": Code.ALREADY_EXISTS,
    "FILE_INVALID": Code.INVALID_ARGUMENT,
    "ARTIFACT_CORRUPT": Code.INVALID_ARGUMENT,
    "REQUEST_ENDED": Code.FAILED_PRECONDITION,
    "POOL_NOT_FOUND": Code.NOT_FOUND,
    "LEASE_LOST": Code.ABORTED,
    "REQUEST_NOT_ADMITTED": Code.FAILED_PRECONDITION,
    "REQUEST_SUPERSEDED": Code.ABORTED,
    "QUEUE_TIMEOUT": Code.RESOURCE_EXHAUSTED,
    "IDEMPOTENCY_KEY_REUSED": Code.INVALID_ARGUMENT,
    "CURSOR_MALFORMED": Code.INVALID_ARGUMENT,
    "CURSOR_IN_FUTURE": Code.INVALID_ARGUMENT,
    "CURSOR_TOO_OLD": Code.OUT_OF_RANGE,
    "HISTORY_ROLLED_BACK": Code.ABORTED,
    "SESSION_REPLACED": Code.ABORTED,
    "SLOW_CONSUMER": Code.RESOURCE_EXHAUSTED,
    "PAGE_TOKEN_INVALID": Code.INVALID_ARGUMENT,
    "CATALOG_UNAVAILABLE": Code.UNAVAILABLE,
    "BLOBS_UNAVAILABLE": Code.UNAVAILABLE,
    "STORE_UNAVAILABLE": Code.UNAVAILABLE,
    "STORE_FULL": Code.RESOURCE_EXHAUSTED,
    "OUTCOME_UNKNOWN": Code.UNAVAILABLE,
    "SERVER_DRAINING": Code.UNAVAILABLE,
    "LIMIT_EXCEEDED": Code.RESOURCE_EXHAUSTED,
    "INTERNAL": Code.INTERNAL,
}


def code_of(error: SojournError) -> grpc.StatusCode:
    """The gRPC status code of an error."""
    if isinstance(error, errors.ArtifactCorruptError) and error.stored:
        return Code.DATA_LOSS
    return CODES[error.reason]


def internal_error(defect: BaseException, method: str) -> SojournError:
    """An error nobody expected: its text stays in the log, the caller gets an id to ask with."""
    error = errors.internal_error()
    log.error("internal error", **error.metadata, method=method, exc_info=defect)
    return error


def details(error: SojournError) -> bytes:
    """The google.rpc.Status of an error, encoded: ErrorInfo, BadRequest for a field, RetryInfo where a retry makes
    sense."""
    metadata = {key: value if key.endswith("cursor") else _cut(value) for key, value in error.metadata.items()}
    found: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if "field" in metadata:
        description = metadata.get("expected") or _cut(error.message)
        violation = error_details_pb2.BadRequest.FieldViolation(field=metadata["field"], description=description)
        found.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        found.append(retry)
    status = status_pb2.Status(code=code_of(error).value[0], message=_cut(error.message))
    for detail in found:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    encoded: bytes = status.SerializeToString()
    return encoded


async def abort(context: grpc.aio.ServicerContext, error: SojournError) -> None:  # type: ignore[type-arg]
    """Ends the call with the error's status."""
    await context.abort(code_of(error), _cut(error.message), ((DETAILS_KEY, details(error)),))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
