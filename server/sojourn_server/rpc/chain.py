"""What surrounds every call: one ordered list of interceptors, each with its reason to be where it is.

They are our own kind of interceptor, composed once when the server is built, because grpc.aio looks its
interceptors up anew for every call; the price of a layer is one coroutine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import grpc
import structlog
from google.protobuf.message import DecodeError

from ..domain.errors import DrainingError, InvalidFieldError, SojournError
from .status import abort, code_of, internal_error

log = structlog.get_logger()


class Call:
    """One call: its method, who calls, and the gRPC context for streaming handlers."""

    __slots__ = ("code", "context", "method", "tenant")

    def __init__(self, method: str, context: Any) -> None:
        self.method = method
        self.context = context
        self.tenant = ""
        self.code = "OK"


Handler = Callable[[Any, Call], Awaitable[Any]]


class Interceptor(NamedTuple):
    """A layer around handlers. `reason` says why it is where it is in the order.

    A layer that only looks before the call is a plain function that hands the awaitable on: it costs no coroutine.
    """

    name: str
    reason: str
    wrap: Callable[[Handler], Handler]


class Malformed:
    """Stands for a request that is not the message it should be; handlers never see it."""


class Activity:
    """Whether the server takes calls, and which are running: our own count, because `server.stop()` returns before
    handlers do."""

    def __init__(self) -> None:
        self.draining = False
        self.running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self) -> None:
        self.running += 1
        self._idle.clear()

    def leave(self) -> None:
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Waits until no call is running."""
        await self._idle.wait()


def default_chain(activity: Activity) -> list[Interceptor]:
    """The interceptors, outermost first."""
    return [
        Interceptor("count", "outermost: a drain waits for everything below, clean-up included", _count(activity)),
        Interceptor("observe", "outside the errors, so that it sees the status the caller gets", _observe),
        Interceptor("errors", "outside all that can fail, so that no exception's text escapes", _errors),
        Interceptor("drain", "before any work: a call refused here did nothing", _drain(activity)),
        Interceptor("identify", "innermost: only calls that will run need a tenant", _identify),
        Interceptor("decode", "after identify: a malformed request is refused to known callers alone", _decode),
    ]


def compose(chain: Sequence[Interceptor], method: str, handler: Handler) -> Callable[[Any, Any], Awaitable[Any]]:
    """The handler in its layers, as grpc.aio calls it."""
    for interceptor in reversed(chain):
        handler = interceptor.wrap(handler)
    wrapped = handler

    async def serve(request: Any, context: Any) -> Any:
        return await wrapped(request, Call(method, context))

    return serve


def decoder(message_type: type[Any]) -> Callable[[bytes], Any]:
    """A request deserializer that lets malformed bytes reach the chain, which answers with a typed error."""

    def decode(raw: bytes) -> Any:
        try:
            return message_type.FromString(raw)
        except DecodeError:
            return Malformed()

    return decode


def _count(activity: Activity) -> Callable[[Handler], Handler]:
    def wrap(handler: Handler) -> Handler:
        async def counted(request: Any, call: Call) -> Any:
            activity.enter()
            try:
                return await handler(request, call)
            finally:
                activity.leave()

        return counted

    return wrap


def _observe(handler: Handler) -> Handler:
    async def observed(request: Any, call: Call) -> Any:
        started = perf_counter()
        try:
            return await handler(request, call)
        except asyncio.CancelledError:
            call.code = "CANCELLED"
            raise
        finally:
            if call.code != "OK":
                ms = round((perf_counter() - started) * 1000, 1)
                log.debug("call failed", method=call.method, code=call.code, ms=ms, tenant=call.tenant)

    return observed


def _errors(handler: Handler) -> Handler:
    async def mapped(request: Any, call: Call) -> Any:
        try:
            return await handler(request, call)
        except SojournError as found:
            error = found
        except grpc.aio.AbortError:
            raise
        except Exception as unexpected:
            error = internal_error(unexpected, call.method)
        call.code = code_of(error).name
        await abort(call.context, error)
        return None

    return mapped


def _drain(activity: Activity) -> Callable[[Handler], Handler]:
    def wrap(handler: Handler) -> Handler:
        def admitted(request: Any, call: Call) -> Awaitable[Any]:
            if activity.draining:
                raise DrainingError
            return handler(request, call)

        return admitted

    return wrap


def _identify(handler: Handler) -> Handler:
    def identified(request: Any, call: Call) -> Awaitable[Any]:
        call.tenant = "default"
        return handler(request, call)

    return identified


def _decode(handler: Handler) -> Handler:
    def decoded(request: Any, call: Call) -> Awaitable[Any]:
        if isinstance(request, Malformed):
            raise InvalidFieldError("request", f"a well-formed request message of {call.method}")
        return handler(request, call)

    return decoded
