"""The two kinds of watch: of one session, and of all sessions that match a filter."""

from __future__ import annotations

from collections.abc import Callable

from ._transport.calls import WatchMessage, WatchStream
from ._watching import Watch
from .config import RetryPolicy, Timeouts, Watching
from .errors import ProtocolError, SessionDeletedError
from .models import Event, Session, SessionArchived, SessionDeleted


class SessionWatch(Watch[Event]):
    """A watch of one session: every event once, in order. `SessionHandle.watch` opens it.

    Iterating ends after the last event of a session that was archived (`archived` is then set) and, where it was asked
    for, of one that has ended. It raises SessionDeletedError after the last event of a session that was deleted,
    HistoryRolledBackError or SessionReplacedError when the position cannot be resumed at, and ProtocolError should
    the server leave out an event.
    """

    def __init__(
        self,
        open_stream: Callable[[Event | str | int | None, bool], WatchStream],
        *,
        session_id: str,
        after: Event | str | int | None,
        snapshot: bool,
        filtered: bool,
        until_ended: bool,
        see: Callable[[int, str], None],
        watching: Watching,
        timeouts: Timeouts,
        policy: RetryPolicy,
    ) -> None:
        super().__init__(watching=watching, timeouts=timeouts, policy=policy)
        self._open_stream = open_stream
        self._session_id = session_id
        self._see = see  # told every revision with its cursor
        self._after = after
        self._want_snapshot = snapshot
        self._filtered = filtered
        self._until_ended = until_ended
        self._snapshot: Session | None = None
        self._archived = False
        # Revision up to which everything was delivered; None while unknown.
        self._revision: int | None = None
        if isinstance(after, Event):
            self._revision = after.revision
        elif isinstance(after, int):
            self._revision = after

    @property
    def snapshot(self) -> Session | None:
        """With `snapshot=True`: the session as it was where the events begin, once the watch is live."""
        return self._snapshot

    @property
    def archived(self) -> bool:
        """Whether the watch ended because the session has ended and left the active store. Reads go on as before; after
        `resume` it can be watched again."""
        return self._archived

    @property
    def cursor(self) -> str | None:
        """Position of the last message received; None before the first."""
        if isinstance(self._after, Event):
            return self._after.cursor
        return self._after if isinstance(self._after, str) else None

    def _open(self) -> WatchStream:
        return self._open_stream(self._after, self._want_snapshot)

    def _finished_well(self) -> bool:
        return self._until_ended

    def _accept(self, message: WatchMessage) -> None:
        for event in message.events:
            self._accept_event(event)
        if message.snapshot is not None:
            self._snapshot, self._want_snapshot = message.snapshot, False
            self._moved(message.snapshot.revision, message.snapshot.cursor)
        elif message.progress is not None:
            self._accept_progress(message.progress, message.revision)
        elif message.going_away:
            self._after = message.going_away
        elif message.archived is not None:
            self._archived = True
            self._finish(None)
        elif message.deleted is not None:
            self._finish(
                SessionDeletedError(
                    f"session {self._session_id} was deleted",
                    reason="SESSION_DELETED",
                    session_id=self._session_id,
                    revision=message.deleted.revision,
                )
            )
        self._ready = True

    def _accept_event(self, event: Event) -> None:
        last = self._revision
        if last is not None:
            if event.revision <= last:
                return
            if event.revision > last + 1 and not self._filtered:
                raise self._gap(last + 1, event.revision - 1)
        self._moved(event.revision, event.cursor)
        self._items.append(event)

    def _accept_progress(self, cursor: str, revision: int) -> None:
        last = self._revision
        if last is not None:
            if revision < last:
                return
            if revision > last and not self._filtered:
                raise self._gap(last + 1, revision)
        self._moved(revision, cursor)

    def _moved(self, revision: int, cursor: str) -> None:
        self._revision, self._after = revision, cursor
        self._see(revision, cursor)

    def _gap(self, first: int, last: int) -> ProtocolError:
        return ProtocolError(f"the watch of session {self._session_id} left out revisions {first} to {last}")


class SessionsWatch(Watch[Event | SessionDeleted | SessionArchived]):
    """A watch of all sessions that match a filter. `Client.watch_sessions` opens it.

    Yields each event once, per session in order, SessionDeleted for a matching session that was deleted, and
    SessionArchived for one that left the active store: these have a `session_id`, a `revision` and no `changes`.
    Iterating raises CursorTooOldError or HistoryRolledBackError when the position cannot be resumed at.
    """

    def __init__(
        self,
        open_stream: Callable[[str | None, bool], WatchStream],
        *,
        after: str | None,
        snapshot: bool,
        watching: Watching,
        timeouts: Timeouts,
        policy: RetryPolicy,
    ) -> None:
        super().__init__(watching=watching, timeouts=timeouts, policy=policy)
        self._open_stream = open_stream
        self._after = after
        self._want_snapshot = snapshot
        self._snapshots: list[Session] = []
        # Delivered on this stream since its last marker: a stream resumed there brings them again. A revision alone
        # would not do: another session under the same id has the same ones, but not at the same time.
        self._delivered: set[tuple[object, ...]] = set()
        # Delivered on earlier streams and not seen again: a marker of this stream may well be before them.
        self._earlier: set[tuple[object, ...]] = set()

    @property
    def snapshots(self) -> tuple[Session, ...]:
        """With `snapshot=True`: the matching sessions, without state, as they were where the events begin."""
        return tuple(self._snapshots)

    @property
    def cursor(self) -> str | None:
        """Position of the last progress marker; None before the first. Resuming there may repeat what came after it."""
        return self._after

    def _open(self) -> WatchStream:
        self._earlier |= self._delivered
        self._delivered.clear()
        if self._want_snapshot:
            self._snapshots.clear()  # those of a stream that broke before its first marker come again
        return self._open_stream(self._after, self._want_snapshot)

    def _accept(self, message: WatchMessage) -> None:
        for event in message.events:
            self._deliver((event.session_id, event.revision, event.commit_time), event)
        if message.snapshot is not None:
            self._snapshots.append(message.snapshot)
        elif message.deleted is not None:
            self._deliver((message.deleted.session_id, message.deleted.uid), message.deleted)
        elif message.archived is not None:
            self._deliver((message.archived.session_id, message.archived.revision), message.archived)
        else:
            cursor = message.progress or message.going_away
            if cursor:
                self._after, self._want_snapshot = cursor, False
                self._delivered.clear()
                self._ready = True

    def _deliver(self, key: tuple[object, ...], item: Event | SessionDeleted | SessionArchived) -> None:
        if key in self._delivered:
            return
        self._delivered.add(key)
        if key in self._earlier:
            self._earlier.discard(key)
        else:
            self._items.append(item)
