"""One auto-pipelined connection to one engine node.

Calls from concurrent RPCs share the connection: what is submitted in one turn of the loop goes out in one write,
and replies are matched first in, first out. A caller's cancellation abandons its future and nothing else, so
replies can never be handed to
the wrong caller. Nothing is ever sent twice: when the connection breaks, what was sent fails with OUTCOME_UNKNOWN
(writes) or
STORE_UNAVAILABLE.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog
from redis import exceptions as rx
from redis.asyncio.connection import AbstractConnection

from ..domain.errors import OutcomeUnknownError, SojournError, StoreUnavailableError
from . import scripts
from .barrier import Barrier
from .faults import refusal
from .scripts import Command
from .wire import EngineReplyError, Reply, Wire, WireLostError

log = structlog.get_logger()


class _Call:
    __slots__ = ("command", "covers", "future", "sent_at", "write")

    def __init__(self, command: Command, future: asyncio.Future[Reply], write: bool, *, covers: bool = False) -> None:
        self.command = command
        self.future = future
        self.write = write
        self.covers = covers
        """Whether this is a barrier, whose reply releases the writes before it."""
        self.sent_at = 0.0


GATHER, GATHER_SECONDS, BUSY_GAP = 8, 0.002, 0.0008
"""When calls come closer together than `BUSY_GAP` seconds on average, up to `GATHER` of them are sent in one go,
none waiting longer than
`GATHER_SECONDS`: one system call, one wake-up and one disk sync for all. Callers that come one after the other
never wait. The idea is that of PostgreSQL's commit_delay and commit_siblings."""


class Link:
    """Keeps a connection to a node, reconnecting for ever until closed.

    Args:
        connect: makes a new, unconnected connection.
        on_connected: runs on every new connection before calls are let through; may raise to refuse the node for now.
        call_timeout: seconds after which an unanswered call means that the node hangs; the connection is dropped.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], AbstractConnection],
        *,
        on_connected: Callable[[Link], Awaitable[None]],
        call_timeout: float,
    ) -> None:
        self.name = name
        self.barrier: Barrier | None = None
        self._connect = connect
        self._on_connected = on_connected
        self._call_timeout = call_timeout
        self._pending: list[_Call] = []
        self._inflight: deque[_Call] = deque()
        self._held: list[tuple[_Call, Reply]] = []
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._gap, self._last = 0.01, 0.0
        """Seconds between submissions, averaged, and when the last one was."""
        self._scheduled = False
        self._up = False
        self._why: tuple[str, str] | None = None
        """Message and cause when the node was reached and could not be used."""
        self._ever_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether calls are let through at the moment."""
        return self._up

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"link {self.name}")

    async def wait_up(self, timeout: float) -> bool:
        """Waits until the first connection is ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._ever_up.wait()
        return self._up

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def distrust(self) -> None:
        """Drops the connection, which gave a reply to the wrong call. Nothing of what waits for a reply gets one."""
        if self._wire:
            self._wire.abort()

    def submit(self, command: Command, *, write: bool, asking: bool = False) -> asyncio.Future[Reply]:
        """Queues a call and returns its reply's future. The future fails with EngineReplyError or with a
        domain error.

        Args:
            asking: the node is only about to own the slot (an ASK redirection).

        Raises:
            StoreUnavailableError: there is no connection at the moment.
        """
        if not self._up:
            raise self._unavailable()
        if asking:
            # Nothing may come between ASKING and the call it is for.
            self._pending.append(_Call(("ASKING",), self._loop.create_future(), False))
        return self._enqueue(command, write)

    def submit_now(self, command: Command, *, write: bool = False) -> asyncio.Future[Reply]:
        """Like `submit`, for `on_connected`, before other calls are let through."""
        if self._wire is None:
            raise self._unavailable()
        return self._enqueue(command, write)

    def _enqueue(self, command: Command, write: bool) -> asyncio.Future[Reply]:
        call = _Call(command, self._loop.create_future(), write)
        now = monotonic()
        self._gap += (min(now - self._last, 0.01) - self._gap) * 0.1
        self._last = now
        self._pending.append(call)
        if self._gap < BUSY_GAP and len(self._pending) < GATHER:
            if not self._scheduled:
                self._scheduled = True
                self._loop.call_later(GATHER_SECONDS, self._flush)
        elif self.barrier is None:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return call.future

    def flush(self) -> None:
        """Sends what waits to be sent together with more: nothing more comes for now."""
        if self._pending:
            self._send()

    def _unavailable(self) -> StoreUnavailableError:
        message, cause = self._why or ("the store cannot be reached", "disconnected")
        return StoreUnavailableError(message, cause=cause)

    async def _run(self) -> None:
        delay = 0.02
        while True:
            started = monotonic()
            try:
                await self._serve()
            except (rx.RedisError, OSError, EngineReplyError, WireLostError, SojournError, TimeoutError) as error:
                log.warning("store link lost", link=self.name, error=str(error) or type(error).__name__)
                self._why = refusal(error)
            except Exception:  # a defect of ours must not end the link for ever
                log.exception("store link failed", link=self.name)
                self._why = None
            delay = 0.02 if monotonic() - started > 5 else min(delay * 2, 1.0)
            await asyncio.sleep(delay)

    async def _serve(self) -> None:
        connection = self._connect()
        try:
            async with asyncio.timeout(self._call_timeout):
                wire = await Wire.open(connection, self._on_reply)
        except BaseException:
            await asyncio.shield(connection.disconnect(nowait=True))
            raise
        self._wire = wire
        tasks = [
            asyncio.create_task(self._watchdog(), name=f"link watchdog {self.name}"),
            asyncio.create_task(self._prepare(), name=f"link prepare {self.name}"),
        ]
        try:
            await asyncio.wait([wire.lost, *tasks], return_when=asyncio.FIRST_EXCEPTION)
            for ended in (wire.lost, *tasks):
                if ended.done():
                    ended.result()
        finally:
            self._up, self._wire = False, None
            wire.abort()
            self._fail_all()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare(self) -> None:
        loads = [self.submit_now(("SCRIPT", "LOAD", script.source)) for script in scripts.BY_SHA.values()]
        for load in loads:
            await load
        await self._on_connected(self)
        self._up, self._why = True, None
        self._ever_up.set()
        log.debug("store link up", link=self.name)

    def _flush(self) -> None:
        self._scheduled = False
        self._send()

    def _send(self) -> None:
        """Sends what is pending in one go, and the barrier behind it."""
        wire, batch = self._wire, self._pending
        if wire is None or not batch:
            return
        self._pending = []
        if self.barrier and any(call.write for call in batch):
            batch.append(_Call(self.barrier.command, self._loop.create_future(), False, covers=True))
        for number, call in enumerate(batch):
            try:
                wire.send(call.command)
            except WireLostError:
                self._pending = batch[number:]
                return
            call.sent_at = self._loop.time()
            self._inflight.append(call)

    def _on_reply(self, reply: Reply) -> None:
        if not self._inflight:
            raise WireLostError("the store answered what nobody asked")
        call = self._inflight.popleft()
        if call.covers:
            self._release(reply)
        elif call.write and self.barrier:
            self._held.append((call, reply))
        else:
            _resolve(call, reply)

    def _release(self, reply: Reply) -> None:
        """Answers the writes that waited for the barrier."""
        held, self._held = self._held, []
        ok = self.barrier is not None and not isinstance(reply, Exception) and self.barrier.confirmed(reply)
        for call, own in held:
            if ok or isinstance(own, Exception):
                _resolve(call, own)
            elif not call.future.done():
                call.future.set_exception(_unknown("the write was not confirmed in time"))

    async def _watchdog(self) -> None:
        """Drops the connection when the oldest call has waited too long: a stopped engine answers nothing and
        closes nothing."""
        while True:
            await asyncio.sleep(self._call_timeout / 10)
            if self._inflight and self._loop.time() - self._inflight[0].sent_at > self._call_timeout:
                raise TimeoutError("the store does not answer")

    def _fail_all(self) -> None:
        sent = [call for call, _ in self._held] + list(self._inflight)
        unsent = self._pending
        self._held, self._pending = [], []
        self._inflight.clear()
        for call in sent:
            if not call.future.done():
                call.future.set_exception(
                    _unknown("the connection to the store broke") if call.write else self._unavailable()
                )
        for call in unsent:
            if not call.future.done():
                call.future.set_exception(self._unavailable())
        for call in (*sent, *unsent):
            if not call.future.cancelled():
                call.future.exception()  # retrieved: the caller may be gone


def _resolve(call: _Call, reply: Reply) -> None:
    if call.future.done():
        return
    if isinstance(reply, Exception):
        call.future.set_exception(reply)
    else:
        call.future.set_result(reply)


def _unknown(message: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"{message}: it may or may not have happened", retry_after=0.1)
