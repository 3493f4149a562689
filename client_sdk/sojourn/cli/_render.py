"""Events and sessions as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from sojourn import changes as ch

from ._text import clean, clock, compact, counted, one_line, spent, stamp

if TYPE_CHECKING:
    from sojourn.enums import SessionStatus
    from sojourn.models import Event, Session

LINE = 200
"""Characters of a message, an argument or a result that one line shows."""

_STATUS_STYLES = {
    "active": "cyan",
    "completed": "green",
    "failed": "red",
    "abandoned": "yellow",
    "cancelled": "yellow",
    "expired": "yellow",
}
ROLE_STYLES = {"user": "bold blue", "assistant": "bold green", "system": "bold magenta", "tool": "bold yellow"}
OUTCOME_STYLES = {"succeeded": "green", "passed": "green", "failed": "red", "error": "red", "interrupted": "red"}
_LEVEL_STYLES = {"warning": "yellow", "error": "red", "debug": "dim"}

RequestChange = (
    ch.RequestQueued
    | ch.RequestAdmitted
    | ch.RequestProgressed
    | ch.RequestCancelRequested
    | ch.RequestFinished
    | ch.RequestLost
)


def status_text(status: SessionStatus) -> Text:
    """A session's status in its colour."""
    return Text(status, style=_STATUS_STYLES.get(status, ""))


def event_lines(event: Event, *, name_session: bool) -> Iterator[Text]:
    """One line for each change of an event; the first begins with the time and the revision."""
    head = f"{clock(event.commit_time)}  "
    if name_session:
        head += f"{clean(event.session_id)}  "
    head += f"#{event.revision:<4} "
    for number, change in enumerate(event.changes):
        yield Text.assemble((head if number == 0 else " " * len(head), "dim"), change_text(change))


def change_text(change: ch.Change, width: int = LINE) -> Text:
    """One line that says what a change was."""
    label, style, detail = _describe(change, width)
    return Text.assemble((f"{label:<10}", style), " ", detail)


def message_content(message: ch.MessageAppended) -> str:
    """The message's text, else what it consists of instead."""
    if message.content is not None:
        return message.content
    kinds = [str(part.get("type", "part")) for part in message.parts if isinstance(part, dict)]
    shown = [kind for kind in kinds if not kind.endswith("_patch")]
    return f"({', '.join(shown)})" if shown else ""


def _describe(change: ch.Change, width: int) -> tuple[str, str, str | Text]:
    """Label, style of the label, and the rest of the line."""
    match change:
        case ch.MessageAppended():
            return change.role, ROLE_STYLES.get(change.role, "bold"), one_line(message_content(change), width)
        case ch.InvocationStarted():
            arguments = "" if change.arguments is None else compact(change.arguments)
            return "call", "yellow", Text.assemble((clean(change.tool), "bold"), one_line(f"({arguments})", width))
        case ch.InvocationFinished():
            outcome = change.status if not change.error else f"{change.status}: {change.error}"
            result = "" if change.result is None else one_line(compact(change.result), width)
            style = OUTCOME_STYLES.get(change.status, "yellow")
            return "returned", "yellow", _words((clean(change.tool), "bold"), (one_line(outcome), style), (result, ""))
        case ch.StepFinished():
            style = OUTCOME_STYLES.get(change.status, "yellow")
            run = f"run {change.run}" if change.run > 1 else ""
            took = spent(change.duration) if change.duration else ""
            details = [(run, ""), (took, "dim"), (one_line(change.error, width), "red")]
            return "step", "magenta", _words((clean(change.name), "bold"), (change.status, style), *details)
        case ch.LogAppended():
            line = Text(one_line(change.text, width), style=_LEVEL_STYLES.get(change.level, ""))
            return change.level, _LEVEL_STYLES.get(change.level, "dim"), line
        case ch.StatusChanged():
            return (
                "status",
                "bold",
                _words((change.status, _STATUS_STYLES.get(change.status, "")), (one_line(change.error), "red")),
            )
        case ch.SessionCreated():
            labels = {"user": change.user_id, "project": change.project, "purpose": change.purpose}
            given = [f"{name}={value}" for name, value in labels.items() if value]
            tags = [f"[{tag}]" for tag in change.tags]
            return "created", "bold", one_line(" ".join([change.session_kind, *given, *tags]), width)
        case _:
            return (*_describe_data(change, width),)


def _describe_data(change: ch.Change, width: int) -> tuple[str, str, str]:
    """As `_describe`, for the kinds that are shown as plain data."""
    match change:
        case ch.StateSet():
            pairs = ", ".join(f"{key} = {compact(value)}" for key, value in sorted(change.values.items()))
            return "state", "cyan", one_line(pairs, width)
        case ch.StateDeleted():
            return "state", "cyan", one_line(f"deleted {', '.join(change.keys)}", width)
        case ch.StateIncremented():
            return "state", "cyan", one_line(f"{change.key} {change.delta:+}", width)
        case ch.ResultSet():
            return "result", "cyan", one_line(f"{change.name} = {compact(change.value)}", width)
        case ch.InfoUpdated():
            tags = [f"+[{tag}]" for tag in change.add_tags] + [f"-[{tag}]" for tag in change.remove_tags]
            purpose = [] if change.purpose is None else [f"purpose={change.purpose!r}"]
            facts = [f"{key} = {compact(value)}" for key, value in change.set_metadata.items()]
            gone = [f"-{key}" for key in change.remove_metadata]
            return "info", "cyan", one_line(" ".join(purpose + tags + facts + gone), width)
        case ch.ArtifactAttached():
            version = f" v{change.version}" if change.version else ""
            text = f"{change.name}{version} {change.content_type} {change.size_bytes:,} bytes {change.phase}"
            return "artifact", "cyan", one_line(text, width)
        case ch.Custom():
            payload = "" if change.payload is None else compact(change.payload)
            return "custom", "cyan", one_line(f"{change.type} {payload}", width)
        case _ if isinstance(change, RequestChange):
            return "request", "blue", one_line(" ".join(filter(None, _request_words(change))), width)
        case ch.UnknownChange():
            return "unknown", "dim", "a kind of change that this version does not know"
        case _:
            facts = [f"{key}={value}" for key, value in change.model_dump(mode="json", exclude={"kind"}).items()]
            return str(change.kind).replace("_", " "), "dim", one_line(" ".join(facts), width)


def _request_words(change: RequestChange) -> Iterator[str]:
    """What became of a request, and which; empty words are left out by the reader."""
    match change:
        case ch.RequestQueued():
            yield from ("queued", change.name, f"priority {change.priority}" if change.priority else "")
            yield from ("exclusive" if change.exclusive else "", f"for pool {change.pool}" if change.pool else "")
        case ch.RequestAdmitted():
            slot = change.pool_slot
            yield from (
                "admitted",
                change.name,
                f"token {change.fencing_token}",
                "exclusive" if change.exclusive else "",
            )
            yield f"slot {slot.slot} of pool {slot.pool}" if slot is not None else ""
        case ch.RequestProgressed():
            yield from (f"{change.fraction:.0%}", change.text)
        case ch.RequestCancelRequested():
            yield f"asked to stop: {change.reason}" if change.reason else "asked to stop"
        case ch.RequestFinished():
            yield f"{change.outcome}: {change.error}" if change.error else change.outcome
        case ch.RequestLost():
            yield f"lost: {change.cause}" if change.cause else "lost"
    yield f"({change.request_id})"


def session_facts(session: Session) -> Iterator[tuple[str, Text]]:
    """The lines of a session's header: name and value, those without a value left out."""
    counters, usage = session.counters, session.usage
    yield "session", Text(clean(session.id), style="bold")
    yield "status", _words((session.status, _STATUS_STYLES.get(session.status, "")), (one_line(session.error), "red"))
    facts = {
        "kind": session.kind,
        "user": session.user_id,
        "project": session.project,
        "purpose": session.purpose,
        "tags": " ".join(session.tags),
        "parent": session.parent,
        "metadata": ", ".join(f"{key} = {compact(value)}" for key, value in session.metadata.items()),
        "results": ", ".join(f"{key} = {compact(value)}" for key, value in session.results.items()),
    }
    for name, value in facts.items():
        if value:
            yield name, Text(one_line(value, LINE))
    times = f"created {stamp(session.create_time)}, updated {stamp(session.update_time)}"
    if session.end_time:
        times += f", ended {stamp(session.end_time)} after {spent(session.end_time - session.create_time)}"
    yield "times", Text(times)
    counts = {
        "messages": counters.messages,
        "invocations": counters.invocations,
        "open": counters.open_invocations,
        "failed": counters.failed_invocations,
        "steps": counters.steps,
        "logs": counters.logs,
        "artifacts": counters.artifacts,
    }
    shown = [f"{count:,} {name}" for name, count in counts.items() if count]
    yield "holds", Text(", ".join([f"revision {session.revision:,}", *shown]))
    if session.admitted_requests or session.queued_requests or session.connection_count:
        live = f"{counted(session.admitted_requests, 'request')} admitted, {session.queued_requests:,} queued"
        yield "live", Text(f"{live}, {counted(session.connection_count, 'connection')}")
    if usage.total_tokens or usage.cost:
        tokens = f"{usage.total_tokens:,} tokens ({usage.input_tokens:,} in, {usage.output_tokens:,} out)"
        yield "usage", Text(f"{tokens}, cost {usage.cost:g}" if usage.cost else tokens)
    if session.tools:
        uses = sorted(session.tools.items(), key=lambda item: -item[1])
        yield "tools", Text(one_line(", ".join(f"{name} x{count}" for name, count in uses), LINE))


def _words(*parts: tuple[str, str]) -> Text:
    """The non-empty parts, each in its style, with blanks between."""
    return Text(" ").join(Text(text, style=style) for text, style in parts if text)
