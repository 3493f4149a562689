"""Tool invocations recorded while they run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from decimal import Decimal
from types import TracebackType
from typing import Any

from .enums import InvocationStatus
from .errors import ClientStateError, InvalidRequestError, SojournError
from .models import Usage
from .write import Write, mint_invocation_id

_logger = logging.getLogger("sojourn.invocation")

CANCEL_GRACE = 5.0
"""Seconds a cancelled invocation may take to record that it was."""


class InvocationCall:
    """A tool invocation under way; `SessionHandle.invocation` opens it.

        async with session.invocation("git_tool", arguments={"command": "status"}) as call:
            call.result = await run_git("status")

    The start is committed when the block is entered, the finish when it is left: as succeeded, as failed with the
    exception's text, or as cancelled. The exception goes on its way. Set `result`, `cost`, `usage`, `status` and
    `error` inside the block to have them recorded; the duration is measured.
    """

    def __init__(
        self,
        new_write: Callable[[], Write],
        run: Callable[[Coroutine[Any, Any, int]], asyncio.Task[int]],
        tool: str,
        arguments: Any,
        invocation_id: str | None,
        request_id: str | None,
    ) -> None:
        self.id = invocation_id or mint_invocation_id()
        """Id of the invocation, to be named by messages about it."""
        self.tool = tool
        self.result: Any = None
        """What the tool returned, as JSON."""
        self.cost: float | Decimal | None = None
        """In the deployment's currency unit."""
        self.usage: Usage | None = None
        self.status: InvocationStatus | str | None = None
        """How it ended; None leaves it to how the block ends."""
        self.error: str | None = None
        """What went wrong; None leaves it to how the block ends."""
        self._new_write = new_write
        self._run = run
        self._arguments = arguments
        self._request_id = request_id
        self._started: float | None = None

    async def __aenter__(self) -> InvocationCall:
        if self._started is not None:
            raise ClientStateError("this invocation was entered before; open another")
        self._started = time.monotonic()
        write = self._new_write()
        write.start_invocation(self.tool, arguments=self._arguments, invocation_id=self.id, request_id=self._request_id)
        await write._send()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            write, problem = self._finishing_write(error)
            if cancelled:
                # The cancellation must get through soon; should the record take longer, it goes on in the background.
                async with asyncio.timeout(CANCEL_GRACE):
                    await asyncio.shield(self._run(write._send()))
            else:
                await write._send()
            if problem is not None:
                raise problem
        except (SojournError, TimeoutError) as failure:
            if error is None:
                raise
            # The block's own exception says more.
            _logger.warning("the end of invocation %s could not be recorded: %s", self.id, failure)

    def _finishing_write(self, error: BaseException | None) -> tuple[Write, InvalidRequestError | None]:
        assert self._started is not None
        duration = time.monotonic() - self._started
        status, text = self._outcome(error)
        write = self._new_write()
        try:
            write.finish_invocation(
                self.id,
                status=status,
                result=self.result,
                error=text,
                duration=duration,
                cost=self.cost,
                usage=self.usage,
                tool=self.tool,
            )
        except InvalidRequestError as problem:
            # What cannot be recorded must not leave the invocation open for ever.
            write.finish_invocation(
                self.id,
                status=InvocationStatus.FAILED,
                error=text or str(problem),
                duration=duration,
                tool=self.tool,
            )
            return write, problem
        return write, None

    def _outcome(self, error: BaseException | None) -> tuple[InvocationStatus | str, str | None]:
        if error is None:
            return self.status or InvocationStatus.SUCCEEDED, self.error
        if isinstance(error, asyncio.CancelledError):
            return self.status or InvocationStatus.CANCELLED, self.error
        text = self.error if self.error is not None else (str(error) or type(error).__name__)
        return self.status or InvocationStatus.FAILED, text
