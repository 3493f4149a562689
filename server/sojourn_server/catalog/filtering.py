"""A SessionFilter as SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.filters import SessionFilter
from ..ports.catalog import InvocationFilter
from . import tables as t
from .matching import Match, match
from .rows import clean, value_digest
from .words import phrases


class SessionSet(NamedTuple):
    """A condition that is not on a session's row: some rows of another table must be there."""

    ids: Select[int]
    """Numbers of the sessions that fulfil it; some more than once."""
    has: Callable[[ColumnElement[int]], ColumnElement[bool]]
    """Whether the session of this number fulfils it: a look at its own rows alone."""
    texts: Match | None = None
    """The texts that must be there; such a look takes a hundred times as long."""


class Conditions(NamedTuple):
    """What a session must fulfil."""

    row: list[ColumnElement[bool]]
    """Of its row."""
    sets: list[SessionSet]
    """Besides."""


async def conditions(connection: AsyncConnection, tenant: str, wanted: SessionFilter) -> Conditions:
    """What a session must fulfil. Raises InvalidFieldError when `wanted.text` holds no word."""
    c = t.sessions.c
    row: list[ColumnElement[bool]] = [c.tenant == tenant]
    for column, value in (
        (c.user_id, wanted.user_id), (c.project, wanted.project), (c.kind, wanted.kind), (c.parent, wanted.parent),
    ):  # fmt: skip
        if value:
            row.append(column == clean(value))
    if wanted.statuses:
        row.append(_any(c.status, map(int, wanted.statuses)))
    if wanted.tiers:
        row.append(_any(c.tier, map(int, wanted.tiers)))
    for column, first, before in (
        (c.created_us, wanted.created_from_us, wanted.created_before_us),
        (c.updated_us, wanted.updated_from_us, wanted.updated_before_us),
        (c.ended_us, wanted.ended_from_us, wanted.ended_before_us),
    ):
        row += _between(column, first, before)
    sets = [_labelled(tenant, key, raw) for key, raw in sorted(wanted.metadata.items())]
    sets += [_tagged(tenant, [tag]) for tag in sorted(wanted.all_tags)]
    if wanted.any_tags:
        sets.append(_tagged(tenant, sorted(wanted.any_tags)))
    if wanted.text:
        found = await match(connection, tenant, phrases(wanted.text, "filter.text"))
        sets.append(SessionSet(found.sessions(), found.has, found))
    return Conditions(row, sets)


def invocation_conditions(tenant: str, wanted: InvocationFilter) -> list[ColumnElement[bool]]:
    """What a row of `invocations` must fulfil."""
    i, s = t.invocations.c, t.sessions.c
    found: list[ColumnElement[bool]] = [i.tenant == tenant]
    for column, value in ((i.user_id, wanted.user_id), (i.project, wanted.project), (i.tool, wanted.tool)):
        if value:
            found.append(column == clean(value))
    if wanted.session_id:
        session = select(s.id).where(s.tenant == tenant, s.session_id == wanted.session_id)
        found.append(i.session == session.scalar_subquery())
    statuses = [int(status) for status in wanted.statuses] + ([0] if wanted.running else [])
    if statuses:
        found.append(_any(i.status, statuses))
    found += _between(i.started_us, wanted.started_from_us, wanted.started_before_us)
    if wanted.min_duration_us:
        found.append(i.duration_us >= wanted.min_duration_us)
    if wanted.max_duration_us:
        found.append(i.duration_us <= wanted.max_duration_us)
    return found


def _any(column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    wanted = sorted(set(values))
    found: ColumnElement[bool] = column == wanted[0] if len(wanted) == 1 else column.in_(wanted)
    return found


def _between(column: Any, first: int, before: int) -> list[ColumnElement[bool]]:
    return ([column >= first] if first else []) + ([column < before] if before else [])


def _tagged(tenant: str, names: list[str]) -> SessionSet:
    c = t.tags.c
    query = select(c.session).where(c.tenant == tenant, _any(c.tag, [clean(name) for name in names]))
    return SessionSet(query, lambda number: exists(query.where(c.session == number).correlate_except(t.tags)))


def _labelled(tenant: str, key: str, raw: bytes) -> SessionSet:
    c = t.labels.c
    query = select(c.session).where(c.tenant == tenant, c.key == clean(key), c.value_digest == value_digest(raw))
    return SessionSet(query, lambda number: exists(query.where(c.session == number).correlate_except(t.labels)))
