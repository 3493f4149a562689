"""`sojourn import`: a session out of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._errors import CommandError, run
from ._help import command
from ._options import dry_run_option, server_options
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(
    "import",
    examples=[
        "sojourn import qa-17.sojourn",
        "sojourn import qa-17.sojourn --new-id",
        "sojourn import qa-17.sojourn --dry-run",
    ],
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@server_options
@click.option("--id", "session_id", metavar="ID", help="Id that the session gets. [the one in the file]")
@click.option("--new-id", is_flag=True, help="Give the session a new id.")
@dry_run_option
@output_option()
def import_session(file: str, server: Server, session_id: str | None, new_id: bool, dry_run: bool, output: str) -> None:
    """Store a session from a file of `sojourn export` (`-` reads standard input): whole, or not at all.

    Nothing in the file is trusted: what is wrong with it, and where, is said, and nothing of it is stored.
    `--dry-run` checks it and says what is in it.
    """
    if session_id and new_id:
        raise click.UsageError("--id and --new-id exclude each other")
    run(_import(file, server, session_id, new_id, dry_run, output), server=server)


async def _import(file: str, server: Server, session_id: str | None, new_id: bool, dry_run: bool, output: str) -> None:
    from sojourn import SessionAlreadyExistsError

    from ._connect import connected
    from ._text import counted
    from ._transfer_progress import transfer_progress

    async with connected(server) as client:
        try:
            with transfer_progress("importing") as progress:
                found = await client.import_session(
                    sys.stdin.buffer if file == "-" else Path(file), session_id=session_id, new_id=new_id,
                    dry_run=dry_run, progress=progress,
                )  # fmt: skip
        except SessionAlreadyExistsError as error:
            raise CommandError(str(error), hint="--id ID or --new-id gives it another id") from None
    if output != "table":
        print_data(found, output)
        return
    session = found.session
    said = f"would be {session.id or 'a new session'}" if dry_run else f"is {session.id}"
    parts = [str(session.status), counted(found.events, "event")]
    if found.artifacts:
        parts.append(counted(found.artifacts, "artifact"))
    click.echo(f"{found.source_session_id} {said}: {', '.join(parts)}")
