"""Storing what the projector brings: many sessions in one transaction, each table in few statements.

Whoever writes to a session's rows holds its lock, so that the catalog has an event exactly once and no table needs to
find out what it has already.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import BigInteger, Table, bindparam, case, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from ..domain.changes import ChangeKind, kind_mask
from ..domain.session import Session, SessionKey, Tier
from ..ports.catalog import Projection
from ..ports.outbox import Standing, Standings
from . import tables as t
from .collecting import Details, Known
from .inserting import insertion
from .rows import Row, clean, session_row, value_digest

PIECE = 400
"""Keys of a statement; SQLite takes 999 parameters or more."""
_LABELS = kind_mask([ChangeKind.SESSION_CREATED, ChangeKind.INFO_UPDATED, ChangeKind.FORKED, ChangeKind.RESTORED])
"""Events that may change tags and metadata."""
_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(:keys) AS key").bindparams(
    bindparam("keys", type_=ARRAY(BigInteger))
)


async def store(
    connection: AsyncConnection, projections: Sequence[Projection], standings: Standings
) -> list[SessionKey]:
    """Stores projections in the connection's transaction; those of sessions that are gone are left out. Those of
    another history than the store has now are left out, too, and returned."""
    keys = [SessionKey(p.tenant, p.session.id) for p in projections]
    await lock(connection, keys)
    found = dict(zip(keys, await standings(keys), strict=True))
    uids = {key: standing.uid for key, standing in found.items()}
    there = [(p, key) for p, key in zip(projections, keys, strict=True) if uids[key] == p.session.uid]
    present = [p for p, key in there if _is_history(p.session, found[key])]
    rows = {row.uid: row for row in await find(connection, keys)}
    # A deleted session whose id was given to a new one: its deletion was not projected yet.
    replaced = {row.id for row in rows.values() if uids[SessionKey(row.tenant, row.session_id)] not in ("", row.uid)}
    await remove(connection, sorted(replaced))

    known = {uid: Known(row.id, row.revision, row.texts) for uid, row in rows.items()}
    known |= await _add(connection, [p for p in present if p.session.uid not in known])
    fresh = [p for p in present if p.session.revision > known[p.session.uid].revision]
    details = Details(connection.dialect.name)
    await asyncio.to_thread(_collect, details, fresh, known)
    await label(connection, fresh, known)
    await _update(connection, fresh, known)
    await details.store(connection)
    stored = {p.session.uid for p in present}
    await _warm(connection, [row.id for row in rows.values() if row.tier != int(Tier.HOT) and row.uid in stored])
    await _mark(connection, present, found)
    return [key for p, key in there if p.session.uid not in stored]


def _is_history(session: Session, standing: Standing) -> bool:
    """Whether what was read of a session is what the store has of it. Else the store was put back to an older copy
    since, and the session perhaps rebuilt from the catalog, which must not get what nobody has any more."""
    if standing.history is None:
        return True
    revision, incarnation = standing.history
    return revision >= session.revision and incarnation == session.incarnation


async def forget(connection: AsyncConnection, keys: Sequence[SessionKey], standings: Standings) -> None:
    """Removes deleted sessions in the connection's transaction."""
    await lock(connection, keys)
    found = dict(zip(keys, await standings(keys), strict=True))
    gone = [key for key, standing in found.items() if standing.deleted and not standing.uid]
    await remove(connection, [row.id for row in await find(connection, gone)])


async def lock(connection: AsyncConnection, keys: Sequence[SessionKey]) -> None:
    """Waits until nobody else writes to these sessions, and keeps others out until the transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        # In one order everywhere, so that two never wait for each other.
        await connection.execute(_LOCK, {"keys": sorted({_lock_number(key) for key in keys})})


async def find(connection: AsyncConnection, keys: Sequence[SessionKey]) -> list[Any]:
    """The rows (id, tenant, session_id, uid, revision, texts, tier) of these sessions, with the commit time (commit_us)
    of their last event."""
    c, e = t.sessions.c, t.events.c
    last = (e.session == c.id) & (e.revision == c.revision)
    wanted = (c.id, c.tenant, c.session_id, c.uid, c.revision, c.texts, c.tier, e.commit_us)
    query = select(*wanted).outerjoin(t.events, last)
    by_tenant: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_tenant[key.tenant].append(key.session_id)
    found: list[Any] = []
    for tenant, session_ids in by_tenant.items():
        for begin in range(0, len(session_ids), PIECE):
            part = session_ids[begin : begin + PIECE]
            found += await connection.execute(query.where(c.tenant == tenant, c.session_id.in_(part)))
    return found


async def remove(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Removes sessions with everything of theirs."""
    for begin in range(0, len(ids), PIECE):
        await connection.execute(delete(t.sessions).where(t.sessions.c.id.in_(ids[begin : begin + PIECE])))


def _lock_number(key: SessionKey) -> int:
    number: int = struct.unpack("q", blake2b(key.member.encode(), digest_size=8).digest())[0]
    return number


async def _add(connection: AsyncConnection, projections: Sequence[Projection]) -> dict[str, Known]:
    """Rows for sessions that the catalog does not know, at revision 0."""
    rows = [
        session_row(p.tenant, p.session)
        | {"revision": 0, "tier": int(Tier.HOT), "snapshot_path": "", "archive_path": "", "texts": 0}
        for p in projections
    ]
    if not rows:
        return {}
    added = await connection.execute(insert(t.sessions).returning(t.sessions.c.id, t.sessions.c.uid), rows)
    return {row.uid: Known(row.id, 0, 0) for row in added}


def _collect(details: Details, projections: Sequence[Projection], known: dict[str, Known]) -> None:
    """In a thread: taking texts apart takes a while, and calls are served meanwhile."""
    for projection in projections:
        details.collect(projection, known[projection.session.uid])


async def _update(connection: AsyncConnection, projections: Sequence[Projection], known: dict[str, Known]) -> None:
    rows = [
        session_row(p.tenant, p.session)
        | {"tier": int(Tier.HOT), "texts": known[p.session.uid].texts, "number": known[p.session.uid].id}
        for p in projections
    ]
    if rows:
        await connection.execute(update(t.sessions).where(t.sessions.c.id == bindparam("number")), rows)


async def label(connection: AsyncConnection, projections: Sequence[Projection], known: dict[str, Known]) -> None:
    """Tags and metadata are the head's: few, and replaced whole when an event may have changed them."""
    changed = [p for p in projections if _may_change_labels(p, known[p.session.uid].revision)]
    tag_rows: list[Row] = []
    label_rows: list[Row] = []
    for p in changed:
        session = {"tenant": p.tenant, "session": known[p.session.uid].id}
        tag_rows += [session | {"tag": tag} for tag in {clean(tag) for tag in p.session.tags}]
        labels = {clean(key): value_digest(raw) for key, raw in p.session.metadata.items()}
        label_rows += [session | {"key": key, "value_digest": digest} for key, digest in labels.items()]
    ids = [known[p.session.uid].id for p in changed]
    tables: list[tuple[Table, list[Row]]] = [(t.tags, tag_rows), (t.labels, label_rows)]
    for table, rows in tables:
        for begin in range(0, len(ids), PIECE):
            await connection.execute(delete(table).where(table.c.session.in_(ids[begin : begin + PIECE])))
        if rows:
            await connection.execute(*insertion(connection.dialect.name, table, rows))


def _may_change_labels(projection: Projection, known: int) -> bool:
    events = projection.events
    return not events or events[0].revision > known + 1 or any(event.mask & _LABELS for event in events)


async def _warm(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Sessions that came back to the active store, written to there or not."""
    for begin in range(0, len(ids), PIECE):
        rows = t.sessions.c.id.in_(ids[begin : begin + PIECE])
        await connection.execute(update(t.sessions).where(rows).values(tier=int(Tier.HOT)))


async def _mark(
    connection: AsyncConnection, projections: Sequence[Projection], standings: dict[SessionKey, Standing]
) -> None:
    """Notes how far the catalog has the shards; last of all, so that nobody waits long for these rows."""
    marks: dict[int, Row] = {}
    for p in projections:
        standing = standings[SessionKey(p.tenant, p.session.id)]
        last = max((event.sequence for event in p.events), default=0)
        if standing.shard is not None and last:
            mark = {"number": standing.shard, "incarnation": standing.incarnation, "sequence": last}
            marks[standing.shard] = max(mark, marks.get(standing.shard, mark), key=lambda one: int(one["sequence"]))
    if marks:
        statement, parameters = insertion(connection.dialect.name, t.shards, [marks[n] for n in sorted(marks)])
        new, c = statement.excluded, t.shards.c
        same = (c.incarnation == new.incarnation) & (c.sequence > new.sequence)
        told = {"incarnation": new.incarnation, "sequence": case((same, c.sequence), else_=new.sequence)}
        await connection.execute(statement.on_conflict_do_update(index_elements=["number"], set_=told), parameters)
