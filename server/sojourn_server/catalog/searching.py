"""Full-text search: the engine finds the newest texts that match, and the best of them are shown.

Ranking looks at `CANDIDATES` texts: a word that is everywhere costs no more than a rare one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..ports.catalog import Fragment, TextSource
from . import tables as t
from .filtering import Conditions
from .fragments import Score, fragment
from .matching import Among, Match, Phrase
from .planning import plan

CANDIDATES = 500
FRAGMENTS = 3
"""Fragments told of a session."""
FEW = 300
"""Sessions whose texts SQLite looks through one session after the other."""
TRIED = 10_000
"""Of the newest texts PostgreSQL looks through before it gathers all that match, which takes long for common words."""
MANY = 50
"""Matches among these that tell of a common word."""
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
    c = t.texts.c
    query = select(
        c.id, c.session, c.source, c.revision, c.length, func.substr(c.content, 1, LOOKED_AT).label("beginning")
    ).where(t.is_any(connection.dialect.name, c.id, newest))
    rows = (await connection.execute(query)).all()
    return await asyncio.to_thread(_ranked, rows, phrases)


async def _newest(
    connection: AsyncConnection, match: Match, among: Conditions | None, sources: Sequence[int]
) -> Sequence[int]:
    """Ids of the texts to rank."""
    decided = await plan(connection, among) if among else None
    where: Among = decided.where_in if decided else lambda _: []

    async def ids(query: Executable) -> list[int]:
        return list((await connection.execute(query)).scalars())

    if connection.dialect.name == "sqlite":
        if decided:
            sessions = await ids(select(t.sessions.c.id).where(*decided.where()).limit(FEW + 1))
            if len(sessions) <= FEW:
                return await ids(match.newest_of(sessions, sources, CANDIDATES))
        return await ids(match.newest(where, sources, CANDIDATES))
    found = await ids(match.among_newest(where, sources, CANDIDATES, TRIED))
    if MANY <= len(found) < CANDIDATES:  # so often that enough are not far
        found = await ids(match.among_newest(where, sources, CANDIDATES, 2 * TRIED * CANDIDATES // len(found)))
    return found if len(found) == CANDIDATES else await ids(match.newest(where, sources, CANDIDATES))


async def fragments(
    connection: AsyncConnection, found: Found, phrases: Sequence[Phrase]
) -> defaultdict[int, list[Fragment]]:
    """What to show of these sessions' texts, by the session's number."""
    c = t.texts.c
    numbers = [row.id for rows in found.values() for row in rows]
    query = select(c.id, c.content).where(t.is_any(connection.dialect.name, c.id, numbers))
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
