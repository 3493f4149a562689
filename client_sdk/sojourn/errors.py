"""Every error this package raises.

    SojournError
    ├── ClientStateError (RuntimeError)      the client or handle was used in the wrong state
    │   ├── ClientNotConnectedError
    │   ├── ClientAlreadyConnectedError
    │   ├── ClientClosedError
    │   └── SessionNotLoadedError
    ├── InvalidRequestError (ValueError)     mend the request; trying again does not help
    │   ├── InvalidFieldError                .field .expected
    │   ├── TooLargeError                    .field .limit .actual .unit
    │   ├── IdempotencyKeyReusedError        .session_id .idempotency_key .revision
    │   ├── FileInvalidError                 .problem .frame .offset
    │   ├── CursorMalformedError             .field
    │   ├── CursorInFutureError              .session_id .after_revision .revision
    │   └── PageTokenInvalidError            .field
    ├── SessionNotFoundError                 .session_id
    │   └── SessionDeletedError              .revision
    ├── SessionAlreadyExistsError            .session_id .revision
    ├── InvocationNotFoundError              .session_id .invocation_id
    ├── PoolNotFoundError                    .pool
    ├── TemplateNotFoundError                .template
    ├── TemplateAlreadyExistsError           .template
    ├── ArtifactNotFoundError                .session_id .name .version .uri
    ├── UploadNotFoundError                  .session_id .upload_id
    ├── ArtifactCorruptError                 .name .expected .actual
    ├── TrackingError                        .session_id .request_id; a tracked request is over
    │   ├── RequestCancelledError            .cancel_reason
    │   ├── LeaseLostError                   .cause; stop working
    │   │   └── RequestSupersededError
    │   ├── RequestNotFoundError
    │   └── RequestEndedError                .outcome .error
    ├── PreconditionError                    .session_id .revision; nothing was changed
    │   ├── RevisionConflictError            .expected_revision
    │   ├── StatusConflictError              .required_status .status
    │   ├── SessionEndedError                .status
    │   ├── FencingTokenRejectedError        .fencing_token
    │   ├── RequestNotAdmittedError          .request_id
    │   ├── NotAnIntegerError                .key
    │   └── IntegerOverflowError             .key
    ├── ResumeError                          .session_id; the position cannot be resumed at
    │   ├── CursorTooOldError                .oldest_cursor .oldest_revision
    │   ├── HistoryRolledBackError           .revision
    │   ├── SessionReplacedError
    │   └── SlowConsumerError                .cursor
    ├── ResourceExhaustedError
    │   ├── StateLimitExceededError          .session_id .revision .limit .actual .unit
    │   ├── StoreFullError
    │   ├── LimitExceededError               .limit_name .limit
    │   └── QueueTimeoutError (TimeoutError) .session_id .request_id
    ├── UnavailableError                     retried until the deadline before it is raised
    │   ├── ServerUnreachableError
    │   ├── ServerDrainingError
    │   ├── StoreUnavailableError            .cause
    │   ├── CatalogUnavailableError
    │   ├── BlobsUnavailableError
    │   └── OutcomeUnknownError              .session_id; the change may or may not have happened
    ├── DeadlineExceededError (TimeoutError)
    ├── AccessDeniedError
    │   └── ThreadAccessDeniedError          .thread_id
    ├── ServerError                          .code .error_id; a defect of the server
    └── ProtocolError                        the server broke the contract

Attributes a particular server did not give hold the default of their class. Errors can be pickled.
"""

from __future__ import annotations

from datetime import timedelta


class SojournError(Exception):
    """Base of every error of this package."""

    reason: str = ""
    """The machine-readable reason, as in `protos/sojourn/v1/error_reason.proto`; empty when the SDK found the error."""
    retry_after: timedelta | None = None
    """How long the server asked to wait before trying again."""

    def __init__(self, message: str = "", **attributes: object) -> None:
        super().__init__(message)
        for name in attributes:
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
        self.__dict__.update(attributes)


class ClientStateError(SojournError, RuntimeError):
    """The client or a handle was used in the wrong state."""


class ClientNotConnectedError(ClientStateError):
    """The client was used before `connect()`."""


class ClientAlreadyConnectedError(ClientStateError):
    """`connect()` was called on a connected client."""


class ClientClosedError(ClientStateError):
    """The client was used, or reopened, after `close()`; or closed while this call was under way."""


class SessionNotLoadedError(ClientStateError):
    """`.info` of a handle that never read its session; `await session.refresh()` first."""


class InvalidRequestError(SojournError, ValueError):
    """The request cannot be right; mend it."""


class InvalidFieldError(InvalidRequestError):
    """A field of the request is not what was expected."""

    field: str = ""
    expected: str = ""


class TooLargeError(InvalidRequestError):
    """A field, or the request as a whole, is larger than allowed."""

    field: str = ""
    limit: int = 0
    actual: int = 0
    unit: str = ""


class IdempotencyKeyReusedError(InvalidRequestError):
    """The idempotency key was used for a different write of this session within 24 hours."""

    session_id: str = ""
    idempotency_key: str = ""
    revision: int = 0


class FileInvalidError(InvalidRequestError):
    """The file cannot be imported: truncated, damaged, or made to do harm. Nothing of it was stored."""

    problem: str = ""
    """What is wrong, in a word: `truncated`, `checksum`, `order`, `limit`, `content`, ..."""
    frame: int = 0
    """Which frame, or which line, it is."""
    offset: int = 0
    """Byte at which that begins."""


class CursorMalformedError(InvalidRequestError):
    """The cursor is not one the service minted for such a call."""

    field: str = ""


class CursorInFutureError(InvalidRequestError):
    """The position is past the end of the log."""

    session_id: str = ""
    after_revision: int = 0
    revision: int = 0


class PageTokenInvalidError(InvalidRequestError):
    """The page token is not one the service minted for this very query."""

    field: str = ""


class SessionNotFoundError(SojournError):
    """There is no such session."""

    session_id: str = ""


class SessionDeletedError(SessionNotFoundError):
    """The session was deleted (told for 24 hours after)."""

    revision: int = 0


class SessionAlreadyExistsError(SojournError):
    """A session with this id exists."""

    session_id: str = ""
    revision: int = 0


class InvocationNotFoundError(SojournError):
    """The session has no invocation with this id."""

    session_id: str = ""
    invocation_id: str = ""


class TemplateNotFoundError(SojournError):
    """There is no template of this name."""

    template: str = ""


class TemplateAlreadyExistsError(SojournError):
    """There is a template of this name; `replace=True` takes its place."""

    template: str = ""


class PoolNotFoundError(SojournError):
    """There is no such pool; `client.pool(name).resize(size)` makes it."""

    pool: str = ""


class ArtifactNotFoundError(SojournError):
    """The session has no artifact with this name, or not in this version; or its bytes are kept elsewhere: at `uri`."""

    session_id: str = ""
    name: str = ""
    version: int = 0
    uri: str = ""


class UploadNotFoundError(SojournError):
    """The upload is over: it was left alone for too long. Begin anew."""

    session_id: str = ""
    upload_id: str = ""


class ArtifactCorruptError(SojournError):
    """Bytes of an artifact are not what they should be: those stored are damaged, or those sent changed meanwhile."""

    name: str = ""
    expected: str = ""
    actual: str = ""


class TrackingError(SojournError):
    """A tracked request is over, or never was."""

    session_id: str = ""
    request_id: str = ""


class RequestCancelledError(TrackingError):
    """Somebody asked the request to stop, or it was cancelled or replaced while it was queued.

    A body may raise it, too: the request then ends as cancelled.
    """

    cancel_reason: str = ""


class LeaseLostError(TrackingError):
    """The request is no longer admitted and its fencing token is refused: stop working."""

    cause: str = ""
    """Why: its lease ran out, its stream ended, or it was taken away."""


class RequestSupersededError(LeaseLostError):
    """Another process took the request up with its id; it goes on there."""


class RequestNotFoundError(TrackingError):
    """The session has no live request with this id."""


class RequestEndedError(TrackingError):
    """The request has ended: it finished, or was cancelled or replaced while it was queued."""

    outcome: str = ""
    error: str = ""


class PreconditionError(SojournError):
    """The session is not as the write needed it; nothing was changed. `revision` is the session's current one."""

    session_id: str = ""
    revision: int = 0


class RevisionConflictError(PreconditionError):
    """`expected_revision` is not the session's revision: read the session and decide anew."""

    expected_revision: int = 0


class StatusConflictError(PreconditionError):
    """`required_status` is not the session's status."""

    required_status: str = ""
    status: str = ""


class SessionEndedError(PreconditionError):
    """The session has ended and takes only changes of its info."""

    status: str = ""


class FencingTokenRejectedError(PreconditionError):
    """The request with this fencing token is not admitted (any more): stop working."""

    fencing_token: int = 0


class RequestNotAdmittedError(PreconditionError):
    """An invocation was to be started under a request that is not admitted (any more): stop working."""

    request_id: str = ""


class NotAnIntegerError(PreconditionError):
    """An increment met a value that is not an integer."""

    key: str = ""


class IntegerOverflowError(PreconditionError):
    """An increment would leave the range of a signed 64-bit integer."""

    key: str = ""


class ResumeError(SojournError):
    """Reading cannot go on at the position."""

    session_id: str = ""


class CursorTooOldError(ResumeError):
    """Events after the position are no longer kept: take a snapshot, or resume at `oldest_cursor`."""

    oldest_cursor: str = ""
    oldest_revision: int = 0


class HistoryRolledBackError(ResumeError):
    """The store lost history that was read or written before. `revision` is the session's current one; 0: it is lost.

    A watch: it cannot go on, begin a new one. A write: nothing of it happened; `refresh()` the session and decide anew.
    """

    revision: int = 0


class SessionReplacedError(ResumeError):
    """The cursor is of another session, or of an earlier session with this id: start without a cursor."""


class SlowConsumerError(ResumeError):
    """A watch was read too slowly. The SDK's watches reconnect by themselves; nothing is skipped."""

    cursor: str = ""


class ResourceExhaustedError(SojournError):
    """A limit is reached."""


class StateLimitExceededError(ResourceExhaustedError):
    """The session would hold more state than allowed: delete state first."""

    session_id: str = ""
    revision: int = 0
    limit: int = 0
    actual: int = 0
    unit: str = ""


class StoreFullError(ResourceExhaustedError):
    """The store's memory is full; nothing happened."""


class LimitExceededError(ResourceExhaustedError):
    """A limit of the server is reached."""

    limit_name: str = ""
    limit: int = 0


class QueueTimeoutError(ResourceExhaustedError, TimeoutError):
    """The request was not admitted within its `timeout`."""

    session_id: str = ""
    request_id: str = ""


class UnavailableError(SojournError):
    """The service could not answer, in spite of retries."""


class ServerUnreachableError(UnavailableError):
    """No connection to the server, or it broke."""


class ServerDrainingError(UnavailableError):
    """The server process is shutting down; nothing happened."""


class StoreUnavailableError(UnavailableError):
    """The server cannot reach its store; nothing happened."""

    cause: str = ""


class CatalogUnavailableError(UnavailableError):
    """The server cannot reach its catalog, so nothing can be found; sessions known by id work as ever."""


class BlobsUnavailableError(UnavailableError):
    """The server cannot reach its blob store; live sessions work as ever."""


class OutcomeUnknownError(UnavailableError):
    """The change may or may not have happened; no retry within the deadline could tell.

    Trying again with the same `idempotency_key` is safe for 24 hours and tells.
    """

    session_id: str = ""
    idempotency_key: str = ""


class DeadlineExceededError(SojournError, TimeoutError):
    """The deadline passed before an answer came. Changes that may have happened raise OutcomeUnknownError instead."""


class AccessDeniedError(SojournError):
    """The credential is missing, wrong, or may not do this."""


class ThreadAccessDeniedError(AccessDeniedError):
    """The thread is another user's."""

    thread_id: str = ""


class ServerError(SojournError):
    """A defect of the server; its log has the details under `error_id`. `code` is the gRPC status code's name."""

    code: str = ""
    error_id: str = ""


class ProtocolError(SojournError):
    """The server broke the contract, for example by leaving out an event."""
