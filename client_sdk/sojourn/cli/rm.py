"""`sojourn rm`: deletes sessions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ._errors import CommandError, ExitCode, explain, run
from ._help import command
from ._options import server_options, session_argument, yes_option
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Client

    from ._profiles import Server


@command(
    "rm",
    examples=[
        "sojourn rm qa-17 qa-18",
        "sojourn rm --yes $(sojourn list --quiet --project scratch --status failed)",
        "sojourn rm qa-17 --if-revision 40 --yes",
    ],
)
@session_argument("session_ids", metavar="SESSION...", nargs=-1, required=True)
@click.option(
    "--if-revision", type=click.IntRange(min=1), metavar="N", help="Only if this is still the revision of SESSION."
)
@yes_option
@output_option()
@server_options
def remove(session_ids: Sequence[str], server: Server, if_revision: int | None, yes: bool, output: str) -> None:
    """Delete sessions for ever, with their history, artifacts and archives.

    Asks first; where nobody can be asked, `--yes` is needed. `sojourn cleanup` deletes many, by conditions, and leaves
    those alone that have a live request. One that is not there does not keep the others; the exit code is then 3.
    """
    chosen = list(dict.fromkeys(session_ids))
    if if_revision is not None and len(chosen) > 1:
        raise click.UsageError("--if-revision is for one SESSION.")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: --yes deletes.")
    run(_remove(chosen, server, if_revision, not yes, output), server=server)


async def _remove(
    session_ids: Sequence[str], server: Server, if_revision: int | None, asks: bool, output: str
) -> None:  # fmt: skip
    from sojourn import SessionNotFoundError

    from ._connect import connected
    from ._text import clean

    missing: list[SessionNotFoundError] = []
    async with connected(server) as client:
        if asks:
            await _ask(client, session_ids)
        for session_id in session_ids:
            try:
                revision = await client.delete_session(session_id, expected_revision=if_revision)
            except SessionNotFoundError as error:
                missing.append(error)
                continue
            if output == "table":
                click.echo(clean(session_id))
            else:
                print_data({"session_id": session_id, "revision": revision}, output)
    if len(missing) > 1:
        names = ", ".join(clean(error.session_id) for error in missing)
        raise CommandError(
            f"there are no sessions {names}",
            hint="`sojourn list` shows the sessions there are",
            code=ExitCode.NOT_FOUND,
        )
    if missing:
        raise explain(missing[0], server)


async def _ask(client: Client, session_ids: Sequence[str]) -> None:
    """Says what would be lost, and asks. Raises CommandError for no."""
    from sojourn import SessionNotFoundError

    from ._text import clean, counted

    there = 0
    for session_id in session_ids:
        try:
            session = (await client.get_session(session_id)).info
        except SessionNotFoundError:
            continue  # which is said when it is to be deleted
        there += 1
        live = session.admitted_requests + session.queued_requests
        facts = [str(session.status), counted(session.revision, "event")]
        facts += [counted(live, "live request")] if live else []
        click.echo(f"{clean(session_id)}: {', '.join(facts)}", err=True)
    if there and not click.confirm(f"Delete {counted(there, 'session')} for ever?", err=True):
        raise CommandError("nothing was deleted")
