"""What a session's log says about its requests, and what must hold for it whatever happened."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from sojourn.v1 import event_pb2
from sojourn_server.domain import changes as ch
from sojourn_server.domain.events import StoredEvent
from sojourn_server.domain.limits import Limits
from sojourn_server.domain.session import SessionStatus
from sojourn_server.rpc.changes import parse_changes

REQUEST_CHANGES: dict[str, type[ch.RequestChange]] = {
    kind.kind.name.lower(): kind for kind in get_args(ch.RequestChange)
}


@dataclass
class Seen:
    """A live request, as a reader of the log knows it."""

    exclusive: bool = False
    token: int = 0
    """0 while it waits."""
    asked: str | None = None
    """Why it was asked to stop."""
    progress: tuple[float, str] = (0.0, "")


@dataclass
class RequestLog:
    """Replays a session's events. Fails where a limit is exceeded, a token does not grow, somebody leaves who was not
    there, or an invocation outlives its request."""

    limit: int = 100
    live: dict[str, Seen] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)
    """Every token given so far, in order, and whose it is."""
    invocations: dict[str, str] = field(default_factory=dict)
    """Open invocations and the requests they run under."""
    revision: int = 0

    @property
    def admitted(self) -> set[str]:
        return {rid for rid, seen in self.live.items() if seen.token}

    @property
    def waiting(self) -> set[str]:
        return self.live.keys() - self.admitted

    def replay(self, event: StoredEvent) -> list[str]:
        """Takes the next event in and tells its changes in a word or two each."""
        assert event.revision == self.revision + 1
        self.revision = event.revision
        changes = changes_of(event)
        assert event.mask == mask_of(changes)
        told = [self._replay(change) for change in changes]
        # Between events, not only at the end, everybody can see that the limit holds.
        exclusive = [rid for rid in self.admitted if self.live[rid].exclusive]
        assert len(self.admitted) <= (1 if exclusive else self.limit), told
        return told

    def _replay(self, change: event_pb2.Change) -> str:
        kind = change.WhichOneof("kind")
        m = getattr(change, kind or "")
        match kind:
            case "request_queued":
                assert m.request_id not in self.live
                self.live[m.request_id] = Seen(m.exclusive)
            case "request_admitted":
                seen = self.live.setdefault(m.request_id, Seen(m.exclusive))
                assert (seen.token, seen.exclusive) == (0, m.exclusive)
                assert m.fencing_token > max(self.tokens, default=0)
                seen.token = m.fencing_token
                self.tokens[m.fencing_token] = m.request_id
            case "request_progressed":
                assert self.live[m.request_id].token
                self.live[m.request_id].progress = (m.fraction, m.text)
            case "request_cancel_requested":
                assert self.live[m.request_id].token
                assert self.live[m.request_id].asked is None
                self.live[m.request_id].asked = m.reason
            case "request_finished" | "request_lost":
                seen = self.live.pop(m.request_id)
                assert m.request_id not in self.invocations.values()
                assert kind == "request_finished" or m.fencing_token == seen.token
            case "invocation_started" if m.request_id:
                assert self.live[m.request_id].token
                self.invocations[m.invocation_id] = m.request_id
            case "invocation_finished":
                self.invocations.pop(m.invocation_id, None)
        return words(change)


def changes_of(event: StoredEvent) -> list[event_pb2.Change]:
    """The changes of an event as the store keeps it."""
    message = event_pb2.Event.FromString(event.body)
    assert message.changes
    return list(message.changes)


def mask_of(changes: list[event_pb2.Change]) -> int:
    """The kinds of the changes, a bit each."""
    return ch.kind_mask(ch.ChangeKind[(change.WhichOneof("kind") or "").upper()] for change in changes)


def folded_changes(event: StoredEvent) -> Iterator[ch.Change]:
    """An event's changes as the domain knows them; a session's creation is left out."""
    for change in changes_of(event):
        kind = change.WhichOneof("kind") or ""
        if kind == "status_changed":
            yield ch.StatusChanged(SessionStatus(change.status_changed.status), change.status_changed.error)
        elif kind in REQUEST_CHANGES:
            yield REQUEST_CHANGES[kind](getattr(change, kind).request_id)
        elif ch.ChangeKind[kind.upper()] < ch.FIRST_SERVER_KIND:
            yield from parse_changes([change], Limits())


def words(change: event_pb2.Change) -> str:
    """A change as tests write it down: `admitted a`, `finished a CANCELLED: why`, `INTERRUPTED call-1`, ..."""
    kind = change.WhichOneof("kind") or ""
    m = getattr(change, kind)
    match kind:
        case "request_queued" | "request_admitted":
            return f"{kind.removeprefix('request_')} {m.request_id}"
        case "request_finished":
            outcome = event_pb2.RequestOutcome.Name(m.outcome).removeprefix("REQUEST_OUTCOME_")
            return f"finished {m.request_id} {outcome}" + (f": {m.error}" if m.error else "")
        case "request_lost":
            return f"lost {m.request_id}: {m.cause}"
        case "request_cancel_requested":
            return f"asked {m.request_id}: {m.reason}"
        case "request_progressed":
            return f"progressed {m.request_id} {m.fraction:g} {m.text}".rstrip()
        case "invocation_finished":
            return f"{event_pb2.InvocationStatus.Name(m.status).removeprefix('INVOCATION_STATUS_')} {m.invocation_id}"
        case "status_changed":
            status = SessionStatus(m.status).name
            return f"{status}: {m.error}" if m.error else status
    return kind
