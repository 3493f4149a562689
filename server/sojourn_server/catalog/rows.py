"""Sessions and their details as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from ..domain.changes import InvocationStatus
from ..domain.session import Session, SessionKey, SessionStatus, StepStatus, StepSummary, Tier
from ..domain.statistics import COUNTERS, STEPS, USAGE, sums_of
from ..domain.values import canonical_json
from ..ports.catalog import Invocation

Row = dict[str, Any]

SUMS = (*COUNTERS, *STEPS, *USAGE)
"""Columns of a session's row that statistics sum up."""


def clean(text: str) -> str:
    """PostgreSQL keeps no NUL in text; the event's body has the text as it was written."""
    return text.replace("\x00", "�")


def session_row(tenant: str, session: Session) -> Row:
    """The session's row; where its data lives is kept by those who move it."""
    sums = sums_of(session)
    info = {
        "tags": session.tags,
        "idle": session.idle_timeout_ms,
        "life": session.max_lifetime_ms,
        "maxreq": session.max_concurrent_requests,
        "tools": session.tools,
        "steps": {name: [step.run, int(step.status), step.duration_us] for name, step in session.steps.items()},
        "metadata": {key: raw.decode() for key, raw in session.metadata.items()},
    }
    return {
        "uid": session.uid,
        "tenant": tenant,
        "session_id": session.id,
        "incarnation": session.incarnation,
        "kind": session.kind,
        "user_id": clean(session.user_id),
        "project": clean(session.project),
        "purpose": clean(session.purpose),
        "parent": session.parent,
        "status": int(session.status),
        "error": clean(session.error),
        "revision": session.revision,
        "created_us": session.created_us,
        "updated_us": session.updated_us,
        "ended_us": session.ended_us,
        **{name: sums[name] for name in SUMS},
        "info": json.dumps({name: value for name, value in info.items() if value}, separators=(",", ":")),
    }


def session_of(row: Any) -> Session:
    """A session from its row, without state and results."""
    info = json.loads(row.info)
    return Session(
        row.session_id,
        row.uid,
        row.incarnation,
        row.kind,
        row.user_id,
        row.project,
        row.purpose,
        row.parent,
        SessionStatus(row.status),
        row.error,
        row.revision,
        row.created_us,
        row.updated_us,
        row.ended_us,
        info.get("idle", 0),
        info.get("life", 0),
        info.get("maxreq", 0),
        tags=info.get("tags", []),
        tier=Tier(row.tier),
        snapshot_path=row.snapshot_path,
        archive_path=row.archive_path,
        metadata={key: value.encode() for key, value in info.get("metadata", {}).items()},
        counters=_nonzero(row, COUNTERS),
        usage=_nonzero(row, USAGE),
        tools=info.get("tools", {}),
        steps={
            name: StepSummary(run, StepStatus(status), duration)
            for name, (run, status, duration) in info.get("steps", {}).items()
        },
    )


def _nonzero(row: Any, names: Sequence[str]) -> dict[str, int]:
    return {name: number for name in names if (number := getattr(row, name))}


def value_digest(raw: bytes) -> str:
    """What metadata values are compared by: JSON values that are equal may be written differently."""
    return blake2b(canonical_json(raw).encode(), digest_size=16).hexdigest()


def invocation_of(row: Any) -> Invocation:
    """An invocation from its row."""
    return Invocation(
        SessionKey(row.tenant, row.session_id),
        row.invocation_id,
        row.tool,
        InvocationStatus(row.status) if row.status else None,
        row.request_id,
        row.started_us,
        row.finished_us,
        row.duration_us,
        row.cost_micros,
        row.arguments.encode() if row.arguments is not None else None,
        row.result.encode() if row.result is not None else None,
        row.error,
    )
