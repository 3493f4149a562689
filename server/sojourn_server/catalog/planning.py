"""How a list is looked up. PostgreSQL knows what its tables hold and decides well by itself. SQLite knows only what is
usual, so it is told how to begin: with a set of sessions when that is small, and with the order of the list, looking
each session up in the set, when it is large."""

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
"""Texts from which on words are so common that most likely some of the newest sessions have them."""
TRIED = 150
"""Of the newest sessions are looked up whether they have common words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Conditions on sessions, in the form that the engine is quick with."""

    row: Sequence[ColumnElement[bool]]
    """On a session's row; among them membership in small sets."""
    large: Sequence[SessionSet]
    common: SessionSet | None
    """Of `large`, what is slow to look up for many sessions."""

    def where(self, *, page: bool = True) -> list[ColumnElement[bool]]:
        """On a session's row.

        page: whether few sessions are looked for, in the order of an index.
        """
        c = t.sessions.c
        found = list(self.row)
        for one in self.large:
            found.append(one.has(c.id) if page and one is not self.common else (c.id + 0).in_(one.ids))
        return found

    def where_in(self, session: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """On another table's number of a session."""
        found: list[ColumnElement[bool]] = [session.in_(one.ids) for one in self.large]
        if len(self.row) > 1:  # more than the tenant
            found.append(session.in_(select(t.sessions.c.id).where(*self.row)))
        return found

    def among_newest(self, page: Select[Any], count: int) -> Select[int] | None:
        """Numbers of the sessions of a page, looked for among the newest alone; None when that is not worth a try.
        Fewer than `count` say nothing.

        page: the list without conditions and limit.
        """
        if self.common is None:
            return None
        c = t.sessions.c
        others = [*self.row, *(one.has(c.id) for one in self.large if one is not self.common)]
        newest = page.add_columns(c.created_us, c.session_id).where(*others).limit(TRIED).subquery()
        found = select(newest.c.id).where(self.common.has(newest.c.id))
        return found.order_by(newest.c.created_us.desc(), newest.c.session_id.desc()).limit(count)


async def plan(connection: AsyncConnection, conditions: Conditions) -> Plan:
    """How to look up sessions that fulfil these conditions."""
    c = t.sessions.c
    if connection.dialect.name != "sqlite" or not conditions.sets:
        return Plan([*conditions.row, *(c.id.in_(one.ids) for one in conditions.sets)], [], None)
    row, large, common = list(conditions.row), [], None
    for one, size in zip(conditions.sets, await _sizes(connection, conditions.sets), strict=True):
        if size <= SMALL:
            row.append(c.id.in_(one.ids))
        elif one.of_texts and size <= COMMON:
            row.append((c.id + 0).in_(one.ids))  # plus nothing: SQLite is not to begin with the set
        else:
            large.append(one)
            if one.of_texts:
                common = one
    return Plan(row, large, common)


async def _sizes(connection: AsyncConnection, sets: Sequence[SessionSet]) -> Sequence[int]:
    """How large these sets are, so far as it matters."""
    pieces = [one.ids.limit(1 + (COMMON if one.of_texts else SMALL)).subquery() for one in sets]
    counts = [select(func.count()).select_from(piece).scalar_subquery() for piece in pieces]
    return (await connection.execute(select(*counts))).one()
