"""The part of the fake service that tracks requests: scripted streams, pools, and the unary calls."""
# ruff: noqa: N802 - the methods are named by the protos

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc

from sojourn.v1 import admin_service_pb2, admin_service_pb2_grpc, event_pb2, request_pb2, session_service_pb2_grpc
from sojourn.v1 import session_service_pb2 as pb


class FakeStream:
    """One stream of a tracked request, as the server sees it."""

    def __init__(self, context: Any, begin: pb.BeginRequestRequest, ttl: float) -> None:
        self.begin = begin
        self.heard: list[pb.TrackRequestRequest] = []
        """What the client said after the beginning."""
        self.ended = False
        self._context = context
        self._ttl = timedelta(seconds=ttl)

    @property
    def kinds(self) -> list[str]:
        return [str(message.WhichOneof("message")) for message in self.heard]

    async def hear(self) -> str | None:
        """Kind of the client's next message; None when it says no more."""
        message = await self._context.read()
        if message is grpc.aio.EOF:
            return None
        self.heard.append(message)
        return str(message.WhichOneof("message"))

    async def say(self, **message: Any) -> None:
        await self._context.write(pb.TrackRequestResponse(**message))

    async def queue(self, position: int, waiting_for: str = "requests_per_session") -> None:
        queued = pb.Queued(request_id=self.begin.request_id, position=position, waiting_for=waiting_for)
        queued.lease_ttl.FromTimedelta(self._ttl)
        await self.say(queued=queued)

    async def admit(self, token: int = 7, *, resumed: bool = False, **fields: Any) -> None:
        request = request_pb2.Request(
            session_id=self.begin.session_id,
            id=self.begin.request_id,
            state=request_pb2.REQUEST_STATE_ADMITTED,
            fencing_token=token,
            **fields,
        )
        request.lease_ttl.FromTimedelta(self._ttl)
        request.begin_time.FromSeconds(1_000)
        request.admit_time.FromSeconds(1_003)
        await self.say(admitted=pb.Admitted(request=request, resumed=resumed))

    async def lose(self, why: str) -> None:
        await self.say(lease_lost=pb.LeaseLost(reason=why))

    async def ask_to_stop(self, why: str) -> None:
        await self.say(cancel_requested=pb.CancelRequested(reason=why))

    async def serve(self) -> None:
        """Answers until the client has finished or hung up."""
        while (kind := await self.hear()) is not None:
            if kind == "finish":
                await self.say(finished=pb.FinishRequestResponse(outcome=self.heard[-1].finish.outcome, revision=9))
                return
            await self.say(renewed=pb.Renewed())


StreamScript = Callable[[FakeStream], Awaitable[None]]


async def obedient(stream: FakeStream) -> None:
    await stream.admit()
    await stream.serve()


class FakeTracking(session_service_pb2_grpc.SessionServiceServicer, admin_service_pb2_grpc.AdminServiceServicer):
    ttl = 15.0
    """Seconds that leases last."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: list[FakeStream] = []
        self.pools: dict[str, int] = {}
        self._stream_scripts: deque[StreamScript] = deque()

    def script_streams(self, *scripts: StreamScript) -> None:
        """What the next streams of requests do, one script each; later ones admit and answer."""
        self._stream_scripts.extend(scripts)

    async def TrackRequest(self, _requests: Any, context: Any) -> None:
        first = await context.read()
        if first is grpc.aio.EOF:
            return
        stream = FakeStream(context, first.begin, self.ttl)
        self.streams.append(stream)
        try:
            await (self._stream_scripts.popleft() if self._stream_scripts else obedient)(stream)
        finally:
            stream.ended = True

    async def FinishRequest(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            return pb.FinishRequestResponse(outcome=request.outcome, revision=9)

        return await self._answer("FinishRequest", request, context, work)

    async def CancelRequest(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            return pb.CancelRequestResponse(ended=request.force, revision=9)

        return await self._answer("CancelRequest", request, context, work)

    async def ListRequests(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            start = int(request.page_token or 0)
            page = [request_pb2.Request(session_id="s", id=f"r{number}") for number in range(start, min(start + 3, 8))]
            return pb.ListRequestsResponse(requests=page, next_page_token=str(start + 3) if start + 3 < 8 else "")

        return await self._answer("ListRequests", request, context, work)

    async def SetPool(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            self.pools[request.name] = request.size
            return admin_service_pb2.SetPoolResponse(pool=request_pb2.Pool(name=request.name, size=request.size))

        return await self._answer("SetPool", request, context, work)

    async def ListPools(self, request: Any, context: Any) -> Any:
        async def work() -> Any:
            pools = [request_pb2.Pool(name=name, size=size) for name, size in sorted(self.pools.items())]
            return admin_service_pb2.ListPoolsResponse(pools=pools)

        return await self._answer("ListPools", request, context, work)

    async def _answer(self, method: str, request: Any, context: Any, work: Callable[..., Awaitable[Any]]) -> Any:
        raise NotImplementedError


def outcome_of(stream: FakeStream) -> tuple[str, str]:
    """How the client said that the request ended."""
    finish = stream.heard[-1].finish
    return event_pb2.RequestOutcome.Name(finish.outcome).removeprefix("REQUEST_OUTCOME_").lower(), finish.error


async def hang() -> None:
    await asyncio.Event().wait()
