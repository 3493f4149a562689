"""Storing what the projector brings: many sessions in one transaction, each table in few statements."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain import details as dt
from ..ports.catalog import Projection, TextSource
from . import tables as t
from .rows import Row, clean, session_row, value_digest

HOT = 1
"""The tier of a session that the projector found in the active store."""


async def store(connection: AsyncConnection, projections: Sequence[Projection]) -> None:
    """Stores projections in the connection's transaction."""
    rows = [
        session_row(p.tenant, p.session) | {"tier": HOT, "snapshot_path": "", "archive_path": ""} for p in projections
    ]
    await _replace_ids_used_again(connection, rows)
    insert = _insert(connection, t.sessions)
    newer = {name: insert.excluded[name] for name in rows[0] if name != "uid"}
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=["uid"], set_=newer, where=t.sessions.c.revision < insert.excluded.revision
        ),
        rows,
    )
    await _store_labels(connection, projections)
    found = _Details()
    for projection in projections:
        found.collect(projection)
    for table, table_rows in found.rows.items():
        await connection.execute(_insert(connection, table).on_conflict_do_nothing(), table_rows)
    await _store_steps(connection, found.steps)
    await _store_ends(connection, found.ends)


async def _replace_ids_used_again(connection: AsyncConnection, rows: list[Row]) -> None:
    """A row of a deleted session whose id was given to a new one goes: its deletion was not projected yet."""
    for row in rows:
        await connection.execute(
            delete(t.sessions).where(
                t.sessions.c.tenant == row["tenant"],
                t.sessions.c.session_id == row["session_id"],
                t.sessions.c.uid != row["uid"],
            )
        )


async def _store_labels(connection: AsyncConnection, projections: Sequence[Projection]) -> None:
    """Tags and metadata are the head's: few, and replaced whole."""
    uids = [p.session.uid for p in projections]
    tag_rows = [{"uid": p.session.uid, "tag": clean(tag)} for p in projections for tag in p.session.tags]
    label_rows = [
        {"uid": p.session.uid, "key": clean(key), "value_digest": value_digest(raw)}
        for p in projections
        for key, raw in p.session.metadata.items()
    ]
    for table, rows in ((t.tags, tag_rows), (t.labels, label_rows)):
        await connection.execute(delete(table).where(table.c.uid.in_(uids)))
        if rows:
            await connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


async def _store_steps(connection: AsyncConnection, rows: list[Row]) -> None:
    """A run of a step that is told twice is as it was told last."""
    if rows:
        insert = _insert(connection, t.steps)
        told = {name: insert.excluded[name] for name in ("revision", "status", "duration_us", "output", "error")}
        await connection.execute(
            insert.on_conflict_do_update(
                index_elements=["uid", "name", "run"], set_=told, where=t.steps.c.revision < insert.excluded.revision
            ),
            rows,
        )


async def _store_ends(connection: AsyncConnection, rows: list[Row]) -> None:
    """An invocation's end completes the row its start made; one that was never started makes a row of its own."""
    if rows:
        insert = _insert(connection, t.invocations)
        new, start = insert.excluded, t.invocations.c.started_us
        ended = {name: new[name] for name in ("status", "finished_us", "cost_micros", "result", "error")}
        ended["duration_us"] = func.coalesce(new.duration_us, new.finished_us - start)
        await connection.execute(
            insert.on_conflict_do_update(index_elements=["uid", "invocation_id"], set_=ended), rows
        )


class _Details:
    """Rows of every table but `sessions`, collected over many sessions."""

    def __init__(self) -> None:
        self.rows: defaultdict[Table, list[Row]] = defaultdict(list)
        self.steps: list[Row] = []
        self.ends: list[Row] = []

    def collect(self, projection: Projection) -> None:
        uid = projection.session.uid
        for event, details in zip(projection.events, projection.details, strict=True):
            key = {"uid": uid, "revision": event.revision}
            self.rows[t.events].append(key | {"commit_us": event.commit_us, "mask": event.mask, "body": event.body})
            for position, detail in enumerate(details):
                self._detail(detail, key, position, event.commit_us)

    def _detail(self, detail: dt.Detail, key: Row, position: int, us: int) -> None:
        match detail:
            case dt.MessageDetail():
                self.rows[t.messages].append(
                    key | {
                        "position": position, "role": int(detail.role), "tool_name": clean(detail.tool_name),
                        "invocation_id": clean(detail.invocation_id),
                    }
                )  # fmt: skip
                self._text(key, position, TextSource.MESSAGE, detail.content)
            case dt.StartDetail():
                self.rows[t.invocations].append(_start_row(key["uid"], detail, us))
                self._text(key, position, TextSource.ARGUMENTS, detail.arguments)
            case dt.FinishDetail():
                self.ends.append(_finish_row(key["uid"], detail, us))
                self._text(key, position, TextSource.RESULT, "\n".join(filter(None, [detail.result, detail.error])))
            case dt.StepDetail():
                self.steps.append(
                    key | {
                        "name": clean(detail.name), "run": detail.run, "status": int(detail.status),
                        "duration_us": detail.duration_us, "output": detail.output, "error": clean(detail.error),
                    }
                )  # fmt: skip
            case dt.ArtifactDetail():
                self.rows[t.artifacts].append(_artifact_row(key, detail))
            case dt.LogDetail():
                self._text(key, position, TextSource.LOG, detail.text)
            case dt.PurposeDetail():
                self._text(key, position, TextSource.PURPOSE, detail.purpose)

    def _text(self, key: Row, position: int, source: TextSource, content: str | None) -> None:
        if content:
            self.rows[t.texts].append(key | {"position": position, "source": int(source), "content": clean(content)})


def _start_row(uid: str, detail: dt.StartDetail, us: int) -> Row:
    return {
        "uid": uid, "invocation_id": clean(detail.invocation_id), "tool": clean(detail.tool), "status": 0,
        "request_id": clean(detail.request_id), "started_us": us, "finished_us": None, "duration_us": None,
        "cost_micros": 0, "arguments": detail.arguments, "result": None, "error": "",
    }  # fmt: skip


def _finish_row(uid: str, detail: dt.FinishDetail, us: int) -> Row:
    return {
        "uid": uid, "invocation_id": clean(detail.invocation_id), "tool": clean(detail.tool),
        "status": int(detail.status), "request_id": "", "started_us": us, "finished_us": us,
        "duration_us": detail.duration_us, "cost_micros": detail.cost_micros, "arguments": None,
        "result": detail.result, "error": clean(detail.error),
    }  # fmt: skip


def _artifact_row(key: Row, detail: dt.ArtifactDetail) -> Row:
    return key | {
        "name": clean(detail.name), "version": detail.version, "content_type": clean(detail.content_type),
        "size_bytes": detail.size_bytes, "sha256": clean(detail.sha256), "phase": clean(detail.phase),
        "labels": json.dumps(detail.labels, sort_keys=True), "uri": clean(detail.uri),
    }  # fmt: skip


def _insert(connection: AsyncConnection, table: Table) -> Any:
    """Both engines can ignore or update on conflict; SQLAlchemy spells it per dialect."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
