"""`sojourn list`: the sessions there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import consistency_option, session_options, text_option
from ._options import output_option, target_option

if TYPE_CHECKING:
    from sojourn import Session


@click.command("list")
@target_option
@session_options
@text_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many. [all]")
@click.option("--count", is_flag=True, help="Print only how many there are.")
@consistency_option
@output_option("table", "json")
def list_sessions(target: str, output: str, limit: int | None, count: bool, **query: Any) -> None:
    """List sessions of every tier, newest first.

    `--output json` prints one session a line.
    """
    if count and limit is not None:
        raise click.UsageError("--count and --limit exclude each other: all that match are counted.")
    run(_count(target, **query) if count else _list(target, output, limit, **query), target=target)


async def _list(target: str, output: str, limit: int | None, **query: Any) -> None:
    from ._connect import connected
    from ._found_view import tell_lag
    from ._text import json_line

    async with connected(target) as client:
        found = client.list_sessions(limit=limit, **query)
        if output == "json":
            async for session in found:
                click.echo(json_line(session.model_dump(mode="json")))
        else:
            _print_table([session async for session in found])
        tell_lag(found.lag)


async def _count(target: str, **query: Any) -> None:
    from ._connect import connected

    async with connected(target) as client:
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
