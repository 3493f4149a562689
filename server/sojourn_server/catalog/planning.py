"""How a list is looked up. PostgreSQL knows what its tables hold and decides well by itself, but for texts. SQLite
knows only what is usual, so it is told how to begin: with a set of sessions when that is small, and with the order of
the list, looking each session up in the set, when it is large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from . import tables as t
from .filtering import Conditions, SessionSet

SMALL = 2_000
"""Sessions of a set that a list begins with."""
COMMON = 10_000
"""Texts from which on words are so common that most likely enough of the newest sessions have them."""
TRIED = {"sqlite": (2_000,), "postgresql": (150, 1_200)}
"""So many of the newest sessions are looked up whether they have common words, at first and then."""
LIKELY = 1.6
"""So many times as many as are needed should be among those that are looked up next."""
OFTEN = 0.02
"""Share of the sessions from which on PostgreSQL is quicker going through them in the order of the list, looking each
up in the set of those with the words, than sorting that set."""


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
    tried: Sequence[int]
    """Of so many of the newest sessions enough may well have these words."""
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

    async def page(self, connection: AsyncConnection, order: Select[Any], count: int) -> ColumnElement[bool]:
        """What the sessions of a page fulfil, and no others.

        order: numbers of all sessions in the order of the list.
        """
        c = t.sessions.c
        share = None
        for tried in self.tried:
            if share is not None and share * tried < count * LIKELY:
                break
            found = list((await connection.execute(self._among_newest(order, count, tried))).scalars())
            if len(found) >= count:
                return t.is_any(connection.dialect.name, c.id, found)
            share = len(found) / tried
        if connection.dialect.name == "postgresql" and share is not None and share >= OFTEN:
            return c.id.in_(order.where(*self._but_texts(), self._looked_up()).limit(count))
        return c.id.in_(order.where(*self.where()).limit(count))

    def _looked_up(self) -> ColumnElement[bool]:
        """That a session is in the set of those with the words, said so that PostgreSQL cannot begin with the set."""
        assert self.texts is not None
        return t.sessions.c.id.in_(self.texts.ids).is_(true())

    def _among_newest(self, order: Select[Any], count: int, tried: int) -> Select[int]:
        """The beginning of a page, looked for among the newest sessions alone: fewer than `count` say nothing."""
        assert self.texts is not None
        assert self.texts.texts is not None
        c = t.sessions.c
        newest = order.add_columns(c.created_us, c.session_id).where(*self._but_texts()).limit(tried).cte("newest")
        found = select(newest.c.id).where(self.texts.texts.had_by(newest))
        return found.order_by(newest.c.created_us.desc(), newest.c.session_id.desc()).limit(count)

    def _but_texts(self) -> list[ColumnElement[bool]]:
        c = t.sessions.c
        return [*self.row, *(c.id.in_(one.ids) for one in self.small), *(one.has(c.id) for one in self.large)]


async def plan(connection: AsyncConnection, conditions: Conditions) -> Plan:
    """How to look up sessions that fulfil these conditions."""
    c = t.sessions.c
    texts = next((one for one in conditions.sets if one.texts), None)
    others = [one for one in conditions.sets if one is not texts]
    if connection.dialect.name != "sqlite":
        # It would gather all texts with common words before it looks at the first session.
        return Plan(conditions.row, others, [], texts, TRIED["postgresql"] if texts else (), number=c.id)
    sizes = dict(zip(map(id, conditions.sets), await _sizes(connection, conditions.sets), strict=True))
    small = [one for one in conditions.sets if sizes[id(one)] <= SMALL]
    large = [one for one in others if sizes[id(one)] > SMALL]
    size = sizes.get(id(texts), 0)
    # Plus nothing: it does not begin with the set.
    tried = TRIED["sqlite"] if size > COMMON else ()
    return Plan(conditions.row, small, large, texts if size > SMALL else None, tried, number=c.id + 0)


async def _sizes(connection: AsyncConnection, sets: Sequence[SessionSet]) -> Sequence[int]:
    """How large these sets are, so far as it matters."""
    if not sets:
        return []
    pieces = [one.ids.limit(1 + (COMMON if one.texts else SMALL)).subquery() for one in sets]
    counts = [select(func.count()).select_from(piece).scalar_subquery() for piece in pieces]
    return (await connection.execute(select(*counts))).one()
