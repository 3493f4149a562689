"""What was found, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ._render import OUTCOME_STYLES, status_text
from ._tables import filled_table
from ._text import clean, compact, flat, one_line, spent, stamp

if TYPE_CHECKING:
    from rich.table import Table

    from sojourn.models import FoundSession, Fragment, Invocation

_MATCH = "bold yellow"
_SOURCE_STYLES = {"purpose": "bold", "message": "green", "arguments": "yellow", "result": "yellow", "log": "dim"}
_WIDTH = 60
"""Characters of arguments and results."""


def found_lines(found: FoundSession) -> Iterator[Text]:
    """A session, and a line for each of its fragments."""
    session = found.session
    facts = [session.user_id, session.project, " ".join(session.tags), stamp(session.update_time), session.purpose]
    line = Text.assemble((clean(session.id), "bold"), "  ", status_text(session.status))
    for fact in filter(None, facts):
        line.append(f"  {one_line(fact, 60)}", style="dim")
    yield line
    for fragment in found.fragments:
        label = (f"  {fragment.source:<10}", _SOURCE_STYLES.get(fragment.source, ""))
        yield Text.assemble(label, (f"#{fragment.revision:<5} ", "dim"), highlighted(fragment))


def highlighted(fragment: Fragment) -> Text:
    """The fragment on one line, with what matched in its own style."""
    line, at = Text(), 0
    for begin, end in fragment.highlights:
        line.append(flat(fragment.text[at:begin]))
        line.append(flat(fragment.text[begin:end]), style=_MATCH)
        at = end
    return line.append(flat(fragment.text[at:]))


def invocations_table(invocations: Sequence[Invocation]) -> Table:
    """Invocations, one a row."""
    columns = {
        "session": [Text(clean(each.session_id)) for each in invocations],
        "invocation": [Text(clean(each.id)) for each in invocations],
        "tool": [Text(one_line(each.tool, 40), style="bold") for each in invocations],
        "status": [Text(each.status, style=OUTCOME_STYLES.get(each.status, "yellow")) for each in invocations],
        "started": [Text(stamp(each.started_time)) for each in invocations],
        "took": [Text(spent(each.duration) if each.duration is not None else "") for each in invocations],
        "cost": [Text(f"{each.cost:g}" if each.cost else "") for each in invocations],
        "request": [Text(clean(each.request_id)) for each in invocations],
        "arguments": [_value(each.arguments) for each in invocations],
        "result": [_outcome(each) for each in invocations],
    }
    return filled_table(columns, whole=("session", "invocation", "tool", "started", "took"), right=("took", "cost"))


def _value(value: object) -> Text:
    return Text("" if value is None else one_line(compact(value), _WIDTH))


def _outcome(invocation: Invocation) -> Text:
    """What it returned, or what went wrong."""
    return Text(one_line(invocation.error, _WIDTH), style="red") if invocation.error else _value(invocation.result)
