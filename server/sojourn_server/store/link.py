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
from typing import Any

import structlog
from redis import exceptions as rx
from redis.asyncio.connection import AbstractConnection

from ..domain.errors import OutcomeUnknownError, SojournError, StoreUnavailableError
from . import scripts
from .scripts import Command

log = structlog.get_logger()

Reply = Any
"""What hiredis made of a reply: bytes, int, None or nested lists of them."""


class _Call:
    __slots__ = ("barrier_reply", "command", "covers", "future", "sent_at", "write")

    def __init__(self, command: Command, future: asyncio.Future[Reply], write: bool) -> None:
        self.command = command
        self.future = future
        self.write = write
        self.sent_at = 0.0
        self.covers: list[tuple[_Call, Reply]] | None = None
        self.barrier_reply: Reply = None


class Barrier:
    """Confirms what came before it on the same connection: WAITAOF, or WAIT where only replicas count.

    One barrier follows every batch that holds writes (group commit), and their replies are held back until it says yes.
    """

    def __init__(self, *, local: int, replicas: int, timeout_ms: int) -> None:
        self.local, self.replicas = local, replicas
        self.command: Command = ("WAITAOF", local, replicas, timeout_ms) if local else ("WAIT", replicas, timeout_ms)

    def confirmed(self, reply: Reply) -> bool:
        if isinstance(reply, list):
            return bool(reply[0] >= self.local and reply[1] >= self.replicas)
        return isinstance(reply, int) and reply >= self.replicas


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
        self._wake = asyncio.Event()
        self._up = False
        self._open = False
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

    def submit(self, command: Command, *, write: bool) -> asyncio.Future[Reply]:
        """Queues a call and returns its reply's future. The future fails with redis-py's ResponseError or with a
        domain error.

        Raises:
            StoreUnavailableError: there is no connection at the moment.
        """
        if not self._up:
            raise self._unavailable()
        return self._enqueue(command, write)

    def submit_now(self, command: Command, *, write: bool = False) -> asyncio.Future[Reply]:
        """Like `submit`, for `on_connected`, before other calls are let through."""
        if not self._open:
            raise self._unavailable()
        return self._enqueue(command, write)

    def _enqueue(self, command: Command, write: bool) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending.append(_Call(command, future, write))
        self._wake.set()
        return future

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError("the store cannot be reached", cause="disconnected")

    async def _run(self) -> None:
        delay = 0.02
        while True:
            started = monotonic()
            connection = self._connect()
            try:
                await self._serve(connection)
            except (rx.RedisError, OSError, SojournError, TimeoutError) as error:
                log.warning("store link lost", link=self.name, error=str(error) or type(error).__name__)
            finally:
                self._up = self._open = False
                self._fail_all()
                await asyncio.shield(connection.disconnect(nowait=True))
            delay = 0.02 if monotonic() - started > 5 else min(delay * 2, 1.0)
            await asyncio.sleep(delay)

    async def _serve(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(self._call_timeout):
            await connection.connect()
        self._open = True
        tasks = [
            asyncio.create_task(self._write_loop(connection), name=f"link writer {self.name}"),
            asyncio.create_task(self._read_loop(connection), name=f"link reader {self.name}"),
            asyncio.create_task(self._watchdog(), name=f"link watchdog {self.name}"),
            asyncio.create_task(self._prepare(), name=f"link prepare {self.name}"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare(self) -> None:
        loads = [self.submit_now(("SCRIPT", "LOAD", script.source)) for script in scripts.ALL]
        for load in loads:
            await load
        await self._on_connected(self)
        self._up = True
        self._ever_up.set()
        log.debug("store link up", link=self.name)

    async def _write_loop(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._pending = self._pending, []
            batch = [call for call in batch if not call.future.cancelled()]
            if not batch:
                continue
            if self.barrier and any(call.write for call in batch):
                barrier = _Call(self.barrier.command, loop.create_future(), False)
                barrier.covers = []
                batch.append(barrier)
            now = monotonic()
            pack = connection.pack_command
            packed: list[bytes] = []
            for call in batch:
                call.sent_at = now
                packed += pack(*call.command)
            self._inflight.extend(batch)
            await connection.send_packed_command(packed, check_health=False)

    async def _read_loop(self, connection: AbstractConnection) -> None:
        read = connection.read_response
        inflight = self._inflight
        while True:
            try:
                reply = await read(disable_decoding=True, disconnect_on_error=False)
            except rx.ConnectionError as error:
                if not isinstance(error, rx.BusyLoadingError | rx.AuthenticationError):
                    raise
                reply = error
            except rx.ResponseError as error:
                reply = error
            call = inflight.popleft()
            if call.covers is not None:
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
            if self._inflight and monotonic() - self._inflight[0].sent_at > self._call_timeout:
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
