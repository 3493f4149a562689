"""The artifacts of sessions in SQL."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from ..domain.artifacts import Artifact
from ..ports.artifacts import ArtifactFilter, ArtifactPlace
from . import tables as t
from .engine import reading
from .finishing import Finishing, finished
from .rows import clean

_c = t.artifacts.c


class ArtifactReads:
    """The part of the catalog that is about artifacts; the contract of each method is `ports.ArtifactCatalog`'s."""

    _engine: AsyncEngine
    finishing: Finishing

    @finished
    async def artifacts(
        self, uid: str, wanted: ArtifactFilter, *, after: ArtifactPlace | None, count: int
    ) -> list[Artifact]:
        matching = _of(uid).where(*_conditions(wanted))
        if wanted.newest_only:
            nth = func.row_number().over(partition_by=_c.name, order_by=(_c.revision.desc(), _c.position.desc()))
            ranked = matching.add_columns(nth.label("nth")).subquery()
            matching = select(ranked).where(ranked.c.nth == 1)
            columns: Any = ranked.c
        else:
            columns = _c
        place = tuple_(columns.revision, columns.position)
        query = matching.order_by(columns.revision, columns.position).limit(count)
        if after:
            query = query.where(place > tuple_(*after))
        async with reading(self._engine) as connection:
            rows = await connection.execute(query)
        return [_artifact(row) for row in rows]

    @finished
    async def artifact(self, uid: str, name: str, version: int) -> Artifact | None:
        query = _of(uid).where(_c.name == clean(name)).order_by(_c.revision.desc(), _c.position.desc()).limit(1)
        if version:
            query = query.where(_c.version == version)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _artifact(row)


def _of(uid: str) -> Select[Any]:
    return select(t.artifacts, t.sessions.c.session_id).join(t.sessions).where(t.sessions.c.uid == uid)


def _conditions(wanted: ArtifactFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.name:
        found.append(_c.name == clean(wanted.name))
    if wanted.phase:
        found.append(_c.phase == clean(wanted.phase))
    if wanted.content_type.endswith("/*"):
        kind = clean(wanted.content_type[:-1])
        found.append(func.substr(_c.content_type, 1, len(kind)) == kind)
    elif wanted.content_type:
        found.append(_c.content_type == clean(wanted.content_type))
    return found


def _artifact(row: Any) -> Artifact:
    return Artifact(
        row.session_id, row.name, row.version, row.content_type, row.size_bytes, row.sha256, row.phase,
        json.loads(row.labels), row.uri, row.revision, row.position, row.commit_us,
    )  # fmt: skip
