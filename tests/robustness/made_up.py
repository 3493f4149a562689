"""Event logs made up by tests of the checkers."""

from __future__ import annotations

from itertools import count
from typing import Any, Self

from sojourn.v1 import event_pb2, request_pb2

Change = event_pb2.Change


class MadeUpLog:
    """The log of a session, change by change; its clock ticks a millisecond an event unless told otherwise."""

    def __init__(self, session_id: str = "s", *, limit: int = 1, user: str = "u", start: int = 1_000_000) -> None:
        self.session_id = session_id
        self.events: list[event_pb2.Event] = []
        self.now = start
        self._tokens = count(1)
        self.add(Change(session_created=event_pb2.SessionCreated(user_id=user, max_concurrent_requests=limit)))

    def add(self, *changes: event_pb2.Change, revision: int = 0) -> Self:
        """One event of these changes."""
        self.now += 1000
        event = event_pb2.Event(
            session_id=self.session_id, revision=revision or len(self.events) + 1, changes=list(changes)
        )
        event.commit_time.FromMicroseconds(self.now)
        self.events.append(event)
        return self

    def at(self, now: int) -> Self:
        """Sets the clock (us): the next event is committed then."""
        self.now = now - 1000
        return self

    def admitted(self, request_id: str, token: int = 0, *, slot: int = -1, slot_token: int = 0, **rest: Any) -> Change:
        """An admission with the next token, or the given one."""
        change = event_pb2.RequestAdmitted(request_id=request_id, fencing_token=token or next(self._tokens), **rest)
        if slot >= 0:
            taken = request_pb2.PoolSlot(pool="pool", slot=slot, fencing_token=slot_token or self.now + 1000)
            change.pool_slot.CopyFrom(taken)
        return Change(request_admitted=change)


def queued(request_id: str, priority: int = 0, **rest: Any) -> Change:
    return Change(request_queued=event_pb2.RequestQueued(request_id=request_id, priority=priority, **rest))


def finished(request_id: str, outcome: str = "SUCCEEDED") -> Change:
    name = f"REQUEST_OUTCOME_{outcome}"
    return Change(request_finished=event_pb2.RequestFinished(request_id=request_id, outcome=name))


def lost(request_id: str, token: int = 0) -> Change:
    return Change(request_lost=event_pb2.RequestLost(request_id=request_id, fencing_token=token))


def started(invocation_id: str, request_id: str) -> Change:
    change = event_pb2.InvocationStarted(invocation_id=invocation_id, tool="t", request_id=request_id)
    return Change(invocation_started=change)


def closed(invocation_id: str) -> Change:
    status = event_pb2.INVOCATION_STATUS_INTERRUPTED
    return Change(invocation_finished=event_pb2.InvocationFinished(invocation_id=invocation_id, status=status))


def custom(type_: str) -> Change:
    return Change(custom=event_pb2.Custom(type=type_))
