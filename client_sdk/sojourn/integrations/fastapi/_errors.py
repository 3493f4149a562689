"""Errors of Sojourn as responses: which status, what is said, when to come back."""

from __future__ import annotations

import logging
from contextlib import suppress
from math import ceil
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from sojourn import errors

_logger = logging.getLogger("sojourn.fastapi")

_STATUS: tuple[tuple[type[errors.SojournError], int], ...] = (  # the first that fits
    (errors.SessionNotFoundError, 404),
    (errors.SessionEndedError, 404),  # whoever asks needs another session, as if there were none
    (errors.InvocationNotFoundError, 404),
    (errors.PoolNotFoundError, 404),
    (errors.TemplateNotFoundError, 404),
    (errors.ArtifactNotFoundError, 404),
    (errors.UploadNotFoundError, 404),
    (errors.RequestNotFoundError, 404),
    (errors.ThreadAccessDeniedError, 403),
    (errors.TooLargeError, 413),
    (errors.StateLimitExceededError, 413),
    (errors.CursorTooOldError, 410),
    (errors.InvalidRequestError, 422),
    (errors.SessionAlreadyExistsError, 409),
    (errors.TemplateAlreadyExistsError, 409),
    (errors.PreconditionError, 409),
    (errors.TrackingError, 409),
    (errors.ResumeError, 409),
    (errors.LimitExceededError, 429),
    (errors.QueueTimeoutError, 429),
    (errors.ResourceExhaustedError, 503),
    (errors.UnavailableError, 503),
    (errors.DeadlineExceededError, 504),
)
_OF_ALL = {
    "max_concurrent_requests",
    "requests_per_tenant",
    "requests_per_server",
    "tracked_streams_per_worker",
    "watches_per_worker",
}
"""Limits that are everybody's: whoever meets one has done nothing too often."""
_TRY_AGAIN_LATER, _POLICY_VIOLATION, _INTERNAL_ERROR = 1013, 1008, 1011


def status_of(error: errors.SojournError) -> int:
    """The HTTP status for an error: 404 unknown or ended, 403 another user's thread, 413 and 422 bad input, 409
    conflicts, 429 over a limit of the caller's own, 503 over a limit of all or away, 504 too slow, else 500."""
    if isinstance(error, errors.LimitExceededError) and error.limit_name in _OF_ALL:
        return 503
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def error_response(error: errors.SojournError) -> Response:
    """`{"detail": ..., "reason": ...}` with the error's status; 429 and 503 with `Retry-After`, in seconds.

    `reason` is the service's, such as `SESSION_NOT_FOUND`; empty when the SDK found the error. Errors that are no
    caller's business say nothing of themselves.
    """
    status = status_of(error)
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers["Retry-After"] = str(max(1, ceil(error.retry_after.total_seconds())) if error.retry_after else 1)
    detail = str(error) if status != 500 else "the request could not be handled"
    return JSONResponse({"detail": detail, "reason": error.reason}, status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Let every SojournError that a handler raises become `error_response`.

    A WebSocket that was not accepted yet is refused with that response where the server can (else closed); one that was
    is closed: 1013 when trying again later helps, 1008 when it does not, 1011 for defects.
    """
    app.add_exception_handler(errors.SojournError, _handle)


async def _handle(connection: HTTPConnection, error: Exception) -> Any:
    assert isinstance(error, errors.SojournError)
    status = status_of(error)
    if status == 500:
        _logger.error("a request could not be handled", exc_info=error)
    if isinstance(connection, WebSocket):
        return await _refuse(connection, error, status)
    return error_response(error)


async def _refuse(socket: WebSocket, error: errors.SojournError, status: int) -> None:
    if socket.application_state is WebSocketState.CONNECTING and "websocket.http.response" in socket.scope.get(
        "extensions", {}
    ):
        await socket.send_denial_response(error_response(error))
        return
    code = _INTERNAL_ERROR if status == 500 else _POLICY_VIOLATION
    if status in (429, 503, 504):
        code = _TRY_AGAIN_LATER
    with suppress(RuntimeError):  # it is closed already
        await socket.close(code, error.reason)
