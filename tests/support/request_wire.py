"""Requests on the bare wire, without the SDK: the service as a client of any language sees it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from sojourn.v1 import event_pb2, request_pb2
from sojourn.v1 import session_service_pb2 as pb

from . import wire

Answer = pb.TrackRequestResponse

LOST_STATUS = "Internal error from Core"
"""What gRPC's Python client says instead of the status, and of messages not read yet, when a write fails because the
stream has ended: who wakes up late and sends a heartbeat meets it. To learn more, take the request up again."""


def begin(
    session_id: str,
    request_id: str = "",
    *,
    policy: str = "QUEUE",
    lease: float = 0,
    queue_timeout: float = 0,
    precondition: dict[str, Any] | None = None,
    **rest: Any,
) -> pb.BeginRequestRequest:
    """The beginning of a request; times in seconds, 0 for the server's default."""
    return pb.BeginRequestRequest(
        session_id=session_id,
        request_id=request_id,
        policy=f"REQUEST_POLICY_{policy}",
        lease_ttl=wire.interval(lease),
        queue_timeout=wire.interval(queue_timeout),
        precondition=pb.Precondition(**precondition) if precondition else None,
        **rest,
    )


class Track:
    """One TrackRequest stream: sends what it is told to, and keeps all that it reads. A context manager.

    async with Track(stub, begin("s", "r"), beat=5) as track:
        admitted = await track.admitted()
        await track.finish()

    beat: seconds between heartbeats; None: none, until `beat` is called.
    """

    def __init__(self, stub: Any, first: pb.BeginRequestRequest, *, beat: float | None = None) -> None:
        self.first = first
        self.answers: list[Answer] = []
        """What the server sent, in its order."""
        self.times: list[float] = []
        """When each of them came, by this machine's clock."""
        self.failure: wire.Failure | None = None
        """Why the stream ended, if not in good order."""
        self.over = False
        """Whether the stream has ended."""
        self._call = stub.TrackRequest(wait_for_ready=True)
        self._every = beat
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._beater: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        await self.send(begin=self.first)
        if self._every is not None:
            self.beat(self._every)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Breaks the stream off, if it still runs."""
        self.still()
        self._call.cancel()
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def half_close(self) -> None:
        """Says that nothing more will be sent."""
        await self._call.done_writing()

    def beat(self, every: float) -> None:
        """Sends a heartbeat every so many seconds from now on."""
        self.still()
        self._beater = asyncio.create_task(self._beat(every))

    def still(self) -> None:
        """Sends no more heartbeats."""
        if self._beater is not None:
            self._beater.cancel()
            self._beater = None

    async def send(self, **message: Any) -> bool:
        """Sends one message, `begin=`, `heartbeat=`, `progress=` or `finish=`; False when the stream is over."""
        async with self._sending:
            try:
                await self._call.write(pb.TrackRequestRequest(**message))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return False
            return True

    async def heartbeat(self) -> bool:
        return await self.send(heartbeat=pb.Heartbeat())

    async def progress(self, fraction: float, text: str = "") -> bool:
        return await self.send(progress=event_pb2.RequestProgressed(fraction=fraction, text=text))

    async def finish(self, outcome: str = "SUCCEEDED", error: str = "") -> pb.FinishRequestResponse | None:
        """Finishes the request; what the server recorded, None when the stream ended without saying."""
        await self.send(finish=event_pb2.RequestFinished(outcome=f"REQUEST_OUTCOME_{outcome}", error=error))
        answer = await self.wait_for("finished")
        return answer.finished if answer else None

    async def wait_for(self, *kinds: str, timeout: float = 30.0) -> Answer | None:
        """The first answer of one of these kinds; None when the stream ended without one, or time ran out."""
        await self._until(lambda: self._first(kinds) is not None or self.over, timeout)
        return self._first(kinds)

    async def admitted(self, timeout: float = 30.0) -> request_pb2.Request:
        """The request, once it is admitted, which it must be."""
        answer = await self.wait_for("admitted", timeout=timeout)
        assert answer is not None, f"not admitted: {self.failure or self.kinds()}"
        return answer.admitted.request

    @property
    def broken(self) -> bool:
        """Whether the stream has ended without a word about the request: it is to be taken up again."""
        if self.failure is None:
            return self.over and self.kinds()[-1:] == ["going_away"]
        return self.failure.code in wire.AWAY

    async def ended(self, timeout: float = 30.0) -> wire.Failure | None:
        """Waits until the stream has ended; why, None for in good order."""
        await self._until(lambda: self.over, timeout)
        assert self.over, f"the stream did not end within {timeout:g} s: {self.kinds()}"
        return self.failure

    def kinds(self) -> list[str]:
        """What the server sent so far."""
        return [str(answer.WhichOneof("message")) for answer in self.answers]

    def of_kind(self, kind: str) -> list[Any]:
        """The answers of one kind, unwrapped."""
        return [getattr(answer, kind) for answer in self.answers if answer.WhichOneof("message") == kind]

    @property
    def deadline(self) -> float:
        """When the lease runs out by the last word of the server, by the store's clock; 0 when it never said."""
        found = [answer.lease_expire_time for answer in self.of_kind("renewed")]
        found += [answer.request.lease_expire_time for answer in self.of_kind("admitted")]
        return max((time_.ToMicroseconds() / 1e6 for time_ in found), default=0.0)

    def _first(self, kinds: tuple[str, ...]) -> Answer | None:
        return next((answer for answer in self.answers if answer.WhichOneof("message") in kinds), None)

    async def _until(self, done: Callable[[], bool], timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not done():
                    self._news.clear()
                    await self._news.wait()

    async def _read(self) -> None:
        try:
            async for answer in wire.messages(self._call):
                self.answers.append(answer)
                self.times.append(time.time())
                self._news.set()
        except grpc.aio.AioRpcError as error:
            self.failure = wire.failure_of(error)
            if self.failure.message == LOST_STATUS:
                self.failure = wire.Failure("UNAVAILABLE", "a write met the end of the stream before the read did")
        finally:
            self.over = True
            self.still()
            self._news.set()

    async def _beat(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            # Shielded: a write that is cancelled takes the whole stream with it.
            if not await asyncio.shield(self.heartbeat()):
                return


async def live(stub: Any, **conditions: Any) -> list[request_pb2.Request]:
    """All live requests that meet the conditions (fields of ListRequestsRequest), oldest first."""
    found: list[request_pb2.Request] = []
    token = ""
    while True:
        page = await stub.ListRequests(pb.ListRequestsRequest(page_size=1000, page_token=token, **conditions))
        found += page.requests
        token = page.next_page_token
        if not token:
            return found


def end_of(log: list[event_pb2.Event], request_id: str) -> tuple[str, float] | None:
    """How and when (seconds, the store's clock) a log says that a request ended; None while it has not."""
    for event in log:
        for change in event.changes:
            kind = change.WhichOneof("kind")
            if kind in ("request_finished", "request_lost") and getattr(change, kind).request_id == request_id:
                return kind, event.commit_time.ToMicroseconds() / 1e6
    return None
