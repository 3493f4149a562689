"""`sojourn cleanup`: deletes, ends or archives many sessions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ._errors import CommandError, run
from ._finding_options import session_options, text_option
from ._options import output_option, target_option
from ._param_types import duration

if TYPE_CHECKING:
    from sojourn import CleanupProgress, Client

ACTIONS = ("delete", "abandon", "archive")
_DONE = {"delete": "deleted", "abandon": "abandoned", "archive": "archived"}


@click.command()
@target_option
@click.option("--older-than", type=duration, metavar="TIME", help="Whose last write is at least so long ago: 30d.")
@click.option("--keep-newest", type=click.IntRange(min=0), metavar="N",
              help="Keep N of those selected: the ones written to last.")  # fmt: skip
@text_option
@session_options
@click.option("--action", type=click.Choice(ACTIONS), default="delete", show_default=True,
              help="Delete; end the active ones as abandoned; move ended ones out of the active store.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@output_option("table", "json")
def cleanup(target: str, action: str, dry_run: bool, yes: bool, output: str, **query: Any) -> None:
    """Delete, end or archive many sessions. Those with a live request are never touched.

    Something must be said of which: a condition, `--older-than` or `--keep-newest`. Asks before it deletes; where
    nobody can be asked, `--yes` is needed. `--output json` prints one session a line.
    """
    if not any(value or value == 0 for value in query.values()):
        raise click.UsageError("Say which: a condition, --older-than or --keep-newest.")
    asks = action == "delete" and not dry_run and not yes
    if asks and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: --yes deletes, --dry-run tells what would be deleted.")
    run(_cleanup(target, action, dry_run, asks, output, query), target=target)


async def _cleanup(target: str, action: str, dry_run: bool, asks: bool, output: str, query: dict[str, Any]) -> None:
    from ._connect import connected
    from ._text import counted

    async with connected(target) as client:
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

    from ._text import clean, json_line
    from ._transfer_progress import transfer_progress

    progress = CleanupProgress()
    with transfer_progress(what, in_bytes=False) as show:
        async for progress in client.cleanup(**how):
            for session in progress.sessions:
                if output == "json":
                    click.echo(json_line(session.model_dump(mode="json")))
                elif output == "table":
                    click.echo(f"{clean(session.id)}  {session.status}  {session.tier}")
            show(progress.cleaned + progress.skipped, progress.selected)
    return progress
