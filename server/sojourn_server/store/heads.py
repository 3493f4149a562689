"""A session's head, as the engine gives it, as a Session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..domain.session import Session, SessionStatus, StepStatus, StepSummary

_STATUS = {str(int(status)).encode(): status for status in SessionStatus}


def parse_head(session_id: str, flat: list[bytes]) -> Session:
    """Builds a Session from the flat list of fields and values of its head."""
    session = Session(session_id, "", "")
    tags, state, metadata, results = session.tags, session.state, session.metadata, session.results
    open_invocations = 0
    fields = iter(flat)
    for name, value in zip(fields, fields, strict=True):
        if name[1:2] != b":":
            _set_info(session, name, value)
            continue
        kind, key = name[:1], name[2:].decode()
        if kind == b"s":
            state[key] = value
        elif kind == b"c":
            session.counters[key] = int(value)
        elif kind == b"t":
            tags.append(key)
        elif kind == b"m":
            metadata[key] = value
        elif kind == b"u":
            session.tools[key] = int(value)
        elif kind == b"g":
            session.usage[key] = int(value)
        elif kind == b"r":
            results[key] = value
        elif kind == b"p":
            session.steps[key] = _step(value)
        elif kind == b"o":
            open_invocations += 1
    tags.sort()
    if open_invocations:
        session.counters["open_invocations"] = open_invocations
    return session


def _set_info(session: Session, name: bytes, value: bytes) -> None:
    setter = _INFO.get(name)
    if setter:
        attribute, convert = setter
        setattr(session, attribute, convert(value))


def _step(value: bytes) -> StepSummary:
    run, status, duration = value.split(b"|")
    return StepSummary(int(run), StepStatus(int(status)), int(duration) if duration else None)


_INFO: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    b"uid": ("uid", bytes.decode),
    b"inc": ("incarnation", bytes.decode),
    b"kind": ("kind", bytes.decode),
    b"user": ("user_id", bytes.decode),
    b"project": ("project", bytes.decode),
    b"purpose": ("purpose", bytes.decode),
    b"parent": ("parent", bytes.decode),
    b"status": ("status", _STATUS.__getitem__),
    b"error": ("error", bytes.decode),
    b"rev": ("revision", int),
    b"created": ("created_us", int),
    b"updated": ("updated_us", int),
    b"ended": ("ended_us", int),
    b"idle": ("idle_timeout_ms", int),
    b"life": ("max_lifetime_ms", int),
    b"maxreq": ("max_concurrent_requests", int),
}
