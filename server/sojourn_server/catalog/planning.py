"""How a list is looked up. PostgreSQL knows what its tables hold and decides well by itself, but for texts. SQLite
knows only what is usual, so it is told how to begin: with a set of sessions when that is small, and with the order of
the list, looking each session up in the set, when it is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import tables as t
from .filtering import Conditions, SessionSet

SMALL = 2_000
"""Sessions of a set that a list begins with."""
COMMON = 150_000
"""Texts from which on words are so common that most likely the newest sessions have them."""
TRIED = 150
"""Of the newest sessions are looked up whether they have common words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Conditions on sessions, in the form that the engine is quick with."""

    row: Sequence[ColumnElement[bool]]
    """On a session's row; the first is the tenant."""
    small: Sequence[SessionSet]
    """Sets that a list may begin with."""
    large: Sequence[SessionSet]
    """Sets that each session is looked up in."""
    texts: SessionSet | None
    """The set of those with certain words, when it is not small. To look each session up would take too long."""
    common: bool
    """Whether some of the newest sessions may well have these words."""
    number: ColumnElement[int]
    """What a set is compared with that a list is not to begin with."""

    def where(self, *, page: bool = True) -> list[ColumnElement[bool]]:
        """On a session's row.

        page: whether few sessions are looked for, in the order of an index.
        """
        c = t.sessions.c
        found = self._but_texts() if page else [*self.row, *(c.id.in_(one.ids) for one in self.small)]
        gathered = [*([] if page else self.large), *([self.texts] if self.texts else [])]
        return [*found, *(self.number.in_(one.ids) for one in gathered)]

    def where_in(self, session: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """On another table's number of a session."""
        sets = [*self.small, *self.large, *([self.texts] if self.texts else [])]
        found: list[ColumnElement[bool]] = [session.in_(one.ids) for one in sets]
        if len(self.row) > 1:  # more than the tenant
            found.append(session.in_(select(t.sessions.c.id).where(*self.row)))
        return found

    def among_newest(self, page: Select[Any], count: int) -> Select[int] | None:
        """Numbers of the sessions of a page, looked for among the newest alone; None when that is not worth a try.
        Fewer than `count` say nothing.

        page: the list without conditions and limit.
        """
        if self.texts is None or not self.common:
            return None
        c = t.sessions.c
        newest = page.add_columns(c.created_us, c.session_id).where(*self._but_texts()).limit(TRIED).subquery()
        found = select(newest.c.id).where(self.texts.has(newest.c.id))
        return found.order_by(newest.c.created_us.desc(), newest.c.session_id.desc()).limit(count)

    def _but_texts(self) -> list[ColumnElement[bool]]:
        c = t.sessions.c
        return [*self.row, *(c.id.in_(one.ids) for one in self.small), *(one.has(c.id) for one in self.large)]


async def plan(connection: AsyncConnection, conditions: Conditions) -> Plan:
    """How to look up sessions that fulfil these conditions."""
    c = t.sessions.c
    texts = next((one for one in conditions.sets if one.of_texts), None)
    others = [one for one in conditions.sets if one is not texts]
    if connection.dialect.name != "sqlite":
        # It would gather all texts with common words before it looks at the first session.
        return Plan(conditions.row, others, [], texts, common=True, number=c.id)
    sizes = dict(zip(map(id, conditions.sets), await _sizes(connection, conditions.sets), strict=True))
    small = [one for one in conditions.sets if sizes[id(one)] <= SMALL]
    large = [one for one in others if sizes[id(one)] > SMALL]
    size = sizes.get(id(texts), 0)
    # Plus nothing: it does not begin with the set.
    return Plan(conditions.row, small, large, texts if size > SMALL else None, size > COMMON, number=c.id + 0)


async def _sizes(connection: AsyncConnection, sets: Sequence[SessionSet]) -> Sequence[int]:
    """How large these sets are, so far as it matters."""
    if not sets:
        return []
    pieces = [one.ids.limit(1 + (COMMON if one.of_texts else SMALL)).subquery() for one in sets]
    counts = [select(func.count()).select_from(piece).scalar_subquery() for piece in pieces]
    return (await connection.execute(select(*counts))).one()
