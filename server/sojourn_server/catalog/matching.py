"""Full-text matching: FTS5 on SQLite, tsvector on PostgreSQL. What matches is the same on both, see `words`.

All phrases must be in one text, in any order. Nothing of a query is ever read as an operator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    TextClause,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from . import tables as t
from .words import tenant_word

Phrase = Sequence[str]
"""Words that stand together."""
Among = Callable[[ColumnElement[int]], Sequence[ColumnElement[bool]]]
"""Conditions on the number of a session."""

_OTHERS = text(
    "SELECT EXISTS (SELECT 1 FROM sessions WHERE tenant < :tenant)"
    " OR EXISTS (SELECT 1 FROM sessions WHERE tenant > :tenant)"
)
_OF_SESSIONS = text(
    # A cross join begins with what is on its left.
    "SELECT texts_index.rowid AS id FROM json_each(:sessions) AS one CROSS JOIN texts_index"
    " WHERE texts_index MATCH :query AND texts_index.rowid BETWEEN one.value << 32 AND (one.value << 32) + 0xffffffff"
    " AND texts_index.rowid & 7 IN (SELECT value FROM json_each(:sources)) ORDER BY texts_index.rowid DESC LIMIT :count"
)


async def match(connection: AsyncConnection, tenant: str, wanted: Sequence[Phrase]) -> Match:
    """The texts of a tenant that hold these phrases."""
    sqlite = connection.dialect.name == "sqlite"
    # A word that is in every text costs more than all others together: it is left out where there is one tenant.
    alone = not (await connection.execute(_OTHERS, {"tenant": tenant})).scalar_one()
    return Match(sqlite, [] if alone else [[tenant_word(tenant)]], wanted)


class Match:
    """Texts that hold all these phrases."""

    def __init__(self, sqlite: bool, *phrases: Sequence[Phrase]) -> None:
        self._sqlite = sqlite
        everything = [phrase for some in phrases for phrase in some]
        # Words are letters and digits: between quotes neither engine finds anything else in them.
        if sqlite:
            self._query = " AND ".join('"' + " ".join(phrase) + '"' for phrase in everything)
        else:
            self._query = " & ".join("(" + " <-> ".join(f"'{word}'" for word in phrase) + ")" for phrase in everything)

    def sessions(self) -> Select[int]:
        """Numbers of the sessions with such texts; some more than once."""
        session = t.texts_index.c.rowid.op(">>")(literal_column("32")) if self._sqlite else t.texts.c.session
        return select(session).where(self._matches())

    def has(self, session: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the session of this number has such texts: a look at its own texts alone."""
        number: ColumnElement[int] = t.texts_index.c.rowid if self._sqlite else t.texts.c.id
        first = session.op("<<")(literal_column("32"))
        own = select(number).where(self._matches(), number.between(first, first + literal_column(str(0xFFFFFFFF))))
        if not self._sqlite:
            own = own.offset(literal_column("0"))  # else PostgreSQL would join, with all texts that match
        return exists(own.correlate_except(t.texts_index, t.texts))

    def had_by(self, newest: CTE) -> ColumnElement[bool]:
        """Whether a session has such texts, for sessions (their number is `id`) that were made one after the other."""
        if not self._sqlite:
            return self.has(newest.c.id)
        # To begin a search for each of them would take long. Their texts are side by side in the index.
        first = select(func.min(newest.c.id).op("<<")(literal_column("32"))).scalar_subquery()
        end = select((func.max(newest.c.id) + 1).op("<<")(literal_column("32"))).scalar_subquery()
        number = t.texts_index.c.rowid
        return newest.c.id.in_(self.sessions().where(number >= first, number < end))

    def newest(self, among: Among, sources: Sequence[int], count: int) -> Select[int]:
        """Ids of the newest of these texts: of the newest sessions first, and of their newest events.

        among: conditions on the number of a text's session.
        """
        if self._sqlite:
            number: ColumnElement[int] = t.texts_index.c.rowid
            session, source = number.op(">>")(literal_column("32")), number.op("&")(literal_column("7"))
            query = select(number.label("id")).where(self._matches(), source.in_(sources), *among(session))
            return query.order_by(number.desc()).limit(count)
        c = t.texts.c
        # Plus nothing: for words that are never together it would look through all texts, from the newest on.
        order = c.id + literal_column("0")
        query = select(c.id).where(self._matches(), c.source.in_(sources), *among(c.session))
        return query.order_by(order.desc()).limit(count)

    def among_newest(
        self, among: Among, sources: Sequence[int], count: int, tried: int, *, skipped: int = 0
    ) -> Select[int]:
        """The same for PostgreSQL, but among the newest texts alone: so many are looked through, after so many."""
        c = t.texts.c
        texts = select(c.id, c.session, c.source, c.search).order_by(c.id.desc())
        newest = texts.limit(tried).offset(skipped).subquery()
        query = select(newest.c.id).where(self._found_in(newest.c.search), newest.c.source.in_(sources))
        return query.where(*among(newest.c.session)).order_by(newest.c.id.desc()).limit(count)

    def newest_of(self, sessions: Sequence[int], sources: Sequence[int], count: int) -> TextClause:
        """The same for SQLite, but among the texts of a few sessions: it looks at no other session's."""
        values = {"sessions": json.dumps(sessions), "query": self._query, "sources": json.dumps(sources)}
        return _OF_SESSIONS.bindparams(count=count, **values)

    def _matches(self) -> ColumnElement[bool]:
        if self._sqlite:
            matches: ColumnElement[bool] = t.texts_index.c.texts_index.match(self._query)
            return matches
        return self._found_in(t.texts.c.search)

    def _found_in(self, search: ColumnElement[Any]) -> ColumnElement[bool]:
        found: ColumnElement[bool] = search.op("@@")(cast(bindparam(None, self._query), TSQUERY))
        return found
