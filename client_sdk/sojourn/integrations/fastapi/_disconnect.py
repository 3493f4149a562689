"""Handlers that stop, and requests that end as cancelled, when nobody waits for the answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeVar

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sojourn.errors import RequestCancelledError


class ClientGone(HTTPException):
    """The client closed the connection before its answer was there. A response that nobody reads: 499."""

    def __init__(self) -> None:
        super().__init__(499, "the client closed the connection")


@asynccontextmanager
async def until_disconnected(request: Request) -> AsyncIterator[None]:
    """Cancel the body when the client goes away; then raises ClientGone.

        async with until_disconnected(request), session.track("answer"):
            ...

    The request's body is read first and kept in memory, so handlers that take it in piece by piece have no use for it.
    """
    with suppress(RuntimeError):  # it was read as a form
        try:
            await request.body()
        except ClientDisconnect:
            raise ClientGone from None

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async with cancelled_when(gone) as cancelled:
        yield
    if cancelled():
        raise ClientGone


class WatchSending:
    """ASGI middleware that notes whether a response was sent to its end; `SessionManager.install` adds it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        complete = scope[_COMPLETE] = asyncio.Event()

        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                complete.set()

        return await self._app(scope, receive, sending)


_COMPLETE = "sojourn.response_complete"

T = TypeVar("T")


@asynccontextmanager
async def to_the_end(request: Request, track: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """A tracked request that ends as cancelled when the response was not sent to its end."""
    gone = RequestCancelledError("the client closed the connection", cancel_reason="the client closed the connection")
    try:
        async with track as tracked:
            yield tracked
            complete = request.scope.get(_COMPLETE)
            if complete is not None and not complete.is_set():
                raise gone
    except RequestCancelledError as error:
        if error is not gone:
            raise


@asynccontextmanager
async def cancelled_when(
    happens: Callable[[], Awaitable[object]],
) -> AsyncIterator[Callable[[], bool]]:
    """Cancel the body when `happens()` returns, and end without an exception then; the result tells whether it did so.

    Should it raise, the body goes on.
    """
    loop, interrupted = asyncio.get_running_loop(), False
    try:
        async with asyncio.timeout(None) as scope:

            def stop(ended: asyncio.Future[object]) -> None:
                if not ended.cancelled() and ended.exception() is None:
                    scope.reschedule(loop.time())

            watching = asyncio.ensure_future(happens())
            watching.add_done_callback(stop)
            try:
                yield lambda: interrupted
            finally:
                watching.remove_done_callback(stop)
                watching.cancel()
    except TimeoutError:
        if not scope.expired():
            raise
        interrupted = True
