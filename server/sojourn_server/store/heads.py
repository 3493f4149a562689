"""A session's head, as the engine gives it, as a Session."""

from __future__ import annotations

from ..domain.session import Session, SessionStatus, StepStatus, StepSummary

_STATUS = {str(int(status)).encode(): status for status in SessionStatus}


def parse_head(session_id: str, flat: list[bytes]) -> Session:
    """Builds a Session from the flat list of fields and values of its head."""
    head = dict(zip(flat[::2], flat[1::2], strict=True))
    take = head.pop
    session = Session(
        session_id,
        take(b"uid").decode(),
        take(b"inc").decode(),
        take(b"kind").decode(),
        take(b"user", b"").decode(),
        take(b"project", b"").decode(),
        take(b"purpose", b"").decode(),
        take(b"parent", b"").decode(),
        _STATUS[take(b"status")],
        take(b"error", b"").decode(),
        int(take(b"rev")),
        int(take(b"created")),
        int(take(b"updated")),
    )
    open_invocations = 0
    for name, value in head.items():
        kind = name[:2]
        if kind == b"s:":
            session.state[name[2:].decode()] = value
        elif kind == b"c:":
            session.counters[name[2:].decode()] = int(value)
        elif kind == b"t:":
            session.tags.append(name[2:].decode())
        elif kind == b"m:":
            session.metadata[name[2:].decode()] = value
        elif kind == b"u:":
            session.tools[name[2:].decode()] = int(value)
        elif kind == b"g:":
            session.usage[name[2:].decode()] = int(value)
        elif kind == b"r:":
            session.results[name[2:].decode()] = value
        elif kind == b"p:":
            session.steps[name[2:].decode()] = _step(value)
        elif kind == b"a:":
            session.artifacts[name[2:].decode()] = int(value)
        elif kind == b"o:":
            open_invocations += 1
        elif name in _NUMBERS:
            setattr(session, _NUMBERS[name], int(value))
    session.tags.sort()
    if open_invocations:
        session.counters["open_invocations"] = open_invocations
    return session


def _step(value: bytes) -> StepSummary:
    run, status, duration = value.split(b"|")
    return StepSummary(int(run), StepStatus(int(status)), int(duration) if duration else None)


_NUMBERS = {
    b"ended": "ended_us",
    b"idle": "idle_timeout_ms",
    b"life": "max_lifetime_ms",
    b"maxreq": "max_concurrent_requests",
    b"ra": "admitted_requests",
    b"rq": "queued_requests",
}
"""Fields that most heads do not have."""
