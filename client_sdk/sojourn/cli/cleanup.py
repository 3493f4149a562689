"""`sojourn cleanup`: deletes, ends or archives many sessions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ._errors import CommandError, run
from ._finding_options import session_options, text_option
from ._help import command
from ._options import dry_run_option, server_options, yes_option
from ._output import output_option, print_data
from ._param_types import duration

if TYPE_CHECKING:
    from sojourn import CleanupProgress, Client

    from ._profiles import Server

ACTIONS = ("delete", "abandon", "archive")
_DONE = {"delete": "deleted", "abandon": "abandoned", "archive": "archived"}


@command(
    examples=[
        "sojourn cleanup --project ci --older-than 30d --keep-newest 100 --dry-run",
        "sojourn cleanup --kind qa-session --keep-newest 10 --yes",
        "sojourn cleanup --status active --older-than 2d --action abandon",
    ]
)
@server_options
@click.option("--older-than", type=duration, metavar="TIME", help="Whose last write is at least so long ago: 30d.")
@click.option("--keep-newest", type=click.IntRange(min=0), metavar="N",
              help="Keep N of those selected: the ones written to last.")  # fmt: skip
@text_option
@session_options
@click.option("--action", type=click.Choice(ACTIONS), default="delete", show_default=True,
              help="Delete; end the active ones as abandoned; move ended ones out of the active store.")  # fmt: skip
@dry_run_option
@yes_option
@output_option()
def cleanup(server: Server, action: str, dry_run: bool, yes: bool, output: str, **query: Any) -> None:
    """Delete, end or archive many sessions. Those with a live request are never touched.

    Something must be said of which: a condition, `--older-than` or `--keep-newest`. Asks before it deletes; where
    nobody can be asked, `--yes` is needed. Each session is a line.
    """
    if not any(value or value == 0 for value in query.values()):
        raise click.UsageError("Say which: a condition, --older-than or --keep-newest.")
    asks = action == "delete" and not dry_run and not yes
    if asks and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: --yes deletes, --dry-run tells what would be deleted.")
    run(_cleanup(server, action, dry_run, asks, output, query), server=server)


async def _cleanup(server: Server, action: str, dry_run: bool, asks: bool, output: str, query: dict[str, Any]) -> None:
    from ._connect import connected
    from ._text import counted

    async with connected(server) as client:
        if asks:
            would = await _go(client, "looking", "quiet", action=action, dry_run=True, **query)
            if not would.cleaned:
                click.echo("no sessions to delete", err=True)
                return
            if not click.confirm(f"Delete {counted(would.cleaned, 'session')} for ever?", err=True):
                raise CommandError("nothing was deleted")
        done = await _go(client, "cleaning up", output, action=action, dry_run=dry_run, **query)
    said = f"{'would be ' if dry_run else ''}{_DONE[action]}"
    skipped = f", {done.skipped:,} left alone" if done.skipped else ""
    click.echo(f"{counted(done.cleaned, 'session')} {said}{skipped}", err=True)


async def _go(client: Client, what: str, output: str, **how: Any) -> CleanupProgress:
    """Does it, printing each session and how far it is; the last progress."""
    from sojourn import CleanupProgress

    from ._text import clean
    from ._transfer_progress import transfer_progress

    progress = CleanupProgress()
    with transfer_progress(what, in_bytes=False) as show:
        async for progress in client.cleanup(**how):
            for session in progress.sessions:
                if output == "table":
                    click.echo(f"{clean(session.id)}  {session.status}  {session.tier}")
                elif output != "quiet":
                    print_data(session, output)
            show(progress.cleaned + progress.skipped, progress.selected)
    return progress
