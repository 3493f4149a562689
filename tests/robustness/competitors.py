"""Clients that compete for slots, many in a process that may be killed: `python -m tests.robustness.competitors PLAN`.

A process writes what its clients were told to standard output, a JSON line each, and stops when standard input ends:
then every client ends what it is doing. Anything that a client must never be told ends the process with an error.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc

from sojourn.v1 import event_pb2
from sojourn.v1 import session_service_pb2 as pb
from tests.support import wire
from tests.support.request_wire import Track, begin

from .request_checker import FENCED, INTERRUPTING

NORMAL = {"LIMIT_EXCEEDED", "QUEUE_TIMEOUT", "REQUEST_ENDED", "LEASE_LOST", "REQUEST_NOT_FOUND"}
"""Reasons a request may end for."""
USUAL = 5
"""The priority of most requests for a slot of a pool."""
LOOK = 0.5
"""Seconds between two looks whether it is time to stop."""
PATIENCE = 20.0
"""Seconds within which the server must say something."""


@dataclass(frozen=True)
class Plan:
    """What the clients of a process do. Times in seconds."""

    target: str
    name: str
    seed: int
    hot: str
    """The session that some of the clients compete for."""
    hot_clients: int
    pool: str
    pool_clients: dict[str, int]
    """For each session of the pool how many of the clients use it."""
    lease: float
    hold: float
    """How long a request works, on the average."""


@dataclass
class Wish:
    """A request that a client wants to make."""

    session_id: str
    id: str
    pool: str
    policy: str
    priority: int
    exclusive: bool
    lease: float
    queue_timeout: float
    patience: float
    hold: float
    token: int = 0
    """Its fencing token, once it was admitted."""
    calls: int = 0
    """Invocations made under it."""

    def begin(self, *, resume: bool) -> pb.BeginRequestRequest:
        name = INTERRUPTING if self.policy == "INTERRUPT" else self.policy.lower()
        return begin(
            self.session_id, self.id, name=name, policy=self.policy, priority=self.priority, exclusive=self.exclusive,
            pool=self.pool, lease=self.lease, queue_timeout=self.queue_timeout, resume=resume, writer="competitor",
        )  # fmt: skip


class Client:
    """Makes one request after the other, on a connection of its own, until told to stop."""

    def __init__(self, stub: Any, plan: Plan, name: str, session_id: str, pool: str, stop: asyncio.Event) -> None:
        self._stub = stub
        self._plan = plan
        self._name = name
        self._session_id = session_id
        self._pool = pool
        self._stop = stop
        self._chance = random.Random(f"{plan.seed}/{name}")

    async def run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            wish = self._wish(f"{self._name}-{number}")
            if self._chance.random() < 0.1 and wish.policy != "REPLACE_QUEUED":
                await self._by_calls(wish)
            else:
                await self._by_stream(wish)

    def _wish(self, request_id: str) -> Wish:
        chance = self._chance
        others = ["REJECT", "INTERRUPT", "REPLACE_QUEUED"]
        policy = chance.choices(["QUEUE", *others], [90, 6, 2, 0 if self._pool else 0.2])[0]
        # Users of a pool are served in turn within a priority: to show that, most of their requests have the same one
        # and wait until their turn comes.
        usual = bool(self._pool) and chance.random() < 0.8
        patient = usual and chance.random() < 0.9
        return Wish(
            self._session_id, request_id, self._pool, policy,
            priority=USUAL if usual else chance.randint(0, 9),
            exclusive=not self._pool and chance.random() < 0.01,
            lease=self._plan.lease,
            queue_timeout=0 if patient else chance.choice((0, 0, 0, 2, 4)),
            patience=600 if patient else chance.uniform(0.5, 6),
            hold=min(chance.expovariate(1 / self._plan.hold), self._plan.lease * 2),
        )  # fmt: skip

    async def _by_stream(self, wish: Wish) -> None:
        resume = False
        while True:
            async with Track(self._stub, wish.begin(resume=resume), beat=wish.lease / 3) as track:
                again = await self._ride(wish, track)
            if not again:
                return
            resume = True

    async def _ride(self, wish: Wish, track: Track) -> bool:
        """One stream of a request; whether it must be taken up on another."""
        over = asyncio.get_running_loop().time() + wish.patience
        while not (answer := await track.wait_for("admitted", timeout=min(wish.patience, LOOK))) and not track.over:
            if self._stop.is_set() or asyncio.get_running_loop().time() > over:
                break
        if answer is None and not track.over:
            await self._give_up(wish, track)
            return False
        if answer is None:
            return self._judge(wish, track)
        self._admitted(wish, answer.admitted.request)
        await self._work(wish, track)
        if track.over:
            return self._judge(wish, track)
        what = self._chance.random()
        if what < 0.05:
            return False  # breaks the stream off
        if what < 0.08:
            await track.half_close()
            await track.ended(PATIENCE)
            return False
        outcome = "CANCELLED" if track.of_kind("cancel_requested") else self._chance.choice(("SUCCEEDED", "FAILED"))
        finished = await track.finish(outcome)
        if finished is None:
            return self._judge(wish, track)
        tell(finished=wish.id, session=wish.session_id, outcome=finished.outcome)
        return False

    async def _give_up(self, wish: Wish, track: Track) -> None:
        """Leaves the queue, one way or the other."""
        what = self._chance.random()
        if what < 0.5:
            return
        if what < 0.8:
            await self._call("CancelRequest", wish, pb.CancelRequestRequest(reason="changed its mind"))
            if self._chance.random() < 0.5:
                return
        # It may be admitted at this very moment; then it is finished all the same.
        if finished := await track.finish("CANCELLED"):
            tell(finished=wish.id, session=wish.session_id, outcome=finished.outcome)

    async def _work(self, wish: Wish, track: Track) -> None:
        chance = self._chance
        if chance.random() < 0.3:
            await track.progress(chance.random(), "at work")
        if chance.random() < 0.3:
            wish.calls += 1
            call_id = f"call-{wish.id}-{wish.calls}"
            started = event_pb2.InvocationStarted(invocation_id=call_id, tool="tool", request_id=wish.id)
            await self._write(wish, event_pb2.Change(invocation_started=started))
            if chance.random() < 0.5:
                done = event_pb2.InvocationFinished(invocation_id=call_id, status="INVOCATION_STATUS_SUCCEEDED")
                await self._write(wish, event_pb2.Change(invocation_finished=done))
        if chance.random() < 0.01:
            await self._sleep_through(wish, track)
            return
        stopped = await track.wait_for("cancel_requested", timeout=wish.hold)
        if stopped and chance.random() < 0.2:
            await asyncio.sleep(wish.hold)
        if chance.random() < 0.2:
            await self._write(wish, event_pb2.Change(custom=event_pb2.Custom(type=FENCED + wish.id)))

    async def _sleep_through(self, wish: Wish, track: Track) -> None:
        """Renews nothing: it learns that it lost the lease, and what it writes late is refused."""
        track.still()
        failure = await track.ended(wish.lease + PATIENCE)
        if failure is None or failure.reason != "LEASE_LOST":
            return
        assert "lease_lost" in track.kinds(), f"{wish.id} was not told that it lost its lease"
        late = await self._write(wish, event_pb2.Change(custom=event_pb2.Custom(type=FENCED + wish.id)))
        assert late in ("FENCING_TOKEN_REJECTED", ""), f"{wish.id} wrote after it lost its lease: {late!r}"

    async def _by_calls(self, wish: Wish) -> None:
        """The same without a stream."""
        answer = await self._call("BeginRequest", wish, wish.begin(resume=False))
        over = asyncio.get_running_loop().time() + wish.patience
        while answer is not None and not answer.request.fencing_token:
            if self._stop.is_set() or asyncio.get_running_loop().time() > over:
                await self._call("CancelRequest", wish, pb.CancelRequestRequest(reason="changed its mind", force=True))
                return
            await asyncio.sleep(min(0.2, wish.lease / 4))
            answer = await self._call("RenewRequest", wish, pb.RenewRequestRequest())
        if answer is None:
            return
        self._admitted(wish, answer.request)
        await asyncio.sleep(min(wish.hold, wish.lease / 2))
        finished = await self._call("FinishRequest", wish, pb.FinishRequestRequest(outcome="REQUEST_OUTCOME_SUCCEEDED"))
        if finished:
            tell(finished=wish.id, session=wish.session_id, outcome=finished.outcome)

    def _admitted(self, wish: Wish, request: Any) -> None:
        assert request.fencing_token > 0
        assert wish.token in (0, request.fencing_token), f"{wish.id} had {wish.token}, resumed {request.fencing_token}"
        wish.token = request.fencing_token
        slot = request.pool_slot
        tell(admitted=wish.id, session=wish.session_id, token=wish.token, slot=slot.slot, slot_token=slot.fencing_token)

    def _judge(self, wish: Wish, track: Track) -> bool:
        """A stream ended by itself: whether to take the request up again."""
        if track.broken:
            tell(broken=wish.id, session=wish.session_id)
            return True
        assert track.failure is not None, f"{wish.id}: ended with {track.kinds()}"
        self._expect(wish, track.failure)
        return False

    def _expect(self, wish: Wish, failure: wire.Failure) -> None:
        """The request is over; the failure must be one that may happen."""
        tell(failed=wish.id, session=wish.session_id, code=failure.code, reason=failure.reason)
        assert failure.reason in NORMAL, f"{wish.id}: {failure}"

    async def _write(self, wish: Wish, change: event_pb2.Change) -> str | None:
        """Writes with the token, once. None when it was committed, else why not ("" when nobody knows)."""
        write = wire.write(wish.session_id, change, fencing_token=wish.token)
        try:
            await self._stub.WriteSession(write, timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            failure = wire.failure_of(error)
            known = ("FENCING_TOKEN_REJECTED", "REQUEST_NOT_ADMITTED")
            assert failure.reason in known or failure.code in wire.AWAY, f"{wish.id}: {failure}"
            return failure.reason if failure.reason in known else ""
        return None

    async def _call(self, method: str, wish: Wish, request: Any) -> Any:
        """A call about the request, until the server was there for it; None when the request is over."""
        request.session_id, request.request_id = wish.session_id, wish.id
        while True:
            try:
                return await getattr(self._stub, method)(request, timeout=PATIENCE, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                failure = wire.failure_of(error)
                if failure.code not in wire.AWAY:
                    self._expect(wish, failure)
                    return None
            if method == "BeginRequest":
                request.resume = True  # never twice: it may have begun, and ended meanwhile
            await asyncio.sleep(0.05)


def tell(**line: Any) -> None:
    """One line of history."""
    print(json.dumps(line), flush=True)


async def compete(plan: Plan) -> None:
    """Runs the clients of a process until standard input ends."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    places = [(plan.hot, "")] * plan.hot_clients
    places += [(session_id, plan.pool) for session_id, count in plan.pool_clients.items() for _ in range(count)]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number, (session_id, pool) in enumerate(places):
            stub = await stack.enter_async_context(wire.connect(plan.target))
            group.create_task(Client(stub, plan, f"{plan.name}.{number}", session_id, pool, stop).run())


if __name__ == "__main__":
    asyncio.run(compete(Plan(**json.loads(sys.argv[1]))))
