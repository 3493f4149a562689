"""Typed bindings of the reading scripts: sessions, event logs, lists."""

from __future__ import annotations

from ..domain.cursor import SessionCursor
from ..domain.errors import PositionError, RetiredError
from ..domain.events import StoredEvent
from ..domain.session import Session, SessionKey
from ..ports import EventPage, EventQuery
from . import scripts
from .heads import parse_head
from .keys import SessionKeys
from .scripts import Command
from .wire import Reply
from .writing import refusal, replaced, rolled_back

SCAN_LIMIT = 5000
"""Events a filtered read looks at before it gives a page, however few matched."""
BYTE_LIMIT = 1 << 20
"""Bytes of events after which a page is full."""


def read_command(keys: SessionKeys, *, full: bool) -> Command:
    """The call that reads a head."""
    shard = keys.shard
    return scripts.READ.call(keys.head, keys.tombstone, shard.connections, shard.workers, keys.member, 1 if full else 0)


def parse_session(reply: Reply, key: SessionKey) -> Session:
    """The session a read found; raises NotFoundError."""
    if reply[1] == b"ok":
        session = parse_head(key.session_id, reply[2])
        session.connection_count = reply[3]
        return session
    raise refusal(reply, key)


def events_command(keys: SessionKeys, query: EventQuery) -> Command:
    """The call that reads a page of a log."""
    after, us, uid, incarnation = 0, "", "", ""
    strict = 0
    if isinstance(query.after, SessionCursor):
        after, uid, incarnation = query.after.revision, query.after.uid, query.after.incarnation
        us, strict = (str(query.after.commit_us) if query.after.commit_us else ""), 1
    elif query.after:
        after, strict = query.after, 1
    before: int | str = ""
    if query.before is not None:
        before = query.before.revision if isinstance(query.before, SessionCursor) else query.before
    return scripts.EVENTS.call(
        keys.head, keys.events, keys.tombstone, keys.retired,
        keys.member, after, us, uid, incarnation, strict, before, query.mask, query.count, SCAN_LIMIT, BYTE_LIMIT,
        1 if query.reverse else 0,
    )  # fmt: skip


def parse_page(reply: Reply, key: SessionKey, query: EventQuery) -> EventPage:
    """The page a read found; raises NotFoundError, PositionError."""
    tag = reply[1]
    if tag != b"ok":
        raise position_error(reply, key, query)
    uid, incarnation = reply[2].decode(), reply[3].decode()
    found = iter(reply[9])
    events = [
        StoredEvent(key.session_id, uid, incarnation, revision, int(f[1]), int(f[5]), int(f[3]), f[7])
        for revision, f in zip(found, found, strict=True)
    ]
    head = SessionCursor(uid, incarnation, int(reply[4]), int(reply[5]))
    return EventPage(events, head, scanned=int(reply[7]), more=bool(reply[8]), oldest=int(reply[6]))


def position_error(reply: Reply, key: SessionKey, query: EventQuery) -> Exception:
    """The domain error for a position that cannot be used."""
    tag, sid = reply[1].decode(), key.session_id
    after = query.after.revision if isinstance(query.after, SessionCursor) else query.after
    if tag == "deleted" and isinstance(query.after, SessionCursor) and query.after.uid != reply[3].decode():
        tag = "replaced"
    if tag in ("missing", "deleted"):
        return refusal(reply, key)
    if tag == "retired":
        return RetiredError(sid, reply[3].decode(), int(reply[2]))
    revision = str(int(reply[2]))
    if tag == "future":
        return PositionError(
            f"session {sid!r} is at revision {revision}; {after} is in the future",
            reason="CURSOR_IN_FUTURE", session_id=sid, after_revision=str(after), revision=revision,
        )  # fmt: skip
    if tag == "too_old":
        return too_old(sid, SessionCursor(reply[4].decode(), reply[5].decode(), int(reply[3]) - 1, 0))
    if tag == "replaced":
        return replaced(sid)
    if tag == "rolled_back":
        return rolled_back(sid, revision)
    raise ValueError(f"unknown answer of a script: {tag}")


def too_old(session_id: str, oldest: SessionCursor) -> PositionError:
    """Events up to `oldest` are no longer kept."""
    first = str(oldest.revision + 1)
    return PositionError(
        f"events of session {session_id!r} before revision {first} are no longer kept",
        reason="CURSOR_TOO_OLD", session_id=session_id, oldest_revision=first, oldest_cursor=oldest.encode(),
    )  # fmt: skip
