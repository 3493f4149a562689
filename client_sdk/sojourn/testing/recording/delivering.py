"""Bringing one spool into its session: every line once, in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...enums import ChangeKind, SessionStatus, StepStatus
from ...errors import (
    HistoryRolledBackError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    SessionDeletedError,
    SessionEndedError,
    SessionNotFoundError,
    SessionReplacedError,
    StateLimitExceededError,
)

if TYPE_CHECKING:
    from ...client import Client
    from ...models import Session
    from ...session import SessionHandle
    from ...write import Write
    from .spool import Spool
    from .state import State

Numbered = tuple[int, dict[str, Any]]

MAX_LINES = 200
MAX_BYTES = 1 << 20
POLL = 0.1
"""Seconds between two looks for new lines."""
_IDLE_TIMEOUT = 86_400.0
_STARTED, _FINISHED = "pytest.started", "pytest.finished"
_GONE = (SessionNotFoundError, SessionReplacedError, HistoryRolledBackError)


class RefusedError(Exception):
    """The spool can never be delivered; the message says why."""


class Delivery:
    """Delivers a spool over a client.

    What makes it exactly once: every change carries the recording's id and its line's number, so the session itself
    tells how far the delivery is; and a write whose outcome is open is tried again with the same lines and the same
    idempotency key.
    """

    def __init__(self, client: Client, spool: Spool, state: State) -> None:
        self._client = client
        self._spool = spool
        self._state = state
        self._handle: SessionHandle | None = None
        self._finish: dict[str, Any] = {}
        self.dropped = 0
        """Steps that the server refused."""

    async def run(self, *, follow: bool, again: bool) -> None:
        """Deliver everything, and with `follow` what is added until the run is over; then end the session.

        `again`: something may have been delivered before. Raises SojournError while the server cannot take it: call
        `run` of a new delivery with `again` then. Raises RefusedError.
        """
        if again:
            self._spool.seek(await self._position())
        while True:
            over = not follow or self._spool.is_over()
            lines = self._spool.take(MAX_LINES, MAX_BYTES)
            if lines:
                await self._deliver(lines)
                self._state.set(delivered=self._spool.position)
            elif over:
                break
            else:
                if self._spool.is_discarded:
                    return
                await asyncio.sleep(POLL)
        await self._end()

    async def _position(self) -> int:
        """Number of the last line that the session has."""
        handle = self._client.session(self._spool.session_id)
        kinds = (ChangeKind.STEP_FINISHED, ChangeKind.CUSTOM)
        try:
            async for event in handle.events(kinds=kinds, reverse=True):
                numbers = [_number(change, self._spool.recording) for change in event.changes]
                if any(numbers):
                    return max(numbers)
        except SessionDeletedError:
            raise RefusedError(f"session {handle.id} was deleted") from None
        except SessionNotFoundError:
            pass
        return 0

    async def _deliver(self, lines: list[Numbered]) -> None:
        for _, change in lines:
            if change["k"] == "finished":
                self._finish = change
        for _ in range(8):
            try:
                handle = await self._session()
                return await self._write(handle, lines)
            except SessionDeletedError:
                raise RefusedError(f"session {self._spool.session_id} was deleted") from None
            except SessionEndedError:  # somebody else ended it, and this run goes on
                self._handle = None
            except _GONE:
                # The server lost what it had. The spool has it.
                self._handle = None
                self._spool.seek(await self._position())
                return None
        raise RefusedError(f"session {self._spool.session_id} is ended again and again")

    async def _write(self, handle: SessionHandle, lines: list[Numbered], suffix: str = "") -> None:
        key = f"{self._spool.recording}-{lines[0][0]}-{lines[-1][0]}{suffix}"
        try:
            async with handle.write(idempotency_key=key) as write:
                for number, change in lines:
                    _add(write, change, {"recording": self._spool.recording, "n": number})
        except IdempotencyKeyReusedError:
            return  # it was written, in other words
        except (InvalidRequestError, StateLimitExceededError) as error:
            if len(lines) > 1:
                half = len(lines) // 2
                await self._write(handle, lines[:half])
                await self._write(handle, lines[half:])
            elif not suffix and lines[0][1]["k"] == "step":
                await self._write(handle, [(lines[0][0], _bare(lines[0][1], error))], "-bare")
            else:
                self.dropped += 1
                self._state.set(dropped=self.dropped, text=str(error))

    async def _session(self) -> SessionHandle:
        if self._handle is None:
            self._handle = await self._opened()
        return self._handle

    async def _opened(self) -> SessionHandle:
        """The session, active."""
        header = self._spool.header
        try:
            handle = await self._client.get_or_create_session(
                self._spool.session_id,
                kind="pytest",
                project=header["project"],
                purpose=header["purpose"],
                tags=header["tags"],
                metadata=header["metadata"],
                idle_timeout=_IDLE_TIMEOUT,
            )
        except InvalidRequestError as error:
            raise RefusedError(str(error)) from error
        if handle.info.status is not SessionStatus.ACTIVE:
            await handle.resume()
        missing = set(header["tags"]) - set(handle.info.tags)
        if missing:
            await handle.update(add_tags=sorted(missing))
        return handle

    async def _end(self) -> None:
        """End the session as the run ended."""
        if self._spool.position == 0:
            return
        if not self._finish:
            self._finish = self._read_finish()
        handle = self._handle or await self._client.get_session(self._spool.session_id)
        info = await handle.refresh()
        if info.status is not SessionStatus.ACTIVE:
            return  # by an earlier attempt, or by somebody's wish
        counts = _counts(info)
        status, error = _verdict(self._finish, counts)
        recording = self._spool.recording
        async with handle.write(idempotency_key=f"{recording}-results") as write:
            write.set_result("tests", counts)
            if self._finish:
                write.set_result("exit_status", self._finish["exit_status"])
        with suppress(SessionEndedError):  # another run of the same session was quicker
            await handle.complete(status=status, error=error, idempotency_key=f"{recording}-end")

    def _read_finish(self) -> dict[str, Any]:
        """The spool's last word; empty for a run that was killed."""
        self._spool.seek(0)
        found: dict[str, Any] = {}
        while lines := self._spool.take(1000, MAX_BYTES):
            found = next((change for _, change in lines if change["k"] == "finished"), found)
        return found


def _add(write: Write, change: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    kind = change["k"]
    if kind == "step":
        output = {**change["output"], **identity}
        with suppress(KeyError, ValueError, OverflowError, OSError):  # some test plays with the clock
            output["started"] = datetime.fromtimestamp(output["started"], UTC).isoformat()
        write.record_step(
            change["name"],
            status=change["status"],
            run=change["run"],
            duration=change["duration"],
            output=output,
            error=change["error"] or None,
        )
    else:
        payload = {name: value for name, value in change.items() if name != "k"}
        write.add_custom(_STARTED if kind == "started" else _FINISHED, {**payload, **identity})


def _bare(step: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """What the server takes of a step that it refused."""
    output = {"outcome": step["output"].get("outcome"), "refused": str(error)[:1000]}
    return {**step, "duration": None, "output": output, "error": step["error"][:1000]}


def _number(change: Any, recording: str) -> int:
    """Number of the line that the change came from; 0 when it is of no line of this recording."""
    told = getattr(change, "output", None) or getattr(change, "payload", None)
    if isinstance(told, dict) and told.get("recording") == recording:
        return int(told.get("n", 0))
    return 0


def _counts(info: Session) -> dict[str, int]:
    """How the last runs of the session's tests ended."""
    counted = Counter(step.status for step in info.steps.values())
    known = (StepStatus.PASSED, StepStatus.FAILED, StepStatus.ERROR, StepStatus.SKIPPED)
    return {status.value: counted[status] for status in known}


def _verdict(finish: Mapping[str, Any], counts: Mapping[str, int]) -> tuple[SessionStatus, str | None]:
    """Status of the session, and why."""
    if not finish:
        return SessionStatus.ABANDONED, "the run ended without a word: it was killed"
    if finish["status"] == "cancelled":
        return SessionStatus.CANCELLED, finish["error"] or "interrupted"
    bad = ", ".join(
        f"{counts[name]:,} {word}" for name, word in (("failed", "failed"), ("error", "broke")) if counts[name]
    )
    if bad or finish["status"] == "failed":
        return SessionStatus.FAILED, finish["error"] or bad or f"exit status {finish['exit_status']}"
    return SessionStatus.COMPLETED, None
