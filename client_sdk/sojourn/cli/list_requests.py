"""`sojourn requests`: the work in flight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._options import REQUEST_STATES, output_option, target_option

if TYPE_CHECKING:
    from sojourn.models import Request


@click.command("requests")
@click.argument("session_id", metavar="[SESSION]", required=False)
@target_option
@click.option("--user", metavar="ID", help="Requests in sessions of this user.")
@click.option("--project", metavar="NAME", help="Requests in sessions of this project.")
@click.option("--pool", metavar="NAME", help="Requests that take a slot from this pool.")
@click.option("--state", type=click.Choice(REQUEST_STATES), help="Requests in this state.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many. [all]")
@output_option("table", "json")
def list_requests(session_id: str | None, target: str, output: str, **query: Any) -> None:
    """List live requests, of one session or of all.

    The oldest come first. `--output json` prints one request a line.
    """
    if session_id is not None and (query["user"] or query["project"]):
        raise click.UsageError("--user and --project choose among all sessions: leave out the SESSION.")
    run(_list(session_id, target, output, **query), target=target)


async def _list(
    session_id: str | None,
    target: str,
    output: str,
    *,
    user: str | None,
    project: str | None,
    pool: str | None,
    state: str | None,
    limit: int | None,
) -> None:
    from ._connect import connected
    from ._text import json_line

    async with connected(target) as client:
        found = client.requests(
            session_id=session_id, user_id=user, project=project, pool=pool, state=state, limit=limit
        )
        if output == "json":
            async for request in found:
                click.echo(json_line(request.model_dump(mode="json")))
        else:
            _print_table([request async for request in found])


def _print_table(requests: Sequence[Request]) -> None:
    from datetime import UTC, datetime

    from ._requests_view import requests_table
    from ._text import console

    if requests:
        console().print(requests_table(requests, datetime.now(UTC)))
    else:
        click.echo("no requests", err=True)
