"""Errors of the wire become errors of the SDK: the one place that knows gRPC status codes and error reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from sojourn.v1 import error_reason_pb2, session_service_pb2

from .. import errors
from .values import to_timedelta

DOMAIN = "sojourn.dev"
_DETAILS_KEY = "grpc-status-details-bin"
_REASON_PREFIX = "ERROR_REASON_"

_BY_REASON: dict[str, type[errors.SojournError]] = {
    "INVALID_FIELD": errors.InvalidFieldError,
    "TOO_LARGE": errors.TooLargeError,
    "FILE_INVALID": errors.FileInvalidError,
    "STATE_LIMIT_EXCEEDED": errors.StateLimitExceededError,
    "NOT_AN_INTEGER": errors.NotAnIntegerError,
    "INTEGER_OVERFLOW": errors.IntegerOverflowError,
    "SESSION_NOT_FOUND": errors.SessionNotFoundError,
    "SESSION_DELETED": errors.SessionDeletedError,
    "SESSION_ALREADY_EXISTS": errors.SessionAlreadyExistsError,
    "SESSION_ENDED": errors.SessionEndedError,
    "REQUEST_NOT_FOUND": errors.RequestNotFoundError,
    "REQUEST_ENDED": errors.RequestEndedError,
    "POOL_NOT_FOUND": errors.PoolNotFoundError,
    "INVOCATION_NOT_FOUND": errors.InvocationNotFoundError,
    "TEMPLATE_NOT_FOUND": errors.TemplateNotFoundError,
    "TEMPLATE_ALREADY_EXISTS": errors.TemplateAlreadyExistsError,
    "ARTIFACT_NOT_FOUND": errors.ArtifactNotFoundError,
    "UPLOAD_NOT_FOUND": errors.UploadNotFoundError,
    "ARTIFACT_CORRUPT": errors.ArtifactCorruptError,
    "REVISION_CONFLICT": errors.RevisionConflictError,
    "STATUS_CONFLICT": errors.StatusConflictError,
    "FENCING_TOKEN_REJECTED": errors.FencingTokenRejectedError,
    "LEASE_LOST": errors.LeaseLostError,
    "REQUEST_NOT_ADMITTED": errors.RequestNotAdmittedError,
    "REQUEST_SUPERSEDED": errors.RequestSupersededError,
    "IDEMPOTENCY_KEY_REUSED": errors.IdempotencyKeyReusedError,
    "CURSOR_MALFORMED": errors.CursorMalformedError,
    "CURSOR_IN_FUTURE": errors.CursorInFutureError,
    "CURSOR_TOO_OLD": errors.CursorTooOldError,
    "HISTORY_ROLLED_BACK": errors.HistoryRolledBackError,
    "SESSION_REPLACED": errors.SessionReplacedError,
    "SLOW_CONSUMER": errors.SlowConsumerError,
    "PAGE_TOKEN_INVALID": errors.PageTokenInvalidError,
    "STORE_UNAVAILABLE": errors.StoreUnavailableError,
    "CATALOG_UNAVAILABLE": errors.CatalogUnavailableError,
    "BLOBS_UNAVAILABLE": errors.BlobsUnavailableError,
    "STORE_FULL": errors.StoreFullError,
    "OUTCOME_UNKNOWN": errors.OutcomeUnknownError,
    "SERVER_DRAINING": errors.ServerDrainingError,
    "LIMIT_EXCEEDED": errors.LimitExceededError,
    "QUEUE_TIMEOUT": errors.QueueTimeoutError,
    "INTERNAL": errors.ServerError,
}

# For errors without a reason: those of the connection, of proxies, and of gRPC itself.
_BY_CODE: dict[grpc.StatusCode, type[errors.SojournError]] = {
    grpc.StatusCode.UNAVAILABLE: errors.ServerUnreachableError,
    # The server's end cancelled the call: it was stopped, or a proxy gave up.
    grpc.StatusCode.CANCELLED: errors.ServerUnreachableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    grpc.StatusCode.UNAUTHENTICATED: errors.AccessDeniedError,
    grpc.StatusCode.PERMISSION_DENIED: errors.AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhaustedError,
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: errors.SessionNotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: errors.SessionAlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: errors.PreconditionError,
    grpc.StatusCode.ABORTED: errors.PreconditionError,
    grpc.StatusCode.OUT_OF_RANGE: errors.ResumeError,
}
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

# gRPC says so when no connection could be made; whatever it says else, the request may have reached the server.
_NEVER_SENT = ("failed to connect", "connection refused", "dns resolution failed", "name resolution failure")


def from_rpc(error: grpc.aio.AioRpcError) -> errors.SojournError:
    """The error of a failed call."""
    reason, metadata, retry_after = "", {}, None
    for detail in _details(error):
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after = to_timedelta(retry.retry_delay)
    return _make(error.code(), error.details() or "", reason, metadata, retry_after)


def from_item(status: session_service_pb2.ItemStatus) -> errors.SojournError:
    """The error of one item of a batch."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = ""
    if status.reason in error_reason_pb2.ErrorReason.values() and status.reason:
        reason = error_reason_pb2.ErrorReason.Name(status.reason).removeprefix(_REASON_PREFIX)
    return _make(code, status.message, reason, dict(status.metadata), None)


def may_retry(error: errors.SojournError) -> bool:
    """Whether the same request may succeed later: the service was away, or said when to come back."""
    if isinstance(error, errors.UnavailableError | errors.DeadlineExceededError):
        return True
    if isinstance(error, errors.LimitExceededError) and error.limit_name == "sessions_per_user":
        return False  # room comes when the user ends one, not with time
    return error.retry_after is not None


def may_have_happened(error: errors.SojournError) -> bool:
    """Whether a change that failed so may have been made all the same."""
    if isinstance(error, errors.OutcomeUnknownError | errors.DeadlineExceededError):
        return True
    if type(error) is errors.ServerUnreachableError:
        text = str(error).lower()
        return not any(sign in text for sign in _NEVER_SENT)
    return False


def outcome_unknown(cause: errors.SojournError, session_id: str, idempotency_key: str) -> errors.OutcomeUnknownError:
    """What a change is given up with when an attempt of it may have been successful."""
    error = errors.OutcomeUnknownError(
        f"the change may or may not have happened: {cause}",
        reason="OUTCOME_UNKNOWN",
        session_id=session_id,
        idempotency_key=idempotency_key,
    )
    error.__cause__ = cause
    return error


def _make(
    code: grpc.StatusCode,
    message: str,
    reason: str,
    metadata: Mapping[str, str],
    retry_after: timedelta | None,
) -> errors.SojournError:
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, errors.ServerError)
    attributes: dict[str, object] = {}
    for name, text in metadata.items():
        # An unknown name is a newer server's; so is a number that is none.
        default = getattr(kind, name, None)
        if isinstance(default, str):
            attributes[name] = text
        elif isinstance(default, int) and text.removeprefix("-").isdecimal():
            attributes[name] = int(text)
    for name in ("status", "required_status", "outcome"):
        if name in attributes:
            attributes[name] = str(attributes[name]).lower()  # as the enums spell them
    if issubclass(kind, errors.ServerError):
        attributes["code"] = code.name
    if reason:
        attributes["reason"] = reason
    if retry_after is not None:
        attributes["retry_after"] = retry_after
    return kind(message or code.name, **attributes)


def _details(error: grpc.aio.AioRpcError) -> list[error_details_pb2.ErrorInfo]:
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            try:
                status.ParseFromString(value if isinstance(value, bytes) else value.encode())
            except DecodeError:
                return []  # somebody else's details: the code and the text still tell
    return list(status.details)
