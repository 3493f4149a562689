"""A SessionFilter as SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select

from ..domain.filters import SessionFilter
from ..ports.catalog import InvocationFilter
from . import tables as t
from .rows import value_digest


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
    if wanted.tiers:
        found.append(c.tier.in_([int(tier) for tier in wanted.tiers]))
    for column, first, before in (
        (c.created_us, wanted.created_from_us, wanted.created_before_us),
        (c.updated_us, wanted.updated_from_us, wanted.updated_before_us),
        (c.ended_us, wanted.ended_from_us, wanted.ended_before_us),
    ):
        if first:
            found.append(column >= first)
        if before:
            found.append(column < before)
    found += [_labelled(key, raw) for key, raw in sorted(wanted.metadata.items())]
    found += [_tagged([tag]) for tag in sorted(wanted.all_tags)]
    if wanted.any_tags:
        found.append(_tagged(sorted(wanted.any_tags)))
    return found


def _tagged(names: list[str]) -> ColumnElement[bool]:
    return exists(select(1).where(t.tags.c.uid == t.sessions.c.uid, t.tags.c.tag.in_(names)))


def _labelled(key: str, raw: bytes) -> ColumnElement[bool]:
    c = t.labels.c
    return exists(select(1).where(c.uid == t.sessions.c.uid, c.key == key, c.value_digest == value_digest(raw)))


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
