"""Full-text search: the engine finds the newest texts that match, and the best of them are shown.

Ranking looks at `CANDIDATES` texts, on PostgreSQL at fewer still when it would have to look far: a word that is
everywhere costs no more than a rare one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

from sqlalchemy import Executable, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..ports.catalog import Fragment, TextSource
from . import tables as t
from .filtering import Conditions
from .fragments import Score, fragment
from .matching import Among, Match, Phrase
from .planning import plan

CANDIDATES = {"sqlite": 1_000, "postgresql": 500}
"""Most texts that are ranked: the newest that match. PostgreSQL reads each from a place of its own."""
FRAGMENTS = 3
"""Fragments told of a session."""
FEW = 300
"""Sessions whose texts SQLite looks through one session after the other."""
TRIED, FARTHEST = 10_000, 20_000
"""Of the newest texts PostgreSQL looks through, at first and at most, before it gathers all that match. That takes long
for common words, and longer for phrases of them: its index does not know where in a text a word is."""
ENOUGH = 100
"""Matches among these that are ranked without the older ones."""
LOOKED_AT = 1_000
"""Characters of a text that ranking looks at."""
_WEIGHTS: dict[int, float] = {TextSource.PURPOSE: 2.0}
"""A session that is about something is better than one that mentions it."""

Found = dict[int, list[int]]
"""Ids of a session's best texts, by the session's number, best session first."""


async def search(
    connection: AsyncConnection, match: Match, phrases: Sequence[Phrase], among: Conditions | None,
    sources: frozenset[TextSource],
) -> Found:  # fmt: skip
    """The sessions with texts that match."""
    newest = await _newest(connection, match, among, sorted(int(source) for source in sources or TextSource))
    c = t.texts.c
    query = select(c.id, c.length, func.substr(c.content, 1, LOOKED_AT))
    rows = (await connection.execute(query.where(t.is_any(connection.dialect.name, c.id, newest)))).all()
    return await asyncio.to_thread(_ranked, rows, phrases)


async def _newest(
    connection: AsyncConnection, match: Match, among: Conditions | None, sources: Sequence[int]
) -> Sequence[int]:
    """Ids of the texts to rank."""
    decided = await plan(connection, among) if among else None
    where: Among = decided.where_in if decided else lambda _: []

    async def ids(query: Executable) -> list[int]:
        return list((await connection.execute(query)).scalars())

    most = CANDIDATES[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        if decided:
            sessions = await ids(select(t.sessions.c.id).where(*decided.where()).limit(FEW + 1))
            if len(sessions) <= FEW:
                return await ids(match.newest_of(sessions, sources, most))
        return await ids(match.newest(where, sources, most))
    found = await ids(match.among_newest(where, sources, most, TRIED))
    if ENOUGH * TRIED <= len(found) * FARTHEST < most * FARTHEST:  # so often that enough are not far
        found += await ids(match.among_newest(where, sources, most - len(found), FARTHEST - TRIED, skipped=TRIED))
    return found if len(found) >= ENOUGH else await ids(match.newest(where, sources, most))


async def fragments(
    connection: AsyncConnection, found: Found, phrases: Sequence[Phrase]
) -> defaultdict[int, list[Fragment]]:
    """What to show of these sessions' texts, by the session's number."""
    c = t.texts.c
    numbers = [number for texts in found.values() for number in texts]
    query = select(c.id, c.revision, c.content).where(t.is_any(connection.dialect.name, c.id, numbers))
    texts = {number: (revision, content) for number, revision, content in await connection.execute(query)}
    return await asyncio.to_thread(_shown, found, texts, phrases)


def _ranked(rows: Sequence[Any], phrases: Sequence[Phrase]) -> Found:
    score = Score(phrases)
    by_session: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for number, length, beginning in rows:
        weight = _WEIGHTS.get(t.source_of_text(number), 1.0)
        by_session[t.session_of_text(number)].append((-weight * score.of(beginning, length), number))
    best = {session: nsmallest(FRAGMENTS, texts) for session, texts in by_session.items()}
    ranked = sorted(best, key=lambda session: (best[session][0][0], -session))
    return {session: [number for _, number in best[session]] for session in ranked}


def _shown(
    found: Found, texts: dict[int, tuple[int, str]], phrases: Sequence[Phrase]
) -> defaultdict[int, list[Fragment]]:
    shown: defaultdict[int, list[Fragment]] = defaultdict(list)
    for session, numbers in found.items():
        for number in numbers:
            revision, content = texts.get(number, (0, ""))
            source = TextSource(t.source_of_text(number))
            shown[session].append(Fragment(source, revision, *fragment(content, phrases)))
    return shown
