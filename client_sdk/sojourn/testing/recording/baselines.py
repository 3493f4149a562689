"""The run before, and what differs from it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...errors import SojournError

if TYPE_CHECKING:
    from ..._filters import SessionConditions
    from ...client import Client
    from ...comparison import Comparison

_NAMED = 20


async def run_before(client: Client, session_id: str, project: str, before: datetime | None) -> str:
    """Session of the project's newest run but this, begun earlier than `before`; empty when none can be told."""
    conditions: SessionConditions = {"kind": "pytest", "project": project}
    if before is not None:
        conditions["created_before"] = before
    try:
        async for session in client.list_sessions(limit=2, **conditions):
            if session.id != session_id:
                return session.id
    except SojournError:
        pass
    return ""


async def compared(client: Client, baseline: str, session_id: str) -> list[str]:
    """What differs, line by line, for people."""
    if not baseline:
        return ["there is no run before to compare with"]
    try:
        return _told(baseline, await client.compare(baseline, session_id))
    except SojournError as error:
        return [f"not compared with {baseline}: {error}"]


def _told(baseline: str, found: Comparison) -> list[str]:
    worse, fixed, changed = len(found.regressions), len(found.fixed), len(found.changed_steps)
    lines = [
        f"against {baseline}: {worse:,} worse, {fixed:,} fixed, {changed - worse - fixed:,} otherwise changed, "
        f"{len(found.steps) - changed:,} the same"
    ]
    for word, steps in (("worse", found.regressions), ("fixed", found.fixed)):
        lines += [f"  {word}: {step.name}" for step in steps[:_NAMED]]
        if len(steps) > _NAMED:
            lines.append(f"  {word}: {len(steps) - _NAMED:,} more")
    return lines
