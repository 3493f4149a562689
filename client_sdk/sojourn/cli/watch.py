"""`sojourn watch`: what happens in sessions, as it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._options import CHANGE_KINDS, filter_options, output_option, target_option

if TYPE_CHECKING:
    from sojourn import Client, Event, Session, SessionArchived, SessionDeleted


@click.command()
@click.argument("session_id", metavar="[ID]", required=False)
@target_option
@filter_options
@click.option("--kind", "kinds", multiple=True, type=click.Choice(CHANGE_KINDS), metavar="KIND",
              help="Only events with a change of this kind, for example `message_appended`; repeatable.")  # fmt: skip
@click.option("--after", metavar="CURSOR", help="Begin after this cursor; with an ID a revision will do. [now]")
@click.option("--snapshot", is_flag=True, help="Begin with what is there now.")
@click.option("--until-ended", is_flag=True, help="Stop when the session has ended; needs an ID.")
@output_option("table", "json")
def watch(session_id: str | None, target: str, output: str, **how: Any) -> None:
    """Show what happens in a session, or without an ID in all sessions, until Ctrl-C.

    Connections that break are taken up again: every event comes once and in order. `--output json` prints one event a
    line, at once; with --snapshot lines with a `snapshot` come first.
    """
    if session_id is not None and (how["user"] or how["project"] or how["tags"]):
        raise click.UsageError("--user, --project and --tag choose among all sessions: leave out the ID.")
    if session_id is None and how["until_ended"]:
        raise click.UsageError("--until-ended needs the ID of a session.")
    if how["after"] and how["snapshot"]:
        raise click.UsageError("--after and --snapshot exclude each other: each says where to begin.")
    printer = _Printer(output == "json", name_session=session_id is None)
    run(_watch(session_id, target, printer, **how), target=target)


async def _watch(
    session_id: str | None,
    target: str,
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
        async with connected(target) as client:
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

    def __init__(self, as_json: bool, *, name_session: bool) -> None:
        self._as_json = as_json
        self._name_session = name_session

    def live(self) -> None:
        """Tells that whatever is committed from here on will be shown."""
        self.note("watching; Ctrl-C ends")

    def note(self, text: str) -> None:
        """Says something that is no event."""
        if not self._as_json:
            click.secho(text, dim=True, err=True)

    def snapshot(self, session: Session) -> None:
        """Prints a session as it is."""
        from ._text import json_line

        if self._as_json:
            click.echo(json_line({"snapshot": session.model_dump(mode="json")}))
            return
        from ._conversation_view import print_header
        from ._text import console

        print_header(console(), session, with_state=True)
        console().print()

    def event(self, event: Event | SessionDeleted | SessionArchived) -> None:
        """Prints an event, or that a session was deleted or archived."""
        from sojourn.models import SessionArchived, SessionDeleted

        from ._text import clean

        if self._as_json:
            click.echo(event.model_dump_json())
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
