"""Which sessions a caller means."""

from __future__ import annotations

from dataclasses import dataclass

from .session import Session, SessionStatus


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Conditions combined with AND; an empty condition selects everything. Times in microseconds."""

    user_id: str = ""
    project: str = ""
    statuses: frozenset[SessionStatus] = frozenset()
    all_tags: frozenset[str] = frozenset()
    any_tags: frozenset[str] = frozenset()
    kind: str = ""
    parent: str = ""
    created_from_us: int = 0
    created_before_us: int = 0

    def matches(self, session: Session) -> bool:
        """Whether the session fulfils every condition as it is now."""
        if self.user_id and session.user_id != self.user_id:
            return False
        if self.project and session.project != self.project:
            return False
        if self.kind and session.kind != self.kind:
            return False
        if self.parent and session.parent != self.parent:
            return False
        if self.statuses and session.status not in self.statuses:
            return False
        if session.created_us < self.created_from_us:
            return False
        if self.created_before_us and session.created_us >= self.created_before_us:
            return False
        return self.all_tags.issubset(session.tags) and (
            not self.any_tags or not self.any_tags.isdisjoint(session.tags)
        )
