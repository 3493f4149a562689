"""A session is the fold of its events: the same result as the effects, computed from changes alone.

The store never uses this (it applies effects blindly); it is what proves the effects right, and what rebuilds
sessions from their logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from . import changes as ch
from .session import Session, SessionStatus, StepSummary


@dataclass(slots=True)
class Folded:
    """A session with what else its log says is unfinished: enough to go on from there."""

    session: Session
    open_invocations: dict[str, str] = field(default_factory=dict)
    """`<request id>/<tool>` by invocation id."""
    requests: dict[str, bool] = field(default_factory=dict)
    """Live requests: whether they are admitted, by request id."""

    def add(self, changes: Iterable[ch.Change], commit_us: int) -> None:
        """Applies the next event."""
        fold(self.session, changes, commit_us, self.open_invocations, self.requests)


def fold(
    session: Session,
    changes: Iterable[ch.Change],
    commit_us: int,
    open_invocations: dict[str, str],
    requests: dict[str, bool] | None = None,
) -> None:
    """Applies one event's changes to `session` in place and moves it to the next revision.

    Args:
        session: the session before the event; revision 0 before the first.
        changes: the event's changes, in order.
        commit_us: the event's commit time.
        open_invocations: `<request id>/<tool>` by the id of invocations started and not finished, kept by the caller
            from event to event.
        requests: ids of live requests and whether they are admitted, kept by the caller too; not needed for sessions
            that never had one.
    """
    for change in changes:
        if requests is not None:
            _fold_request(session, change, requests)
        _fold_one(session, change, commit_us, open_invocations)
    if open_invocations or "open_invocations" in session.counters:
        session.counters["open_invocations"] = len(open_invocations)
    session.counters = {name: n for name, n in session.counters.items() if n}
    session.revision += 1
    session.updated_us = commit_us


def _fold_one(session: Session, change: ch.Change, commit_us: int, open_invocations: dict[str, str]) -> None:
    match change:
        case ch.StateSet():
            session.state.update(change.values)
        case ch.StateDeleted():
            for key in change.keys:
                session.state.pop(key, None)
        case ch.StateIncremented():
            # Not an integer: the same write overrides the key later on, or the store had refused it.
            with suppress(ValueError):
                session.state[change.key] = b"%d" % (int(session.state.get(change.key, b"0")) + change.delta)
        case ch.MessageAppended():
            _count(session.counters, "messages")
            _add_usage(session, change.usage)
        case ch.InvocationStarted():
            _count(session.counters, "invocations")
            _count(session.tools, change.tool)
            open_invocations[change.invocation_id] = f"{change.request_id}/{change.tool}"
        case ch.InvocationFinished():
            open_invocations.pop(change.invocation_id, None)
            if change.status is not ch.InvocationStatus.SUCCEEDED:
                _count(session.counters, "failed_invocations")
            _add_usage(session, change.usage)
        case ch.StepFinished():
            _count(session.counters, "steps")
            session.steps[change.name] = StepSummary(change.run, change.status, change.duration_us)
        case ch.ResultSet():
            session.results[change.name] = change.value
        case ch.ArtifactAttached():
            _count(session.counters, "artifacts")
            if change.version:
                session.artifacts[change.name] = change.version
        case ch.LogAppended():
            _count(session.counters, "logs")
        case ch.InfoUpdated():
            _info_updated(session, change)
        case ch.SessionCreated():
            _session_created(session, change, commit_us)
        case ch.StatusChanged():
            session.status, session.error = change.status, change.error
            session.ended_us = None if change.status is SessionStatus.ACTIVE else commit_us
        case ch.Forked():
            session.uid, session.parent = change.uid, change.parent_id
            session.status, session.error, session.ended_us = SessionStatus.ACTIVE, "", None
            session.created_us = commit_us
        case _:
            pass  # in the log alone


def _fold_request(session: Session, change: ch.Change, requests: dict[str, bool]) -> None:
    match change:
        case ch.RequestQueued():
            requests[change.request_id] = False
        case ch.RequestAdmitted():
            requests[change.request_id] = True
        case ch.RequestFinished() | ch.RequestLost():
            requests.pop(change.request_id, None)
        case ch.Forked():
            requests.clear()  # they are the parent's
        case _:
            return
    session.admitted_requests = sum(requests.values())
    session.queued_requests = len(requests) - session.admitted_requests


def _info_updated(session: Session, change: ch.InfoUpdated) -> None:
    if change.purpose is not None:
        session.purpose = change.purpose
    session.tags = sorted((set(session.tags) - set(change.remove_tags)) | set(change.add_tags))
    for key in change.remove_metadata:
        session.metadata.pop(key, None)
    session.metadata.update(change.set_metadata)


def _session_created(session: Session, change: ch.SessionCreated, commit_us: int) -> None:
    session.uid = change.uid
    session.kind = change.session_kind
    session.user_id, session.project, session.purpose = change.user_id, change.project, change.purpose
    session.parent = change.parent
    session.tags = sorted(set(change.tags))
    session.metadata = dict(change.metadata)
    session.state = dict(change.state)
    session.idle_timeout_ms, session.max_lifetime_ms = change.idle_timeout_ms, change.max_lifetime_ms
    session.max_concurrent_requests = change.max_concurrent_requests
    session.created_us = commit_us


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _add_usage(session: Session, usage: ch.Usage | None) -> None:
    if usage is None:
        return
    total = usage.total_tokens or usage.input_tokens + usage.output_tokens
    added = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": total,
        "cost_micros": usage.cost_micros,
    }
    for name, amount in added.items():
        if amount:
            session.usage[name] = session.usage.get(name, 0) + amount
