"""Short words for what tests of requests do over and over."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from sojourn.v1 import event_pb2
from sojourn_server.domain import changes as ch
from sojourn_server.domain.effects import effects_of
from sojourn_server.domain.events import NO_PRECONDITION, Committed, Precondition, StoredEvent, Write
from sojourn_server.domain.fold import fold
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.requests import (
    Begun,
    Left,
    NewRequest,
    Quotas,
    Request,
    RequestKey,
    RequestOutcome,
    RequestPolicy,
    RequestState,
)
from sojourn_server.domain.session import Session, SessionStatus
from sojourn_server.ports import EventQuery
from sojourn_server.rpc.changes import encode_body, parse_changes
from sojourn_server.store.opening import Store

from .request_log import RequestLog, folded_changes
from .sessions import Desk
from .waiting import wait_until

QUOTAS = Quotas()
FREE = QUOTAS.requests_per_session
"""So many requests fit a session that says nothing of its own."""


@dataclass
class Fold:
    """A session as its events so far make it."""

    session: Session
    created: ch.SessionCreated
    last: StoredEvent | None = None
    open_invocations: dict[str, str] = field(default_factory=dict)
    requests: dict[str, bool] = field(default_factory=dict)

    def add(self, event: StoredEvent) -> None:
        changes = folded_changes(event) if self.last else [self.created]
        fold(self.session, changes, event.commit_us, self.open_invocations, self.requests)
        self.last = event


class Clerk:
    """Requests in the sessions of a desk. Ids of requests default to `a`, of sessions to `s`.

    It keeps the log of each session it made, and `check` holds all that the store says against it.
    """

    def __init__(self, desk: Desk, *, quotas: Quotas = QUOTAS) -> None:
        self.desk = desk
        self.store = desk.store.requests
        self.lifecycle = desk.store.lifecycle
        self.quotas = quotas
        self.logs: dict[str, RequestLog] = {}
        self._folds: dict[str, Fold] = {}

    def at(self, store: Store) -> "Clerk":
        """The same tenant at another worker."""
        return Clerk(Desk(store, self.desk.tenant), quotas=self.quotas)

    async def create(self, sid: str = "s", *, limit: int = 0, **begins_with: Any) -> None:
        """Makes a session that admits `limit` requests at a time; 0 for the server's default."""
        body = event_pb2.Event(changes=[event_pb2.Change(session_created={})]).SerializeToString()
        begins_with |= {"max_concurrent_requests": limit}
        write = self.desk.new(sid, body=body, **begins_with)
        committed, _ = await self.desk.store.active.create(write, or_get=False, checked=True)
        session = Session(sid, committed.uid, committed.incarnation)
        self._folds[sid] = Fold(session, ch.SessionCreated(committed.uid, **begins_with))
        self.logs[sid] = RequestLog(limit or self.quotas.requests_per_session)
        assert await self.news(sid) == [["session_created"]]

    def key(self, rid: str = "a", sid: str = "s") -> RequestKey:
        return RequestKey(self.desk.key(sid), rid)

    async def begin(self, rid: str = "a", *, sid: str = "s", policy: str = "QUEUE", **wants: Any) -> Begun:
        """Begins a request; `wants` are fields of NewRequest."""
        new = NewRequest(self.key(rid, sid), policy=RequestPolicy[policy], **wants)
        return await self.store.begin(new, self.quotas)

    async def admitted(self, rid: str = "a", **wants: Any) -> Request:
        """Begins a request that must be admitted at once."""
        request = (await self.begin(rid, **wants)).request
        assert request.state is RequestState.ADMITTED
        return request

    async def queued(self, rid: str, **wants: Any) -> Request:
        """Begins a request that must wait for the session's slot."""
        request = (await self.begin(rid, **wants)).request
        assert request.state is RequestState.QUEUED
        return request

    async def get(self, rid: str = "a", sid: str = "s") -> Request:
        return await self.store.get(self.key(rid, sid))

    async def finish(
        self, rid: str = "a", outcome: str = "SUCCEEDED", error: str = "", *, sid: str = "s", writer: str = ""
    ) -> Left:
        return await self.store.finish(self.key(rid, sid), RequestOutcome[outcome], error, writer=writer)

    async def cancel(
        self, rid: str = "a", reason: str = "why", *, force: bool = False, sid: str = "s", writer: str = ""
    ) -> tuple[Left | None, int]:
        return await self.store.cancel(self.key(rid, sid), reason, force=force, writer=writer)

    async def detach(self, rid: str = "a", attachment: int = 1, cause: str = "gone", *, sid: str = "s") -> Left | None:
        return await self.store.detach(self.key(rid, sid), attachment, cause)

    async def lose(self, rid: str = "a", *, sid: str = "s") -> Left | None:
        return await self.store.lose(self.key(rid, sid))

    async def lose_soon(self, rid: str = "a", *, sid: str = "s") -> Left:
        """Ends a request as lost as soon as its lease has run out."""
        left: Left = await wait_until(lambda: self.lose(rid, sid=sid), description=f"the lease of {rid} has run out")
        return left

    async def write(self, *changes: event_pb2.Change, sid: str = "s", **precondition: Any) -> Committed:
        """A caller's write; `precondition` are fields of Precondition."""
        required = Precondition(**precondition) if precondition else NO_PRECONDITION
        effects = effects_of(parse_changes(changes, Limits()))
        return await self.desk.store.active.write(
            Write(self.desk.key(sid), effects, encode_body(changes, "", Limits()), required)
        )

    async def end(
        self, status: SessionStatus = SessionStatus.COMPLETED, error: str = "", *, sid: str = "s", key: str = "",
        writer: str = "", **precondition: Any,
    ) -> Committed:  # fmt: skip
        """Ends a session; `precondition` are fields of Precondition."""
        return await self.lifecycle.end(
            self.desk.key(sid), status, error, writer=writer, precondition=Precondition(**precondition),
            idempotency_key=key,
        )  # fmt: skip

    async def live(self, sid: str = "s") -> list[Request]:
        return await self.store.of_session(self.desk.key(sid))

    async def queue(self, sid: str = "s") -> list[str]:
        """Who waits for the session's slot, the next first."""
        return queue_of(await self.live(sid))

    async def holders(self, sid: str = "s") -> list[str]:
        """Who is admitted, by arrival."""
        return [one.key.request_id for one in await self.live(sid) if one.state is RequestState.ADMITTED]

    async def news(self, sid: str = "s") -> list[list[str]]:
        """The changes of each event since the last time, in a word or two."""
        log = self.logs[sid]
        page = await self.desk.store.active.events(self.desk.key(sid), EventQuery(after=log.revision, count=1000))
        assert not page.more
        for event in page.events:
            self._folds[sid].add(event)
        return [log.replay(event) for event in page.events]

    def event(self, sid: str = "s") -> event_pb2.Event:
        """The last event that `news` saw, decoded."""
        last = self._folds[sid].last
        assert last is not None
        return event_pb2.Event.FromString(last.body)

    async def check(self, sid: str = "s") -> tuple[list[list[str]], Session, list[Request]]:
        """Session, requests and log tell the same story; returns the news, the session, and its requests."""
        news, session, live = await asyncio.gather(self.news(sid), self.desk.get(sid), self.live(sid))
        log = self.logs[sid]
        assert {one.key.request_id: (one.token, one.exclusive, one.cancel_reason) for one in live} == {
            rid: (seen.token, seen.exclusive, seen.asked) for rid, seen in log.live.items()
        }
        assert (session.admitted_requests, session.queued_requests) == (len(log.admitted), len(log.waiting))
        assert session == self._folds[sid].session
        return news, session, live

    async def check_all(self) -> None:
        """`check` of every session that is still there."""
        for _, sid in await self.desk.store.active.newest(self.desk.tenant, after=None, count=1000):
            if sid in self.logs:
                await self.check(sid)

    async def leases(self) -> list[str]:
        """The leases of the tenant."""
        found = await asyncio.gather(*map(self.store._leases, self.desk.store.commits.shards))
        names = [lease.decode() for leases in found for lease in leases]
        return [name for name in names if f"|{self.desk.tenant}/" in name]


def queue_of(live: list[Request]) -> list[str]:
    """Those of a session's requests that wait for its slot, the next first."""
    waiting = sorted((one for one in live if one.state is RequestState.QUEUED), key=lambda one: one.position)
    assert [one.position for one in waiting] == list(range(1, len(waiting) + 1))
    return [one.key.request_id for one in waiting]


def started(invocation_id: str, request_id: str, tool: str = "tool") -> event_pb2.Change:
    """An invocation begins under a request."""
    return event_pb2.Change(
        invocation_started=event_pb2.InvocationStarted(invocation_id=invocation_id, tool=tool, request_id=request_id)
    )


def succeeded(invocation_id: str) -> event_pb2.Change:
    """An invocation ends well."""
    return event_pb2.Change(
        invocation_finished=event_pb2.InvocationFinished(
            invocation_id=invocation_id, status=event_pb2.INVOCATION_STATUS_SUCCEEDED
        )
    )


def note(text: str = "note") -> event_pb2.Change:
    """A change that needs nothing."""
    return event_pb2.Change(log_appended=event_pb2.LogAppended(text=text))


async def passed(us: int) -> None:
    """Waits until the store's clock, which on the same machine is ours, is past a time in microseconds."""
    await wait_until(lambda: time.time_ns() // 1000 > us + 1000, timeout=30, description="the time has come")
