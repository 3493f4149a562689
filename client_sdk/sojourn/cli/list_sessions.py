"""`sojourn list`: the sessions there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._options import STATUSES, filter_options, output_option, target_option

if TYPE_CHECKING:
    from sojourn import Session


@click.command("list")
@target_option
@filter_options
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="In this status; repeatable.")
@click.option("--kind", metavar="KIND", help="Sessions of this kind, for example `replay`.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many. [all]")
@output_option("table", "json")
def list_sessions(target: str, output: str, **query: Any) -> None:
    """List sessions, newest first.

    `--output json` prints one session a line.
    """
    run(_list(target, output, **query), target=target)


async def _list(
    target: str,
    output: str,
    *,
    user: str | None,
    project: str | None,
    tags: Sequence[str],
    statuses: Sequence[str],
    kind: str | None,
    limit: int | None,
) -> None:
    from ._connect import connected
    from ._text import json_line

    async with connected(target) as client:
        found = client.list_sessions(
            user_id=user, project=project, status=list(statuses), tags=list(tags), kind=kind, limit=limit
        )
        if output == "json":
            async for session in found:
                click.echo(json_line(session.model_dump(mode="json")))
        else:
            _print_table([session async for session in found])


def _print_table(sessions: Sequence[Session]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ._render import status_text
    from ._text import clean, console, one_line, stamp

    if not sessions:
        click.echo("no sessions", err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("session", overflow="fold", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("user")
    table.add_column("project")
    table.add_column("tags")
    for name in ("messages", "tools", "tokens", "revision"):
        table.add_column(name, justify="right")
    table.add_column("updated", no_wrap=True)
    for session in sessions:
        table.add_row(
            Text(clean(session.id)),
            status_text(session.status),
            Text(one_line(session.user_id, 24)),
            Text(one_line(session.project, 24)),
            Text(one_line(" ".join(session.tags), 32)),
            f"{session.counters.messages:,}",
            f"{session.counters.invocations:,}",
            f"{session.usage.total_tokens:,}",
            f"{session.revision:,}",
            stamp(session.update_time),
        )
    console().print(table)
