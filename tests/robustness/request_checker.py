"""Checks the whole event log of a session for what was promised about its requests: limits, order, tokens, one end.

The log is replayed change by change; what is wrong is collected as text, so that one look at a failure shows all of it.
What is true of pools is checked over many sessions in `pool_checker`, from the lives that the replay gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sojourn.v1 import event_pb2

INTERRUPTING = "interrupt"
"""Tests give this name to requests of policy INTERRUPT: of those that are admitted at once the log does not tell it."""
FENCED = "test.fenced."
"""Tests put a Custom of this type, with the request's id behind it, into what they write with its fencing token."""
UNLIMITED = 100
"""The limit of a session that was given none."""

Changes = event_pb2.Change


@dataclass
class Life:
    """A request as a log tells it. Times are microseconds by the store's clock, 0 for what did not happen."""

    session_id: str
    user_id: str
    id: str
    arrived: int
    """Revision of its first event; with `first`, what was before what."""
    arrived_us: int
    first: int = 0
    """Its place among the changes of that event."""
    priority: int = 0
    exclusive: bool = False
    interrupts: bool = False
    pool: str = ""
    queued_us: int = 0
    admitted_us: int = 0
    token: int = 0
    slot: int = -1
    slot_token: int = 0
    ended_us: int = 0
    outcome: str = ""
    cause: str = ""
    """Why it was lost."""

    @property
    def order(self) -> tuple[bool, int, int, int]:
        """Its place in the session's queue: interrupts, then priority, then arrival."""
        return (not self.interrupts, -self.priority, self.arrived, self.first)


@dataclass
class Replay:
    """What a log says, and what is wrong with it."""

    lives: dict[str, Life] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def check_requests(log: Sequence[event_pb2.Event], *, over: bool = True) -> list[Life]:
    """The lives of all requests in a session's whole log; AssertionError with everything that is wrong.

    over: nothing may be left queued, admitted or open at the log's end.
    """
    found = replay(log, over=over)
    assert not found.problems, _told(log, found.problems)
    return list(found.lives.values())


def replay(log: Sequence[event_pb2.Event], *, over: bool = True) -> Replay:
    """Replays a log without judging."""
    book = _Book()
    for event in log:
        book.read(event)
    if over:
        book.close()
    return Replay(book.lives, book.problems)


def _told(log: Sequence[event_pb2.Event], problems: list[str]) -> str:
    lines = "\n  ".join(problems[:20])
    return f"{len(problems)} problems in the {len(log)} events of {log[0].session_id}:\n  {lines}"


class _Book:
    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.problems: list[str] = []
        self._queued: dict[str, Life] = {}
        self._admitted: dict[str, Life] = {}
        self._reserving: set[str] = set()
        """Queued requests that must hold a slot of the session: one that was behind them was admitted."""
        self._open: dict[str, str] = {}
        """Open invocations and the requests they run under."""
        self._limit = UNLIMITED
        self._user = ""
        self._pools = False
        self._last_token = 0
        self._event = event_pb2.Event()

    def read(self, event: event_pb2.Event) -> None:
        if event.revision != self._event.revision + 1:
            self._wrong(f"is followed by revision {event.revision}")
        self._event = event
        for place, change in enumerate(event.changes):
            kind = change.WhichOneof("kind") or ""
            if handler := getattr(self, f"_{kind}", None):
                handler(getattr(change, kind), place)
        self._after()

    def close(self) -> None:
        """At the log's end."""
        for life in (*self._queued.values(), *self._admitted.values()):
            self._wrong(f"{life.id} has no end")
        for invocation, request in self._open.items():
            self._wrong(f"invocation {invocation} under {request!r} has no end")

    def _after(self) -> None:
        """What holds at every revision."""
        held = len(self._admitted) + len(self._reserving)
        if held > self._limit:
            self._wrong(f"{held} requests hold a slot where {self._limit} may: {[*self._admitted, *self._reserving]}")
        alone = [life.id for life in self._admitted.values() if life.exclusive]
        if alone and held > 1:
            self._wrong(f"{alone} wanted to be alone: {[*self._admitted, *self._reserving]}")
        for invocation, request in self._open.items():
            if request and request not in self._admitted:
                self._wrong(f"invocation {invocation} is open, though {request} has ended")
        if self._queued and not self._pools:
            head = min(self._queued.values(), key=lambda life: life.order)
            if not self._admitted if head.exclusive else not alone and held < self._limit:
                self._wrong(f"{head.id} waits, though there is room: {list(self._admitted)} of {self._limit}")

    def _session_created(self, change: event_pb2.SessionCreated, place: int) -> None:
        self._limit = change.max_concurrent_requests or UNLIMITED
        self._user = change.user_id

    def _request_queued(self, change: event_pb2.RequestQueued, place: int) -> None:
        if life := self._born(change.request_id, place):
            life.queued_us = self._now
            life.priority, life.exclusive = change.priority, change.exclusive
            life.interrupts, life.pool = change.interrupts, change.pool
            self._queued[life.id] = life
            self._pools |= bool(life.pool)

    def _request_admitted(self, change: event_pb2.RequestAdmitted, place: int) -> None:
        life = self._queued.pop(change.request_id, None)
        if life is None:
            life = self._born(change.request_id, place)
            if life is None:
                return
            life.priority, life.exclusive = change.priority, change.exclusive
            life.interrupts, life.pool = change.name == INTERRUPTING, change.pool_slot.pool
            self._pools |= bool(life.pool)
        elif (life.priority, life.exclusive) != (change.priority, change.exclusive):
            self._wrong(f"{life.id} was queued with another priority or exclusiveness")
        if change.pool_slot.pool != life.pool:
            self._wrong(f"{life.id} wants {life.pool!r} and got a slot of {change.pool_slot.pool!r}")
        elif life.pool:
            life.slot, life.slot_token = change.pool_slot.slot, change.pool_slot.fencing_token
        if change.fencing_token <= self._last_token:
            self._wrong(f"{life.id} got token {change.fencing_token} after {self._last_token}")
        self._last_token = max(self._last_token, change.fencing_token)
        life.token, life.admitted_us = change.fencing_token, self._now
        self._reserving.discard(life.id)
        self._check_turn(life)
        self._admitted[life.id] = life

    def _check_turn(self, life: Life) -> None:
        """Nobody who was before it still waits for the session's slot."""
        for other in self._queued.values():
            if other.order > life.order:
                continue
            if life.pool and other.arrived > life.arrived:
                continue  # it may have held its slot, and waited for the pool's, before the other came
            if other.pool and not other.exclusive and not life.exclusive:
                self._reserving.add(other.id)  # not passed over: it holds a slot and waits for the pool's
            else:
                self._wrong(f"{life.id} {life.order} was admitted before {other.id} {other.order}")

    def _request_progressed(self, change: event_pb2.RequestProgressed, place: int) -> None:
        if change.request_id not in self._admitted:
            self._wrong(f"{change.request_id} progressed without being admitted")

    def _request_cancel_requested(self, change: event_pb2.RequestCancelRequested, place: int) -> None:
        if change.request_id not in self._admitted:
            self._wrong(f"{change.request_id} was asked to stop without being admitted")

    def _request_finished(self, change: event_pb2.RequestFinished, place: int) -> None:
        outcome = event_pb2.RequestOutcome.Name(change.outcome).removeprefix("REQUEST_OUTCOME_")
        life = self._ended(change.request_id, outcome)
        if life and not life.admitted_us and outcome != "CANCELLED":
            self._wrong(f"{life.id} ended as {outcome} without being admitted")

    def _request_lost(self, change: event_pb2.RequestLost, place: int) -> None:
        life = self._ended(change.request_id, "LOST")
        if life:
            life.cause = change.cause
        if life and life.token != change.fencing_token:
            self._wrong(f"{life.id} had token {life.token} and lost {change.fencing_token}")

    def _invocation_started(self, change: event_pb2.InvocationStarted, place: int) -> None:
        if change.invocation_id in self._open:
            self._wrong(f"invocation {change.invocation_id} began twice")
        self._open[change.invocation_id] = change.request_id

    def _invocation_finished(self, change: event_pb2.InvocationFinished, place: int) -> None:
        self._open.pop(change.invocation_id, None)

    def _custom(self, change: event_pb2.Custom, place: int) -> None:
        request_id = change.type.removeprefix(FENCED)
        if change.type.startswith(FENCED) and request_id not in self._admitted:
            self._wrong(f"{request_id} wrote with its token without being admitted")

    def _born(self, request_id: str, place: int) -> Life | None:
        if known := self.lives.get(request_id):
            self._wrong(f"{request_id} began again {'after its end' if known.ended_us else 'while it was live'}")
            return None
        life = Life(self._event.session_id, self._user, request_id, self._event.revision, self._now, place)
        self.lives[request_id] = life
        return life

    def _ended(self, request_id: str, outcome: str) -> Life | None:
        life = self._admitted.pop(request_id, None) or self._queued.pop(request_id, None)
        self._reserving.discard(request_id)
        if life is None:
            known = self.lives.get(request_id)
            self._wrong(
                f"{request_id} ended as {outcome} {f'after {known.outcome}' if known else 'without a beginning'}"
            )
            return None
        life.ended_us, life.outcome = self._now, outcome
        return life

    @property
    def _now(self) -> int:
        return self._event.commit_time.ToMicroseconds()

    def _wrong(self, what: str) -> None:
        self.problems.append(f"revision {self._event.revision}: {what}")
