"""Full-text search: the engine finds the newest texts that match, and the best of them are shown.

Ranking looks at `CANDIDATES` texts: a word that is everywhere costs no more than a rare one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import FromClause, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..ports.catalog import Fragment, TextSource
from . import tables as t
from .filtering import Conditions
from .fragments import Score, fragment
from .matching import Match, Phrase
from .planning import plan

CANDIDATES = 500
FRAGMENTS = 3
"""Fragments told of a session."""
FEW = 300
"""Sessions whose texts SQLite looks through one session after the other."""
LOOKED_AT = 1_000
"""Characters of a text that ranking looks at."""
_WEIGHTS = {TextSource.PURPOSE: 2.0}
"""A session that is about something is better than one that mentions it."""

Found = dict[int, list[Any]]
"""Rows of a session's best texts, by the session's number, best session first."""


async def search(
    connection: AsyncConnection, match: Match, phrases: Sequence[Phrase], among: Conditions | None,
    sources: frozenset[TextSource],
) -> Found:  # fmt: skip
    """The sessions with texts that match."""
    newest = await _newest(connection, match, among, sorted(int(source) for source in sources or TextSource))
    if newest is None:
        return {}
    c = t.texts.c
    query = select(
        c.id, c.session, c.source, c.revision, c.length, func.substr(c.content, 1, LOOKED_AT).label("beginning")
    ).join(newest, c.id == newest.c.id)
    rows = (await connection.execute(query)).all()
    return await asyncio.to_thread(_ranked, rows, phrases)


async def _newest(
    connection: AsyncConnection, match: Match, among: Conditions | None, sources: Sequence[int]
) -> FromClause | None:
    """The texts to rank; None when there are none."""
    if among is None:
        return match.newest([], sources, CANDIDATES)
    decided = await plan(connection, among)
    if connection.dialect.name == "sqlite":
        query = select(t.sessions.c.id).where(*decided.where()).limit(FEW + 1)
        sessions = list((await connection.execute(query)).scalars())
        if not sessions:
            return None
        if len(sessions) <= FEW:
            return match.newest_of(sessions, sources, CANDIDATES)
    return match.newest(decided.where_in(match.session), sources, CANDIDATES)


async def fragments(
    connection: AsyncConnection, found: Found, phrases: Sequence[Phrase]
) -> defaultdict[int, list[Fragment]]:
    """What to show of these sessions' texts, by the session's number."""
    c = t.texts.c
    numbers = [row.id for rows in found.values() for row in rows]
    query = select(c.id, c.content).where(c.id.in_(numbers))
    contents = {row.id: row.content for row in await connection.execute(query)}
    return await asyncio.to_thread(_shown, found, contents, phrases)


def _ranked(rows: Sequence[Any], phrases: Sequence[Phrase]) -> Found:
    score = Score(phrases)
    by_session: defaultdict[int, list[tuple[float, Any]]] = defaultdict(list)
    for row in rows:
        weight = _WEIGHTS.get(TextSource(row.source), 1.0)
        by_session[row.session].append((weight * score.of(row.beginning, row.length), row))
    ranked = []
    for session, texts in by_session.items():
        texts.sort(key=lambda text: (-text[0], text[1].id))
        ranked.append((texts[0][0], session, [row for _, row in texts[:FRAGMENTS]]))
    ranked.sort(key=lambda one: (-one[0], -one[1]))
    return {session: texts for _, session, texts in ranked}


def _shown(found: Found, contents: dict[int, str], phrases: Sequence[Phrase]) -> defaultdict[int, list[Fragment]]:
    shown: defaultdict[int, list[Fragment]] = defaultdict(list)
    for session, rows in found.items():
        for row in rows:
            content = contents.get(row.id, "")
            shown[session].append(Fragment(TextSource(row.source), row.revision, *fragment(content, phrases)))
    return shown
