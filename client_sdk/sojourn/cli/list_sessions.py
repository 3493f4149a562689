"""`sojourn list`: the sessions there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import consistency_option, session_options, text_option
from ._help import command
from ._options import limit_option, quiet_option, server_options
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Session

    from ._profiles import Server


@command(
    "list",
    examples=[
        "sojourn list --status active --tag travel --limit 20",
        "sojourn list --project qa --status failed --ended-after 7d --metadata suite=checkout --count",
        "sojourn rm $(sojourn list --quiet --project scratch)",
    ],
)
@server_options
@session_options
@text_option
@limit_option()
@click.option("--count", is_flag=True, help="Print only how many there are.")
@quiet_option
@consistency_option
@output_option()
def list_sessions(
    server: Server, output: str, limit: int | None, count: bool, quiet: bool, **query: Any
) -> None:  # fmt: skip
    """List sessions of every tier, newest first."""
    if count and limit is not None:
        raise click.UsageError("--count and --limit exclude each other: all that match are counted.")
    run(_count(server, **query) if count else _list(server, "ids" if quiet else output, limit, **query), server=server)


async def _list(server: Server, output: str, limit: int | None, **query: Any) -> None:
    from ._connect import connected
    from ._text import tell_lag

    async with connected(server) as client:
        found = client.list_sessions(limit=limit, **query)
        if output == "table":
            _print_table([session async for session in found])
        else:
            async for session in found:
                click.echo(session.id) if output == "ids" else print_data(session, output)
        tell_lag(found.lag)


async def _count(server: Server, **query: Any) -> None:
    from ._connect import connected

    async with connected(server) as client:
        click.echo(await client.count_sessions(**query))


def _print_table(sessions: Sequence[Session]) -> None:
    from rich.text import Text

    from ._render import status_text
    from ._tables import filled_table
    from ._text import clean, console, one_line, stamp

    if not sessions:
        click.echo("no sessions", err=True)
        return
    columns = {
        "session": [Text(clean(each.id)) for each in sessions],
        "status": [status_text(each.status) for each in sessions],
        "tier": [Text("" if each.storage.tier in ("hot", "unknown") else each.storage.tier) for each in sessions],
        "user": [Text(one_line(each.user_id, 24)) for each in sessions],
        "project": [Text(one_line(each.project, 24)) for each in sessions],
        "tags": [Text(one_line(" ".join(each.tags), 32)) for each in sessions],
        "messages": [Text(f"{each.counters.messages:,}") for each in sessions],
        "tools": [Text(f"{each.counters.invocations:,}") for each in sessions],
        "tokens": [Text(f"{each.usage.total_tokens:,}") for each in sessions],
        "revision": [Text(f"{each.revision:,}") for each in sessions],
        "updated": [Text(stamp(each.update_time)) for each in sessions],
    }
    numbers = ("messages", "tools", "tokens", "revision")
    console().print(filled_table(columns, whole=("session", "status", "updated"), right=numbers))
