"""Full-text matching: FTS5 on SQLite, tsvector on PostgreSQL. What matches is the same on both, see `words`.

All phrases must be in one text, in any order. Nothing of a query is ever read as an operator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    cast,
    exists,
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
    # A word that is in every text costs SQLite more than all others together: it is left out where there is one tenant.
    alone = sqlite and not (await connection.execute(_OTHERS, {"tenant": tenant})).scalar_one()
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

    @property
    def session(self) -> ColumnElement[int]:
        """The number of a text's session."""
        if self._sqlite:
            return t.texts_index.c.rowid.op(">>")(literal_column("32"))
        return t.texts.c.session

    def sessions(self) -> Select[int]:
        """Numbers of the sessions with such texts; some more than once."""
        return select(self.session).where(self._matches())

    def has(self, session: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the session of this number has such texts."""
        if not self._sqlite:
            return session.in_(self.sessions())
        first = session.op("<<")(literal_column("32"))
        of_session = t.texts_index.c.rowid.between(first, first + literal_column("0xffffffff"))
        return exists(select(t.texts_index.c.rowid).where(self._matches(), of_session).correlate_except(t.texts_index))

    def newest(self, among: Sequence[ColumnElement[bool]], sources: Sequence[int], count: int) -> FromClause:
        """Ids of the newest of these texts: of the newest sessions first, and of their newest events.

        among: conditions on `session`.
        """
        number: ColumnElement[int] = t.texts_index.c.rowid if self._sqlite else t.texts.c.id
        source: ColumnElement[int] = number.op("&")(literal_column("7")) if self._sqlite else t.texts.c.source
        query = select(number.label("id")).where(self._matches(), source.in_(sources), *among)
        return query.order_by(number.desc()).limit(count).subquery()

    def newest_of(self, sessions: Sequence[int], sources: Sequence[int], count: int) -> FromClause:
        """The same among the texts of a few sessions, for SQLite: it looks at no other session's."""
        values = {"sessions": json.dumps(sessions), "query": self._query, "sources": json.dumps(sources)}
        return _OF_SESSIONS.bindparams(count=count, **values).columns(id=BigInteger).subquery()

    def _matches(self) -> ColumnElement[bool]:
        matches: ColumnElement[bool]
        if self._sqlite:
            matches = t.texts_index.c.texts_index.match(self._query)
        else:
            matches = t.texts.c.search.op("@@")(cast(bindparam(None, self._query), TSQUERY))
        return matches
