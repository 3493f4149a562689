"""Admission to a session in plain Python: what the store must do, written to be read.

Each step returns the changes of its one event, in the words of `request_log.words` without reasons; none means that
there was no event. A step that is refused raises `RefusedError` with the reason and changes nothing.
"""

from dataclasses import dataclass, field
from itertools import count


class RefusedError(Exception):
    """The store must refuse with this reason."""


@dataclass
class One:
    """A live request."""

    rid: str
    policy: str
    priority: int
    exclusive: bool
    wide: bool
    """It needs slots of wider scopes: with the session's slot in hand it reserves those, then somebody admits it."""
    lapsed: bool
    """Its lease has run out."""
    arrival: int
    attachment: int = 1
    admitted_at: int = 0
    """Place among all admissions; 0 while it is not admitted."""
    asked: bool = False
    """Somebody asked it to stop."""

    @property
    def place(self) -> tuple[bool, int, int]:
        """Those who interrupt come first, then priority counts, then arrival."""
        return (self.policy != "INTERRUPT", -self.priority, self.arrival)


@dataclass
class Session:
    """A session that admits `limit` requests and lets `cap` wait."""

    limit: int
    cap: int
    ended: bool = False
    holders: dict[str, One] = field(default_factory=dict)
    """Who has one of the session's slots: admitted, or reserving."""
    waiting: dict[str, One] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """How requests ended: FINISHED (its holder said so), CANCELLED, LOST."""
    invocations: dict[str, str] = field(default_factory=dict)
    """Open ones, and the requests they run under."""
    _counter: count = field(default_factory=lambda: count(1))

    # What everybody can see

    @property
    def queue(self) -> list[str]:
        return [one.rid for one in sorted(self.waiting.values(), key=lambda one: one.place)]

    @property
    def admitted(self) -> list[str]:
        """In the order of their admission."""
        found = [one for one in self.holders.values() if one.admitted_at]
        return [one.rid for one in sorted(found, key=lambda one: one.admitted_at)]

    @property
    def reserving(self) -> set[str]:
        return {rid for rid, one in self.holders.items() if not one.admitted_at}

    def find(self, rid: str) -> One:
        """The live request, or why there is none."""
        one = self.holders.get(rid) or self.waiting.get(rid)
        if one is None:
            ends = {"": "REQUEST_NOT_FOUND", "LOST": "LEASE_LOST"}
            raise RefusedError(ends.get(self.left.get(rid, ""), "REQUEST_ENDED"))
        return one

    # Steps

    def begin(
        self, rid: str, policy: str, *, priority: int, exclusive: bool, wide: bool, lapsed: bool, resume: bool
    ) -> list[str]:
        """Begins a request, or takes up the live one with this id."""
        if rid in self.holders or rid in self.waiting or resume:
            one = self.find(rid)
            if one.lapsed:
                raise RefusedError("LEASE_LOST")
            one.attachment += 1
            return []
        if self.ended:
            raise RefusedError("SESSION_ENDED")
        one = One(rid, policy, priority, exclusive, wide, lapsed, next(self._counter))
        first = all(one.place < other.place for other in self.waiting.values())
        at_once = self._fits(one) and first
        if policy == "REJECT" and not at_once:
            raise RefusedError("LIMIT_EXCEEDED")
        crowd = len(self.waiting) + len(self.reserving)
        if policy in ("QUEUE", "INTERRUPT") and not at_once and crowd >= self.cap:
            raise RefusedError("LIMIT_EXCEEDED")
        changes = []
        if policy == "REPLACE_QUEUED":
            for rival in [*self.waiting, *self.reserving]:
                changes += self._leave(rival, "CANCELLED", f"finished {rival} CANCELLED")
        elif policy == "INTERRUPT" and not at_once:
            changes += self._interrupt(one)
        self.waiting[rid] = one
        promoted = self._promote()
        if rid not in self.admitted:
            return [*changes, f"queued {rid}", *promoted]
        return [*changes, *promoted]

    def admit(self, rid: str) -> list[str]:
        """Somebody took the wider slots of one that reserves."""
        one = self.holders.get(rid)
        if one is None or one.admitted_at or one.lapsed:
            return []
        return self._admit(one)

    def finish(self, rid: str, outcome: str) -> list[str]:
        if self.left.get(rid) == "FINISHED" and rid not in self.holders and rid not in self.waiting:
            return []
        if not self.find(rid).admitted_at:
            outcome = "CANCELLED"  # what was never admitted cannot have been done
        return self._leave(rid, "FINISHED", f"finished {rid} {outcome}") + self._promote()

    def cancel(self, rid: str, *, force: bool) -> list[str]:
        one = self.find(rid)
        if force:
            return self._leave(rid, "LOST", f"lost {rid}") + self._promote()
        if not one.admitted_at:
            return self._leave(rid, "CANCELLED", f"finished {rid} CANCELLED") + self._promote()
        return self._ask(one)

    def detach(self, rid: str, attachment: int) -> list[str]:
        """A stream ended: only the last one counts."""
        one = self.holders.get(rid) or self.waiting.get(rid)
        if one is None or one.attachment != attachment:
            return []
        return self._leave(rid, "LOST", f"lost {rid}") + self._promote()

    def lose(self, rid: str) -> list[str]:
        """The reaper comes by: only a lease that has run out counts."""
        one = self.holders.get(rid) or self.waiting.get(rid)
        if one is None or not one.lapsed:
            return []
        return self._leave(rid, "LOST", f"lost {rid}") + self._promote()

    def drop(self, rid: str) -> list[str]:
        """Ends one that is not admitted."""
        if rid not in self.waiting and rid not in self.reserving:
            return []
        return self._leave(rid, "CANCELLED", f"finished {rid} CANCELLED") + self._promote()

    def end(self) -> list[str]:
        """The session ends, and with it all that are not admitted."""
        if self.ended:
            raise RefusedError("SESSION_ENDED")
        self.ended = True
        rivals = [*self.waiting, *self.reserving]
        gone = [change for rid in rivals for change in self._leave(rid, "CANCELLED", f"finished {rid} CANCELLED")]
        return ["COMPLETED", *gone]

    def start(self, invocation_id: str, rid: str) -> list[str]:
        """An invocation begins under a request."""
        if self.ended:
            raise RefusedError("SESSION_ENDED")
        if rid not in self.admitted:
            raise RefusedError("REQUEST_NOT_ADMITTED")
        self.invocations[invocation_id] = rid
        return ["invocation_started"]

    # How it works

    def _fits(self, one: One) -> bool:
        """Whether there is a slot for it, apart from who waits."""
        if any(other.exclusive for other in self.holders.values()):
            return False
        return not self.holders if one.exclusive else len(self.holders) < self.limit

    def _promote(self) -> list[str]:
        """Lets in from the front of the queue as long as the first fits: nobody overtakes."""
        changes: list[str] = []
        while self.waiting and self._fits(one := self.waiting[self.queue[0]]):
            self.holders[one.rid] = self.waiting.pop(one.rid)
            if not one.wide:
                changes += self._admit(one)
        return changes

    def _admit(self, one: One) -> list[str]:
        one.admitted_at = next(self._counter)
        return [f"admitted {one.rid}"]

    def _ask(self, one: One) -> list[str]:
        if one.asked:
            return []
        one.asked = True
        return [f"asked {one.rid}"]

    def _interrupt(self, newcomer: One) -> list[str]:
        """Asks as many holders to stop as those who interrupt need: the least important first, then those that hold
        their slot longest. Who only reserves is not asked but ends."""
        holders = [one for one in self.holders.values() if not one.asked]
        holders.sort(key=lambda one: (one.priority, one.admitted_at, one.place))
        if not newcomer.exclusive and not any(one.exclusive for one in self.holders.values()):
            interrupting = sum(one.policy == "INTERRUPT" for one in self.waiting.values()) + 1
            free, leaving = max(self.limit - len(self.holders), 0), len(self.holders) - len(holders)
            holders = holders[: max(interrupting - free - leaving, 0)]
        changes: list[str] = []
        for one in holders:
            changes += (
                self._ask(one)
                if one.admitted_at
                else self._leave(one.rid, "CANCELLED", f"finished {one.rid} CANCELLED")
            )
        return changes

    def _leave(self, rid: str, how: str, change: str) -> list[str]:
        closed = [invocation_id for invocation_id, under in self.invocations.items() if under == rid]
        for invocation_id in closed:
            del self.invocations[invocation_id]
        self.holders.pop(rid, None)
        self.waiting.pop(rid, None)
        self.left[rid] = how
        return [*(f"INTERRUPTED {invocation_id}" for invocation_id in closed), change]
