"""A session's conversation as text for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sojourn import changes as ch
from sojourn.models import Event, Session

from ._render import ROLE_STYLES, change_text, event_lines, message_content, session_facts
from ._text import clean, clock, compact


def print_header(out: Console, session: Session, *, with_state: bool) -> None:
    """The session's facts and, if wanted, its state."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in session_facts(session):
        grid.add_row(name, value)
    if with_state:
        for number, (key, value) in enumerate(sorted(session.state.items())):
            grid.add_row("state" if number == 0 else "", Text(f"{clean(key)} = {clean(compact(value))}"))
    out.print(grid)


def print_events(out: Console, events: Iterable[Event]) -> None:
    """Every change on a line of its own."""
    out.print()
    for event in events:
        for line in event_lines(event, name_session=False):
            out.print(line, soft_wrap=True)


def print_conversation(out: Console, events: Iterable[Event], *, fold: int | None) -> None:
    """Messages with their text, cut after `fold` lines; everything else on one line each."""
    for event in events:
        answered = {change.invocation_id for change in event.changes if isinstance(change, ch.MessageAppended)}
        for change in event.changes:
            match change:
                case ch.SessionCreated() | ch.StatusChanged() | ch.ResultSet():
                    continue  # the header tells them
                case ch.RequestProgressed():
                    continue  # of the moment
                case ch.InvocationFinished(invocation_id=call, status="succeeded") if call in answered:
                    continue  # the tool's message tells it
                case ch.MessageAppended():
                    out.print()
                    _print_message(out, change, event, fold)
                case _:
                    out.print(Text.assemble("  ", change_text(change)), soft_wrap=True)


def _print_message(out: Console, message: ch.MessageAppended, event: Event, fold: int | None) -> None:
    who = f"{message.role} ({clean(message.tool_name)})" if message.tool_name else str(message.role)
    style = ROLE_STYLES.get(message.role, "bold")
    out.print(Text.assemble((who, style), (f"  #{event.revision}  {clock(event.commit_time)}", "dim")))
    lines = clean(message_content(message)).splitlines()
    if fold is not None and len(lines) > fold:
        lines = [*lines[:fold], f"… {len(lines) - fold:,} more lines (--full)"]
    if not out.is_terminal:
        # Rich fills wrapped lines with blanks up to the width; whoever reads a pipe wants the text.
        out.print(Text("\n".join(f"  {line}" if line else "" for line in lines)), soft_wrap=True)
    elif lines:
        out.print(Padding(Text("\n".join(lines)), (0, 0, 0, 2), expand=False))
