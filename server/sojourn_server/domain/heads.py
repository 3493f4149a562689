"""The fields of a session's head, from the session: what effects would have made of its events.

What the fields are is in `store/keys.py`. Fields that the store keeps by itself (what is in its log, in its outbox, and
live requests) are not here.
"""

from __future__ import annotations

from .effects import Effects
from .fold import Folded
from .session import SessionStatus

Fields = dict[str, bytes]
_OF_CALLERS = frozenset("smrtpao")
"""First letters of fields whose names and values are counted as the session's size; of tools (`u`) the names are."""


def head_fields(folded: Folded) -> Fields:
    """The head of a session as it is at its revision; an empty value is an absent field."""
    session = folded.session
    info = {
        "uid": session.uid,
        "inc": session.incarnation,
        "kind": session.kind,
        "user": session.user_id,
        "project": session.project,
        "purpose": session.purpose,
        "parent": session.parent,
        "status": str(int(session.status)),
        "error": session.error,
        "rev": str(session.revision),
        "created": str(session.created_us),
        "updated": str(session.updated_us),
        "ended": str(session.ended_us or ""),
        "idle": str(session.idle_timeout_ms or ""),
        "life": str(session.max_lifetime_ms or ""),
        "maxreq": str(session.max_concurrent_requests or ""),
    }
    fields = {name: value.encode() for name, value in info.items()}
    fields |= {f"t:{tag}": b"1" for tag in session.tags}
    fields |= {f"m:{key}": raw for key, raw in session.metadata.items()}
    fields |= {f"s:{key}": raw for key, raw in session.state.items()}
    fields |= {f"r:{name}": raw for name, raw in session.results.items()}
    for name, step in session.steps.items():
        duration = "" if step.duration_us is None else str(step.duration_us)
        fields[f"p:{name}"] = f"{step.run}|{int(step.status)}|{duration}".encode()
    fields |= {f"o:{name}": what.encode() for name, what in folded.open_invocations.items()}
    numbers = {f"c:{name}": n for name, n in session.counters.items() if name != "open_invocations"}
    numbers |= {f"u:{tool}": n for tool, n in session.tools.items()}
    numbers |= {f"g:{name}": n for name, n in session.usage.items()}
    numbers |= {f"a:{name}": version for name, version in session.artifacts.items()}
    fields |= {name: b"%d" % n for name, n in numbers.items() if n}
    return {name: value for name, value in fields.items() if value}


def after(fields: Fields, effects: Effects) -> Fields:
    """The head after a write of the server's own, but for its stamps and its revision; `fields` stay as they are."""
    changed = dict(fields)
    for name, delta in (effects.state_increments | effects.increments).items():
        changed[name] = b"%d" % (int(changed.get(name, b"0")) + delta)
    for name, value in effects.sets.items():
        changed[name] = value if isinstance(value, bytes) else value.encode()
    for name in (*effects.deletes, *effects.stamps):
        changed.pop(name, None)
    return changed


def size_of(fields: Fields) -> int:
    """The bytes that the store counts of a head."""
    callers = sum(len(name.encode()) + len(value) for name, value in fields.items() if _prefix(name) in _OF_CALLERS)
    return callers + sum(len(name.encode()) for name in fields if _prefix(name) == "u")


def is_active(fields: Fields) -> bool:
    """Whether the session has not ended."""
    return fields["status"] == b"%d" % SessionStatus.ACTIVE


def _prefix(name: str) -> str:
    return name[0] if name[1:2] == ":" else ""
