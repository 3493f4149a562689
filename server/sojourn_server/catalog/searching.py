"""Full-text search: FTS5 on SQLite, tsvector on PostgreSQL.

A query is words that must all be in one text, in any order; words between double quotes must stand together. Neither
engine stems or drops words, so the same query finds the same texts on both. Ranking looks at the newest `CANDIDATES`
texts that match: a word that is everywhere costs no more than a rare one.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Text, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.errors import InvalidFieldError
from ..domain.filters import SessionFilter
from ..ports.catalog import Fragment, TextSource
from . import tables as t
from .filtering import conditions

CANDIDATES = 2_000
FRAGMENTS = 3
"""Fragments told of a session."""
BEGIN, END = "\x02", "\x03"
"""Around what matched; never in a text, where control characters are replaced."""
_TERMS = re.compile(r'"([^"]*)"|(\S+)')
_WORDS = re.compile(r"\w+")


def parse(query: str) -> list[list[str]]:
    """The phrases of a query, each a list of words.

    Raises:
        InvalidFieldError: nothing to look for.
    """
    phrases = [_WORDS.findall(match[1] or match[2] or "") for match in _TERMS.finditer(query)]
    found = [words for words in phrases if words]
    if not found:
        raise InvalidFieldError("query", "at least one word")
    return found


async def search(
    connection: AsyncConnection, tenant: str, query: str, wanted: SessionFilter, sources: frozenset[TextSource]
) -> dict[str, list[Fragment]]:
    """The best fragments of each session that matches, by uid, best session first."""
    quoted = " ".join('"' + " ".join(words) + '"' for words in parse(query))  # both engines read this alike
    find = _on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite
    found: dict[str, list[Fragment]] = {}
    for row in await connection.execute(find(quoted, [*conditions(tenant, wanted), *_of(sources)])):
        fragments = found.setdefault(row.uid, [])
        if len(fragments) < FRAGMENTS:
            fragments.append(Fragment(TextSource(row.source), row.revision, *_marked(row.fragment)))
    return found


def _of(sources: frozenset[TextSource]) -> list[ColumnElement[bool]]:
    return [t.texts.c.source.in_([int(source) for source in sources])] if sources else []


def _on_sqlite(query: str, where: list[ColumnElement[bool]]) -> Select[Any]:
    rowid = literal_column("texts_index.rowid", Integer)
    newest = (
        select(
            t.texts.c.uid,
            t.texts.c.source,
            t.texts.c.revision,
            literal_column("bm25(texts_index)").label("rank"),
            literal_column(f"snippet(texts_index, 0, '{BEGIN}', '{END}', '…', 24)").label("fragment"),
        )
        .select_from(text("texts_index"))
        .join(t.texts, t.texts.c.id == rowid)
        .join(t.sessions, t.sessions.c.uid == t.texts.c.uid)
        .where(text("texts_index MATCH :match").bindparams(match=query), *where)
        .order_by(rowid.desc())
        .limit(CANDIDATES)
        .subquery()
    )
    return select(newest).order_by(newest.c.rank, newest.c.uid)


def _on_postgresql(query: str, where: list[ColumnElement[bool]]) -> Select[Any]:
    simple: ColumnElement[str] = literal_column("'simple'", Text)
    index: ColumnElement[str] = literal_column("texts.search", TSVECTOR)
    matching = func.websearch_to_tsquery(simple, query)
    newest = (
        select(
            t.texts.c.uid,
            t.texts.c.source,
            t.texts.c.revision,
            t.texts.c.content,
            func.ts_rank(index, matching).label("score"),
        )
        .join(t.sessions, t.sessions.c.uid == t.texts.c.uid)
        .where(index.op("@@")(matching), *where)
        .order_by(t.texts.c.id.desc())
        .limit(CANDIDATES)
        .subquery()
    )
    options = f"StartSel={BEGIN}, StopSel={END}, MaxWords=24, MinWords=12, MaxFragments=1"
    fragment = func.ts_headline(simple, func.left(newest.c.content, 100_000), matching, options).label("fragment")
    return select(newest.c.uid, newest.c.source, newest.c.revision, fragment).order_by(
        newest.c.score.desc(), newest.c.uid
    )


def _marked(fragment: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The fragment without its marks, and where they were: (begin, end) in characters."""
    plain, spans, begin = "", [], 0
    for part in re.split(f"([{BEGIN}{END}])", fragment):
        if part == BEGIN:
            begin = len(plain)
        elif part == END:
            spans.append((begin, len(plain)))
        else:
            plain += part
    return plain, tuple(spans)
