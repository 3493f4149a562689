"""Which sessions a caller means."""

from __future__ import annotations

from dataclasses import dataclass, field

from .session import Session, SessionStatus, Tier
from .values import canonical_json


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
    updated_from_us: int = 0
    updated_before_us: int = 0
    ended_from_us: int = 0
    ended_before_us: int = 0
    metadata: dict[str, bytes] = field(default_factory=dict)
    """Keys and the JSON values they must equal."""
    tiers: frozenset[Tier] = frozenset()
    text: str = ""
    """Words that one text of the session must hold; only the catalog knows texts."""

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
        if self.tiers and session.tier not in self.tiers:
            return False
        if not self._in_time(session):
            return False
        for key, wanted in self.metadata.items():
            found = session.metadata.get(key)
            if found is None or (found != wanted and canonical_json(found) != canonical_json(wanted)):
                return False
        return self.all_tags.issubset(session.tags) and (
            not self.any_tags or not self.any_tags.isdisjoint(session.tags)
        )

    def _in_time(self, session: Session) -> bool:
        return (
            _between(session.created_us, self.created_from_us, self.created_before_us)
            and _between(session.updated_us, self.updated_from_us, self.updated_before_us)
            and _between(session.ended_us, self.ended_from_us, self.ended_before_us)
        )


def _between(us: int | None, first: int, before: int) -> bool:
    if not (first or before):
        return True
    return us is not None and us >= first and (not before or us < before)
