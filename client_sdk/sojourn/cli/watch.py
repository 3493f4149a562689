"""`sojourn watch`: what happens in sessions, as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._help import command
from ._options import CHANGE_KINDS, filter_options, server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Client, Event, Session, SessionArchived, SessionDeleted

    from ._profiles import Server


@command(
    examples=[
        "sojourn watch qa-17 --until-ended",
        "sojourn watch --project qa --change step_finished",
        "sojourn watch qa-17 --after 40 -o json",
    ]
)
@session_argument(metavar="[SESSION]", required=False)
@server_options
@filter_options
@click.option("--change", "kinds", multiple=True, type=click.Choice(CHANGE_KINDS), metavar="KIND",
              help="Only events with a change of this kind, for example `message_appended`; repeatable.")  # fmt: skip
@click.option("--kind", "old_kinds", multiple=True, type=click.Choice(CHANGE_KINDS), hidden=True, help="As --change.")
@click.option("--after", metavar="CURSOR", help="Begin after this cursor; with SESSION a revision will do. [now]")
@click.option("--snapshot", is_flag=True, help="Begin with what is there now.")
@click.option("--until-ended", is_flag=True, help="Stop when the session has ended; needs a SESSION.")
@output_option()
def watch(session_id: str | None, server: Server, output: str, **how: Any) -> None:
    """Show what happens in SESSION, or without one in all sessions, until Ctrl-C.

    Connections that break are taken up again: every event comes once and in order. JSON is one event a
    line, at once; with --snapshot lines with a `snapshot` come first.
    """
    how["kinds"] += how.pop("old_kinds")
    if session_id is not None and (how["user"] or how["project"] or how["tags"]):
        raise click.UsageError("--user, --project and --tag choose among all sessions: leave out the SESSION.")
    if session_id is None and how["until_ended"]:
        raise click.UsageError("--until-ended needs a SESSION.")
    if how["after"] and how["snapshot"]:
        raise click.UsageError("--after and --snapshot exclude each other: each says where to begin.")
    printer = _Printer(output, name_session=session_id is None)
    run(_watch(session_id, server, printer, **how), server=server)


async def _watch(
    session_id: str | None,
    server: Server,
    printer: _Printer,
    *,
    user: str | None,
    project: str | None,
    tags: Sequence[str],
    kinds: Sequence[str],
    after: str | None,
    snapshot: bool,
    until_ended: bool,
) -> None:
    from ._connect import connected, telling_interruptions

    with telling_interruptions():
        async with connected(server) as client:
            how: dict[str, Any] = {"kinds": list(kinds) or None, "snapshot": snapshot}
            if session_id is None:
                labels = {"user_id": user, "project": project, "tags": list(tags)}
                await _watch_all(client, printer, after=after, **labels, **how)
            else:
                position = int(after) if after and after.isdigit() else after
                await _watch_one(client, session_id, printer, after=position, until_ended=until_ended, **how)


async def _watch_one(client: Client, session_id: str, printer: _Printer, **how: Any) -> None:
    from sojourn.errors import SessionDeletedError

    async with client.session(session_id).watch(**how) as events:
        if events.snapshot is not None:
            printer.snapshot(events.snapshot)
        printer.live()
        try:
            async for event in events:
                printer.event(event)
        except SessionDeletedError:
            printer.note("the session was deleted")
        if events.archived:
            printer.note("the session has ended and was archived")


async def _watch_all(client: Client, printer: _Printer, **how: Any) -> None:
    async with client.watch_sessions(**how) as events:
        for session in events.snapshots:
            printer.snapshot(session)
        printer.live()
        async for event in events:
            printer.event(event)


class _Printer:
    """Prints events to standard output, each at once, and notes for people to standard error."""

    def __init__(self, output: str, *, name_session: bool) -> None:
        self._output = output
        self._name_session = name_session

    def live(self) -> None:
        """Tells that whatever is committed from here on will be shown."""
        self.note("watching; Ctrl-C ends")

    def note(self, text: str) -> None:
        """Says something that is no event."""
        if self._output == "table":
            click.secho(text, dim=True, err=True)

    def snapshot(self, session: Session) -> None:
        """Prints a session as it is."""
        if self._output != "table":
            print_data({"snapshot": session}, self._output)
            return
        from ._conversation_view import print_header
        from ._text import console

        print_header(console(), session, with_state=True)
        console().print()

    def event(self, event: Event | SessionDeleted | SessionArchived) -> None:
        """Prints an event, or that a session was deleted or archived."""
        from sojourn.models import SessionArchived, SessionDeleted

        from ._text import clean

        if self._output != "table":
            print_data(event, self._output)
        elif isinstance(event, SessionDeleted):
            click.echo(f"{clean(event.session_id)} was deleted at revision {event.revision}")
        elif isinstance(event, SessionArchived):
            click.echo(f"{clean(event.session_id)} was archived at revision {event.revision}")
        else:
            from ._render import event_lines
            from ._text import console

            for line in event_lines(event, name_session=self._name_session):
                console().print(line, soft_wrap=True)
            console().file.flush()
