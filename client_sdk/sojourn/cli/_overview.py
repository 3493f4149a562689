"""What `sojourn top` knows: sessions as events tell of them, requests as lists tell of them and events since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from sojourn import changes as ch
from sojourn.enums import RequestState, SessionStatus
from sojourn.models import Pool, Request, SessionArchived, SessionDeleted

if TYPE_CHECKING:
    from sojourn.models import Event, Session

_STEP = 10
"""Seconds by which last events differ at least to count as different."""

RequestKey = tuple[str, str]
"""Ids of the session and of the request."""


@dataclass(slots=True)
class Seen:
    """An active session."""

    last: datetime
    """When its last event was committed."""
    user: str = ""
    connections: int = 0


class Busy(NamedTuple):
    """A session and how much it has to do."""

    session_id: str
    seen: Seen
    admitted: int
    queued: int


class Overview:
    """The active sessions, their requests and the pools, as of the last event and the last list."""

    def __init__(self) -> None:
        self.sessions: dict[str, Seen] = {}
        self.requests: dict[RequestKey, Request] = {}
        self.pools: tuple[Pool, ...] = ()
        self.events = 0
        """How many events were seen."""
        self.rate: float | None = None
        """Events a second of late; None while unknown."""
        self.partial = False
        """Whether there are more requests than the list was to hold."""
        self._since: list[Event] | None = None

    def begin(self, sessions: Iterable[Session]) -> None:
        """Starts over with these sessions."""
        self.sessions.clear()
        for session in sessions:
            self.look(session)

    def look(self, session: Session) -> None:
        """Takes in a session as it was read."""
        if not session.is_active:
            self.sessions.pop(session.id, None)
            return
        seen = self.sessions.setdefault(session.id, Seen(session.update_time))
        seen.last = max(seen.last, session.update_time)
        seen.user = session.user_id
        seen.connections = session.connection_count

    def see(self, item: Event | SessionDeleted | SessionArchived) -> None:
        """Takes in what a watch of the active sessions delivered."""
        if isinstance(item, SessionDeleted | SessionArchived):
            self.sessions.pop(item.session_id, None)
            return
        self.events += 1
        self._note(item)
        _follow(self.requests, item, self._user(item))
        if self._since is not None:
            self._since.append(item)

    def list_begins(self) -> None:
        """A list of requests is about to be read: events from here on may be newer than the list."""
        self._since = []

    def list_ends(self, requests: Iterable[Request], pools: Iterable[Pool], *, partial: bool = False) -> None:
        """Takes in the list and the pools; what the events since `list_begins` told is told again."""
        self.requests = {(request.session_id, request.id): request for request in requests}
        self.pools, self.partial = tuple(pools), partial
        for event in self._since or ():
            _follow(self.requests, event, self._user(event))
        self._since = None

    def count(self, state: RequestState) -> int:
        """How many requests are in this state."""
        return sum(request.state is state for request in self.requests.values())

    def busiest(self, most: int) -> list[Busy]:
        """The sessions with the most requests, then the most connections, then the latest event."""
        live = Counter((request.session_id, request.state) for request in self.requests.values())
        rows = (
            Busy(name, seen, live[name, RequestState.ADMITTED], live[name, RequestState.QUEUED])
            for name, seen in self.sessions.items()
        )
        return nsmallest(most, rows, key=_order)

    def in_order(self) -> list[Request]:
        """The requests: those admitted, the longest first; then those queued, the next of each session first."""
        return sorted(self.requests.values(), key=_place)

    def _user(self, event: Event) -> str:
        seen = self.sessions.get(event.session_id)
        return seen.user if seen is not None else ""

    def _note(self, event: Event) -> None:
        """Follows the session an event is of."""
        seen = self.sessions.setdefault(event.session_id, Seen(event.commit_time))
        seen.last = event.commit_time
        for change in event.changes:
            if isinstance(change, ch.SessionCreated):
                seen.user = change.user_id
            elif isinstance(change, ch.StatusChanged) and change.status is not SessionStatus.ACTIVE:
                self.sessions.pop(event.session_id, None)


def _order(row: Busy) -> tuple[int, int, int, str]:
    # In steps, so that the rows of sessions that are all at work do not change places all the time.
    last = int(row.seen.last.timestamp() // _STEP)
    return -(row.admitted + row.queued), -row.seen.connections, -last, row.session_id


def _place(request: Request) -> tuple[bool, str, int, float]:
    queued = request.state is not RequestState.ADMITTED
    return queued, request.session_id if queued else "", request.position, request.begin_time.timestamp()


def _follow(requests: MutableMapping[RequestKey, Request], event: Event, user: str) -> None:
    """Brings requests up to date with an event. What only a list tells (places, leases) stays until the next."""
    for change in event.changes:
        key = (event.session_id, getattr(change, "request_id", ""))
        match change:
            case ch.RequestQueued() if key not in requests:
                requests[key] = _begun(event, user, change).model_copy(update={"pool": change.pool})
            case ch.RequestAdmitted():
                known = requests.get(key) or _begun(event, user, change)
                slot = change.pool_slot
                facts = {"pool": slot.pool, "pool_slot": slot} if slot is not None else {}
                admitted = {"state": RequestState.ADMITTED, "admit_time": event.commit_time, "position": 0}
                requests[key] = known.model_copy(update={**admitted, **facts, "fencing_token": change.fencing_token})
            case ch.RequestProgressed() if key in requests:
                told = {"progress": change.fraction, "progress_text": change.text}
                requests[key] = requests[key].model_copy(update=told)
            case ch.RequestCancelRequested() if key in requests:
                asked = {"cancel_requested": True, "cancel_reason": change.reason}
                requests[key] = requests[key].model_copy(update=asked)
            case ch.RequestFinished() | ch.RequestLost():
                requests.pop(key, None)


def _begun(event: Event, user: str, change: ch.RequestQueued | ch.RequestAdmitted) -> Request:
    return Request(
        session_id=event.session_id,
        id=change.request_id,
        name=change.name,
        state=RequestState.QUEUED,
        priority=change.priority,
        exclusive=change.exclusive,
        user_id=user,
        begin_time=event.commit_time,
    )
