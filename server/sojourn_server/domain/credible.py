"""Whether a history that comes from outside is one that the store could have made.

Every event's changes were checked one by one before; here is what only their order tells.
"""

from __future__ import annotations

import re

from . import changes as ch
from .errors import FileInvalidError
from .fold import Folded
from .session import Session, SessionStatus

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MOST = 10_000
"""Live requests, which are ended by one event of at most 3 MiB; tags."""
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}").fullmatch
_NOT_ON_ENDED = (
    ch.StateSet, ch.StateDeleted, ch.StateIncremented, ch.MessageAppended, ch.InvocationStarted, ch.StepFinished,
    ch.ResultSet, ch.LogAppended, ch.Custom,
)  # fmt: skip


class CredibleHistory:
    """Folds events and refuses what no store would have written: all that the active store relies on holds of a session
    that went through here.

    Args:
        session_id: the session's id where the file comes from.
        latest_us: no event is later.
        max_state_bytes: most bytes of the session at any revision, counted as the store counts.
    """

    def __init__(self, session_id: str, *, latest_us: int, max_state_bytes: int) -> None:
        self.folded = Folded(Session(session_id, "", ""))
        self._latest_us = latest_us
        self._max_state_bytes = max_state_bytes
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    @property
    def revision(self) -> int:
        """Of the last event that was added."""
        return self.folded.session.revision

    def add(self, revision: int, commit_us: int, changes: list[ch.Change]) -> None:
        """The next event.

        Raises:
            FileInvalidError: this cannot come next; what was added before stays.
        """
        session = self.folded.session
        if revision != self.revision + 1:
            raise _wrong(revision, f"revision {self.revision + 1} should come next", "order")
        if not changes:
            raise _wrong(revision, "an event has at least one change")
        if not max(session.updated_us, 1) <= commit_us <= self._latest_us:
            raise _wrong(revision, "commit times never go back, and none is in the future", "time")
        created = [i for i, change in enumerate(changes) if isinstance(change, ch.SessionCreated)]
        if created != ([0] if revision == 1 else []):
            raise _wrong(revision, "a session is created once, by the first change of its first event")
        self._check_status(revision, changes)
        grown = self._measure(changes, self._check_increments(revision, changes))
        if grown > 0 and self._bytes > self._max_state_bytes:
            raise _wrong(revision, f"the session has more than {self._max_state_bytes} bytes here", "limit")
        self.folded.add(changes, commit_us)
        for what, count in (("live requests", len(self.folded.requests)), ("tags", len(session.tags))):
            if count > MOST:
                raise _wrong(revision, f"more than {MOST} {what} here", "limit")

    def _check_status(self, revision: int, changes: list[ch.Change]) -> None:
        """A session ends once, unless it is resumed; one that has ended takes nothing but information."""
        active = self.folded.session.status is SessionStatus.ACTIVE
        for change in changes:
            if isinstance(change, ch.StatusChanged):
                if active == (change.status is SessionStatus.ACTIVE):
                    raise _wrong(revision, "the status changes to what it cannot change to", "status")
                active = not active
            elif isinstance(change, ch.Forked):
                active = True
            elif not active and isinstance(change, _NOT_ON_ENDED):
                raise _wrong(revision, f"{type(change).__name__} after the session's end", "status")

    def _check_increments(self, revision: int, changes: list[ch.Change]) -> dict[str, bytes | None]:
        """Increments work on integers, and stay in 64 bits; what the same event overrides does not matter. Returns what
        the event makes of the state's keys (None: absent)."""
        state: dict[str, bytes | None] = {}
        failed: set[str] = set()
        for change in changes:
            match change:
                case ch.StateSet():
                    state |= change.values
                    failed -= change.values.keys()
                case ch.StateDeleted():
                    state |= dict.fromkeys(change.keys)
                    failed -= set(change.keys)
                case ch.StateIncremented():
                    old = state[change.key] if change.key in state else self.folded.session.state.get(change.key)
                    old = b"0" if old is None else old
                    total = int(old) + change.delta if _INTEGER(old) else INT64_MAX + 1
                    if INT64_MIN <= total <= INT64_MAX:
                        state[change.key] = b"%d" % total
                    else:
                        failed.add(change.key)
        if failed:
            raise _wrong(revision, f"state key {min(failed)!r} cannot be incremented")
        return state

    def _measure(self, changes: list[ch.Change], state: dict[str, bytes | None]) -> int:
        """Counts what the event changes of the session's size; returns by how much it grows."""
        before = self._bytes
        for change in changes:
            match change:
                case ch.StateSet():
                    self._each("s", change.values)
                case ch.StateDeleted():
                    for key in change.keys:
                        self._put("s", key, 0)
                case ch.StateIncremented():
                    self._put("s", change.key, len(state[change.key] or b""))
                case ch.InvocationStarted():
                    what = f"{change.request_id}/{change.tool}"
                    self._put("o", change.invocation_id, len(what.encode()))
                    self._name("u", change.tool)
                case ch.InvocationFinished():
                    self._put("o", change.invocation_id, 0)
                case ch.StepFinished():
                    duration = "" if change.duration_us is None else str(change.duration_us)
                    self._put("p", change.name, len(f"{change.run}|{int(change.status)}|{duration}"))
                case ch.ResultSet():
                    self._put("r", change.name, len(change.value))
                case ch.ArtifactAttached():
                    if change.version:
                        self._put("a", change.name, len(str(change.version)))
                case ch.InfoUpdated():
                    self._info(change)
                case ch.SessionCreated():
                    self._each("s", change.state)
                    self._each("m", change.metadata)
                    for tag in change.tags:
                        self._put("t", tag, 1)
        return self._bytes - before

    def _info(self, change: ch.InfoUpdated) -> None:
        for tag in change.remove_tags:
            self._put("t", tag, 0)
        for tag in change.add_tags:
            self._put("t", tag, 1)
        for key in change.remove_metadata:
            self._put("m", key, 0)
        self._each("m", change.set_metadata)

    def _each(self, prefix: str, values: dict[str, bytes]) -> None:
        for key, value in values.items():
            self._put(prefix, key, len(value))

    def _put(self, prefix: str, name: str, length: int) -> None:
        """A field gets a value of so many bytes; of none: it goes."""
        field = f"{prefix}:{name}"
        size = len(field.encode()) + length if length else 0
        self._bytes += size - self._sizes.pop(field, 0)
        if size:
            self._sizes[field] = size

    def _name(self, prefix: str, name: str) -> None:
        """A field whose name alone counts."""
        self._put(prefix, name, 0)
        field = f"{prefix}:{name}"
        self._sizes[field] = len(field.encode())
        self._bytes += self._sizes[field]


def _wrong(revision: int, message: str, problem: str = "content") -> FileInvalidError:
    return FileInvalidError(f"event {revision}: {message}", problem=problem)
