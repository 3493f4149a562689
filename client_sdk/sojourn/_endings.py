"""How tracked requests end otherwise than by their own doing."""

from __future__ import annotations

from ._transport import faults
from ._transport.render_requests import Begin
from .enums import RequestOutcome, RequestPolicy
from .errors import (
    AccessDeniedError,
    ClientStateError,
    InvalidRequestError,
    LeaseLostError,
    LimitExceededError,
    PreconditionError,
    QueueTimeoutError,
    RequestCancelledError,
    RequestEndedError,
    SessionNotFoundError,
    SojournError,
    TrackingError,
)

_FINAL = (
    TrackingError,
    SessionNotFoundError,
    PreconditionError,
    InvalidRequestError,
    AccessDeniedError,
    ClientStateError,
)


def ends_admitted(error: SojournError) -> bool:
    """Whether an admitted request is over with this error of its stream; after any other its lease may be good."""
    return isinstance(error, _FINAL)


def ends_queued(error: SojournError, policy: str) -> bool:
    """Whether a request that is not admitted is over with this error of its stream."""
    if isinstance(error, TrackingError | QueueTimeoutError):
        return True
    # Who does not want to wait must not be made to.
    rejected = policy == RequestPolicy.REJECT and isinstance(error, LimitExceededError)
    return rejected or not faults.may_retry(error)


def lost(begin: Begin, cause: str, error: BaseException | None = None) -> LeaseLostError:
    """The end of a request that was admitted."""
    if isinstance(error, LeaseLostError):
        return error
    found = LeaseLostError(
        f"the lease of request {begin.request_id!r} is lost: {cause}",
        reason="LEASE_LOST",
        session_id=begin.session_id,
        request_id=begin.request_id,
        cause=cause,
    )
    found.__cause__ = error
    return found


def never_admitted(error: SojournError) -> SojournError:
    """The end of a request that was not admitted: what the caller of `track` is told."""
    if isinstance(error, RequestEndedError) and error.outcome == RequestOutcome.CANCELLED:
        found = cancelled(error.session_id, error.request_id, error.error)
        found.__cause__ = error
        return found
    return error


def cancelled(session_id: str, request_id: str, reason: str) -> RequestCancelledError:
    """The end of a request that was asked to stop."""
    return RequestCancelledError(
        f"request {request_id!r} was cancelled" + (f": {reason}" if reason else ""),
        session_id=session_id,
        request_id=request_id,
        cancel_reason=reason,
    )


def timed_out(begin: Begin, error: SojournError) -> QueueTimeoutError:
    """The end of a request whose time to wait was over while the server was away."""
    found = QueueTimeoutError(
        f"request {begin.request_id!r} was not admitted in time: {error}",
        session_id=begin.session_id,
        request_id=begin.request_id,
    )
    found.__cause__ = error
    return found
