"""`sojourn import`: a session out of a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ._errors import CommandError, run
from ._options import target_option


@click.command("import")
@click.argument("file", metavar="FILE")
@target_option
@click.option("--id", "session_id", metavar="ID", help="Id that the session gets. [the one in the file]")
@click.option("--new-id", is_flag=True, help="Give the session a new id.")
@click.option("--dry-run", is_flag=True, help="Check the file and say what is in it; store nothing.")
def import_session(file: str, target: str, session_id: str | None, new_id: bool, dry_run: bool) -> None:
    """Store a session from a file of `sojourn export` (`-` reads standard input): whole, or not at all.

    Nothing in the file is trusted: what is wrong with it, and where, is said, and nothing of it is stored.
    """
    if session_id and new_id:
        raise click.UsageError("--id and --new-id exclude each other")
    run(_import(file, target, session_id, new_id, dry_run), target=target)


async def _import(file: str, target: str, session_id: str | None, new_id: bool, dry_run: bool) -> None:
    from sojourn import SessionAlreadyExistsError

    from ._connect import connected
    from ._transfer_progress import transfer_progress

    async with connected(target) as client:
        try:
            with transfer_progress("importing") as progress:
                found = await client.import_session(
                    sys.stdin.buffer if file == "-" else Path(file), session_id=session_id, new_id=new_id,
                    dry_run=dry_run, progress=progress,
                )  # fmt: skip
        except SessionAlreadyExistsError as error:
            raise CommandError(str(error), hint="--id ID or --new-id gives it another id") from None
    session = found.session
    said = f"would be {session.id or 'a new session'}" if dry_run else f"is {session.id}"
    parts = [str(session.status), _counted(found.events, "event")]
    if found.artifacts:
        parts.append(_counted(found.artifacts, "artifact"))
    click.echo(f"{found.source_session_id} {said}: {', '.join(parts)}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
