"""Tracked requests: pieces of work that are admitted, bounded, visible and can be asked to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from contextvars import Token
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from . import _endings
from ._fencing import Fence, lower_fence, raise_fence
from ._tracking import Tracker
from ._transport import render_requests
from ._transport.render_requests import Begin
from ._transport.values import invalid
from .config import Seconds, seconds
from .enums import RequestOutcome
from .errors import ClientStateError, LeaseLostError, RequestCancelledError, SojournError, TrackingError
from .models import PoolSlot, Request

if TYPE_CHECKING:
    from .client import Client
    from .session import SessionHandle

_logger = logging.getLogger("sojourn.tracking")

Reaction = Literal["raise", "flag"]
"""What news about a request does: end its body with an error, or only set the signal."""

CANCEL_GRACE = 2.0
"""Seconds a cancelled body waits until its end is recorded; after that it is recorded in the background."""


class Signal:
    """Something that may happen to a request: true once it has happened. Await it to wait for it, as often and in as
    many tasks as you like; the result is the reason."""

    __slots__ = ("_event", "_reason")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._reason = ""

    def __bool__(self) -> bool:
        return self._event.is_set()

    def __repr__(self) -> str:
        return f"Signal({self._reason!r})" if self else "Signal(not yet)"

    def __await__(self) -> Generator[object, None, str]:
        return self._wait().__await__()

    @property
    def reason(self) -> str:
        """Why it happened; empty before, and when nobody said."""
        return self._reason

    async def _wait(self) -> str:
        await self._event.wait()
        return self._reason

    def _set(self, reason: str) -> None:
        if not self:
            self._reason = reason
            self._event.set()


class TrackedRequest:
    """A piece of work in flight inside a session; `SessionHandle.track` and `PoolHandle.slot` make it.

        async with session.track("plan") as request:
            await request.progress(0.4, "comparing offers")

    Entering waits for admission. Leaving records how the body ended: succeeded; cancelled, for RequestCancelledError
    and cancellation; failed, with the text of any other exception, which goes on its way. In between the lease is
    renewed in the background, and the request is taken up again when the connection breaks.
    """

    def __init__(
        self,
        client: Client,
        begin: Begin,
        session: SessionHandle | None,
        *,
        policy: str,
        timeout: Seconds | None,
        on_cancel: Reaction,
        on_lost: Reaction,
        fence: bool,
        find_session: Callable[[], Awaitable[SessionHandle]] | None = None,
    ) -> None:
        for field, reaction in (("on_cancel", on_cancel), ("on_lost", on_lost)):
            if reaction not in ("raise", "flag"):
                raise invalid(field, "'raise' or 'flag'")
        self.id: str = begin.request_id
        """Id of the request, unique among the session's live requests."""
        self.name: str = begin.name
        """What the request does, for people."""
        self.position = 0
        """Last known place in the queue while it waits, 1 is the next; 0 when it does not wait."""
        self.waiting_for = ""
        """The limit it waits for, for example `requests_per_session` or `pool`; empty when it does not wait."""
        self.cancelled = Signal()
        """Whether somebody asked the request to stop."""
        self.lost = Signal()
        """Whether the request is no longer admitted, its lease lost: writes with its fencing token are refused."""
        self._client = client
        self._begin = begin
        self._session = session
        self._find_session = find_session
        self._policy = policy
        self._timeout = None if timeout is None else seconds(timeout)
        self._cancel_reaction = on_cancel
        self._lost_reaction = on_lost
        self._fenced = fence
        self._fence: Token[Fence | None] | None = None
        self._tracker: Tracker | None = None
        self._admission: Request | None = None
        self._task: asyncio.Task[object] | None = None  # the one that runs the body
        self._cancelling = 0
        self._interruption: TrackingError | None = None  # what the body is to end with
        self._interruptions = 0  # cancellations of the task that are ours
        self._left = False

    def __repr__(self) -> str:
        return f"TrackedRequest({self.id!r}, name={self.name!r}, fencing_token={self.fencing_token})"

    @property
    def session(self) -> SessionHandle:
        """The session it runs in. A slot of a pool may know it only once it was entered: ClientStateError."""
        if self._session is None:
            raise ClientStateError("the request has no session before it is entered")
        return self._session

    @property
    def fencing_token(self) -> int:
        """Greater than every earlier token of the session; 0 before the request is admitted."""
        return self._admission.fencing_token if self._admission is not None else 0

    @property
    def pool_slot(self) -> PoolSlot | None:
        """The slot of a pool that it holds; None when it takes none."""
        return self._admission.pool_slot if self._admission is not None else None

    @property
    def queued_for(self) -> timedelta:
        """How long it waited for admission, by the store's clock; zero before it is admitted."""
        if self._admission is None or self._admission.admit_time is None:
            return timedelta(0)
        return self._admission.admit_time - self._admission.begin_time

    async def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the request is, from 0.0 to 1.0, and what it is doing, for people.

        It is sent in the background, the latest only: calling it often costs little. Raises InvalidFieldError for a
        fraction that is none.
        """
        if self._tracker is None or self._admission is None or self._left:
            raise ClientStateError("progress can be told inside the request's block only")
        self._tracker.progress(fraction, text)
        # A body that does nothing but work and tell must still renew its lease and hear that it is to stop.
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is tracked inside a task")
        if self._tracker is not None:
            raise ClientStateError("this request was entered before; track another")
        if self._session is None:
            assert self._find_session is not None
            self._session = await self._find_session()
            render_requests.in_session(self._begin, self._session.id)
        self._tracker = Tracker(
            self._client._live(), self._begin, policy=self._policy, timeout=self._timeout, listener=self
        )
        try:
            self._admission = await self._tracker.admitted()
        except asyncio.CancelledError:
            await self._finish(RequestOutcome.CANCELLED, "", hurried=True)
            raise
        finally:
            self.position, self.waiting_for = 0, ""
        if self._fenced:
            self._fence = raise_fence(self._client, self._session.id, self.id, self.fencing_token)
        self._task, self._cancelling = task, task.cancelling()
        if self._interruption is not None:
            self._interrupt(self._interruption)  # news that came together with the admission
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        if self._fence is not None:
            lower_fence(self._fence)
        interrupted, cancelled_too = await self._settle_interruption(error)
        outcome, text = self._outcome(error, interrupted)
        hurried = isinstance(error, asyncio.CancelledError | GeneratorExit) and not interrupted
        problem = await self._finish(outcome, text, hurried=hurried)
        if interrupted and self._interruption is not None:
            raise self._interruption from (self._interruption.__cause__ or error)
        if cancelled_too:
            raise asyncio.CancelledError
        if isinstance(problem, LeaseLostError):
            self.lost._set(problem.cause)
            problem = None if self._lost_reaction == "flag" else problem
        if problem is not None and error is None:
            raise problem
        if problem is not None:
            # The body's own exception says more.
            _logger.warning("the end of request %s could not be recorded: %s", self.id, problem)

    async def _settle_interruption(self, error: BaseException | None) -> tuple[bool, bool]:
        """Take back the cancellation by which the body was interrupted, if it was.

        Whether the body ended by it; and whether somebody else's cancellation was caught here that must go on.
        """
        if self._interruption is None or self._task is None:
            return False, False
        pending = False
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # It came when the body was at its end. It must not hit what comes after.
            pending = True
        for _ in range(self._interruptions):
            self._task.uncancel()
        others = self._task.cancelling() > self._cancelling
        if isinstance(error, asyncio.CancelledError):
            return not others, False
        return False, pending and others

    def _outcome(self, error: BaseException | None, interrupted: bool) -> tuple[RequestOutcome, str]:
        if error is None:
            return RequestOutcome.SUCCEEDED, ""
        if interrupted:
            return RequestOutcome.CANCELLED, self.cancelled.reason
        if isinstance(error, RequestCancelledError):
            return RequestOutcome.CANCELLED, error.cancel_reason or str(error)
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            return RequestOutcome.CANCELLED, ""
        return RequestOutcome.FAILED, str(error) or type(error).__name__

    async def _finish(self, outcome: RequestOutcome, text: str, *, hurried: bool) -> SojournError | None:
        """Record the end; what went wrong. A caller in a hurry waits for a moment only."""
        assert self._tracker is not None
        # It goes on when this is cancelled: whatever becomes of the caller, the request must end.
        recording = self._tracker.in_background(self._tracker.finish(outcome, text))
        if not hurried:
            return await asyncio.shield(recording)
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_GRACE):
                await asyncio.shield(recording)
        return None

    def _interrupt(self, error: TrackingError) -> None:
        """End the body with the error. Who goes on although asked to stop is interrupted again by a loss."""
        if self._left:
            return
        self._interruption = error
        if self._task is not None:
            self._interruptions += 1
            self._task.cancel()

    def _on_queued(self, position: int, waiting_for: str) -> None:
        self.position, self.waiting_for = position, waiting_for

    def _on_cancel_requested(self, reason: str) -> None:
        if self.cancelled:
            return  # told again when it was taken up again
        self.cancelled._set(reason)
        if self._cancel_reaction == "raise":
            self._interrupt(_endings.cancelled(self._begin.session_id, self.id, reason))

    def _on_lost(self, error: LeaseLostError) -> None:
        self.lost._set(error.cause)
        if self._lost_reaction == "raise":
            self._interrupt(error)
