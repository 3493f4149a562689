"""A SessionFilter as SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select

from ..domain.filters import SessionFilter
from ..ports.catalog import InvocationFilter
from . import tables as t


def conditions(tenant: str, wanted: SessionFilter) -> list[ColumnElement[bool]]:
    """What a row of `sessions` must fulfil."""
    c = t.sessions.c
    found: list[ColumnElement[bool]] = [c.tenant == tenant]
    if wanted.user_id:
        found.append(c.user_id == wanted.user_id)
    if wanted.project:
        found.append(c.project == wanted.project)
    if wanted.kind:
        found.append(c.kind == wanted.kind)
    if wanted.parent:
        found.append(c.parent == wanted.parent)
    if wanted.statuses:
        found.append(c.status.in_([int(status) for status in wanted.statuses]))
    if wanted.created_from_us:
        found.append(c.created_us >= wanted.created_from_us)
    if wanted.created_before_us:
        found.append(c.created_us < wanted.created_before_us)
    found += [_tagged([tag]) for tag in sorted(wanted.all_tags)]
    if wanted.any_tags:
        found.append(_tagged(sorted(wanted.any_tags)))
    return found


def _tagged(names: list[str]) -> ColumnElement[bool]:
    return exists(select(1).where(t.tags.c.uid == t.sessions.c.uid, t.tags.c.tag.in_(names)))


def invocation_conditions(tenant: str, wanted: InvocationFilter) -> list[ColumnElement[bool]]:
    """What a row of `invocations`, joined with its session, must fulfil."""
    i, s = t.invocations.c, t.sessions.c
    found: list[ColumnElement[bool]] = [s.tenant == tenant]
    for column, value in ((s.session_id, wanted.session_id), (s.user_id, wanted.user_id), (s.project, wanted.project)):
        if value:
            found.append(column == value)
    if wanted.tool:
        found.append(i.tool == wanted.tool)
    statuses = [int(status) for status in wanted.statuses] + ([0] if wanted.running else [])
    if statuses:
        found.append(i.status.in_(statuses))
    if wanted.started_from_us:
        found.append(i.started_us >= wanted.started_from_us)
    if wanted.started_before_us:
        found.append(i.started_us < wanted.started_before_us)
    if wanted.min_duration_us:
        found.append(i.duration_us >= wanted.min_duration_us)
    if wanted.max_duration_us:
        found.append(i.duration_us <= wanted.max_duration_us)
    return found
