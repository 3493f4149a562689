"""Adding up in SQL: the StatisticsCatalog port.

Sums of 64-bit numbers are made of two halves, because SQLite refuses a sum that does not fit and PostgreSQL makes
another type of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..domain.changes import InvocationStatus
from ..domain.errors import TooLargeError
from ..domain.filters import SessionFilter
from ..domain.session import SessionKey, SessionStatus
from ..domain.statistics import USAGE, Bucket, Group, Statistics, ToolStatistics
from . import tables as t
from .engine import reading
from .filtering import conditions
from .finishing import Finishing, finished
from .planning import Plan, plan
from .rows import SUMS

MOST_TOOLS = 100_000
"""Rows of tools that are added up; names of tools are the callers'."""
_HALF = 32
_RUNNING, _SUCCEEDED = 0, int(InvocationStatus.SUCCEEDED)


class SqlStatistics:
    """The contract of each method is `ports.statistics.StatisticsCatalog`'s. Shares the engine and the end of a
    SqlCatalog.

    Args:
        engine: of the catalog.
        finishing: the catalog's calls under way.
    """

    def __init__(self, engine: AsyncEngine, finishing: Finishing) -> None:
        self._engine = engine
        self.finishing = finishing

    @finished
    async def tools(self, uid: str) -> list[ToolStatistics]:
        session = select(t.sessions.c.id).where(t.sessions.c.uid == uid).scalar_subquery()
        async with reading(self._engine) as connection:
            return await _tools(connection, _by_tool().where(t.invocations.c.session == session), "session_id")

    @finished
    async def roll_up(self, key: SessionKey, *, most: int) -> Statistics:
        found = Statistics()
        async with reading(self._engine) as connection:
            ids = (await connection.execute(_below(key).limit(most))).scalars().all()
            chosen = t.is_any(connection.dialect.name, t.sessions.c.id, ids)
            sums = select(*_sums_of_sessions()).where(chosen).group_by(t.sessions.c.status)
            for row in await connection.execute(sums):
                found.add(_statistics(row))
            chosen = t.is_any(connection.dialect.name, t.invocations.c.session, ids)
            found.add_tools(await _tools(connection, _by_tool().where(chosen), "session_id"))
        return found

    @finished
    async def statistics(
        self, tenant: str, wanted: SessionFilter, *, period_us: int, group: Group | None, most: int
    ) -> list[Bucket]:
        found: dict[tuple[int, str], Statistics] = {}
        place, split = _place(period_us, group), bool(period_us or group)
        sessions, tools = await asyncio.gather(
            self._rows(tenant, wanted, lambda plan: _split(place, plan).limit(most * len(SessionStatus) + 1)),
            self._rows(
                tenant,
                wanted,
                lambda plan: _few(_split_by_tool(tenant, place, plan) if split else _of_all(tenant, plan)),
            ),
        )
        for row in sessions:
            found.setdefault((int(row.begin), row.part), Statistics()).add(_statistics(row))
            if len(found) > most:
                raise TooLargeError("period", actual=len(found), limit=most, unit="buckets")
        _check_few(tools, "filter")
        for row in tools:
            key = (int(row.begin), row.part) if split else (0, "")
            if bucket := found.get(key):  # it was not created in between
                bucket.add_tools([_tool(row)])
        return [
            Bucket(begin if period_us else None, part, sums)
            for (begin, part), sums in sorted(found.items(), key=_order)
        ]

    async def _rows(self, tenant: str, wanted: SessionFilter, query: Callable[[Plan], Select[Any]]) -> Sequence[Any]:
        async with reading(self._engine) as connection:
            decided = await plan(connection, await conditions(connection, tenant, wanted))
            rows: Sequence[Any] = (await connection.execute(query(decided))).all()
            return rows


def _order(item: tuple[tuple[int, str], Statistics]) -> tuple[int, str]:
    return item[0]


def _place(period_us: int, group: Group | None) -> list[ColumnElement[Any]]:
    """Where a session is counted."""
    c = t.sessions.c
    begin: ColumnElement[int] = c.created_us - c.created_us % period_us if period_us else literal(0)
    part = {Group.USER: c.user_id, Group.PROJECT: c.project, None: literal("")}[group]
    return [begin.label("begin"), part.label("part")]


def _split(place: Sequence[ColumnElement[Any]], plan: Plan) -> Select[Any]:
    """Sums of sessions by place and status."""
    query = select(*place, *_sums_of_sessions()).where(*plan.where(page=False))
    return query.group_by("begin", "part", t.sessions.c.status)


def _of_all(tenant: str, plan: Plan) -> Select[Any]:
    """Sums of invocations by tool: read from an index, in its order."""
    c = t.invocations.c
    return _by_tool().where(c.tenant == tenant, *plan.where_in(c.session))


def _split_by_tool(tenant: str, place: Sequence[ColumnElement[Any]], plan: Plan) -> Select[Any]:
    """Sums of invocations by tool and place of their session."""
    c = t.invocations.c
    # Plus nothing: it begins with that index of invocations, too, and looks up the session of each.
    joined = _by_tool().add_columns(*place).where(c.tenant == tenant, t.sessions.c.id == c.session + 0)
    return joined.where(*plan.where(page=False)).group_by("begin", "part")


def _below(key: SessionKey) -> Select[int]:
    """Numbers of a session and those below it. Those that were found are not looked at again: circles end."""
    c = t.sessions.c
    first = select(c.id, c.session_id).where(c.tenant == key.tenant, c.session_id == key.session_id)
    below = first.cte("below", recursive=True)
    children = select(c.id, c.session_id).where(c.tenant == key.tenant, c.parent == below.c.session_id)
    return select(below.union(children).c.id)


def _sums_of_sessions() -> list[ColumnElement[Any]]:
    c = t.sessions.c
    sums: list[ColumnElement[Any]] = [c.status, func.count().label("sessions")]
    sums += [func.sum(c[name]).label(name) for name in SUMS if name not in USAGE]
    sums += [half for name in USAGE for half in _halves(c[name], name)]
    return sums + _halves(func.coalesce(c.ended_us, c.updated_us) - c.created_us, "lasted_us")


def _statistics(row: Any) -> Statistics:
    sums = {name: _whole(row, name) if name in USAGE else int(getattr(row, name)) for name in SUMS}
    return Statistics(
        row.sessions, Counter({SessionStatus(row.status): row.sessions}), Counter(sums), _whole(row, "lasted_us")
    )


def _by_tool() -> Select[Any]:
    """Sums of invocations by tool."""
    c = t.invocations.c
    return select(
        c.tool,
        func.count().label("invocations"),
        func.sum(case((c.status == _SUCCEEDED, 1), else_=0)).label("succeeded"),
        func.sum(case((c.status == _RUNNING, 1), else_=0)).label("running"),
        func.max(c.duration_us).label("max_us"),
        *_halves(c.duration_us, "total_us"),
        *_halves(c.cost_micros, "cost_micros"),
    ).group_by(c.tool)


async def _tools(connection: AsyncConnection, query: Select[Any], field: str) -> list[ToolStatistics]:
    """Raises TooLargeError."""
    rows = (await connection.execute(_few(query))).all()
    _check_few(rows, field)
    return [_tool(row) for row in rows]


def _few(query: Select[Any]) -> Select[Any]:
    return query.limit(MOST_TOOLS + 1)


def _check_few(rows: Sequence[Any], field: str) -> None:
    if len(rows) > MOST_TOOLS:
        raise TooLargeError(field, actual=len(rows), limit=MOST_TOOLS, unit="tools")


def _tool(row: Any) -> ToolStatistics:
    failed = row.invocations - row.succeeded - row.running
    total_us, cost_micros = _whole(row, "total_us"), _whole(row, "cost_micros")
    return ToolStatistics(row.tool, row.succeeded, failed, row.running, total_us, row.max_us or 0, cost_micros)


def _halves(column: ColumnElement[Any], name: str) -> list[ColumnElement[Any]]:
    upper = column.bitwise_rshift(literal_column(str(_HALF)))
    lower = column.bitwise_and(literal_column(str((1 << _HALF) - 1)))
    return [func.sum(upper).label(f"{name}_upper"), func.sum(lower).label(f"{name}_lower")]


def _whole(row: Any, name: str) -> int:
    return (int(getattr(row, f"{name}_upper") or 0) << _HALF) + int(getattr(row, f"{name}_lower") or 0)
