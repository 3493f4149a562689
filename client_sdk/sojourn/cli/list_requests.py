"""`sojourn requests`: the work in flight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._completing import pool_names
from ._errors import run
from ._help import command
from ._options import REQUEST_STATES, limit_option, server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn.models import Request

    from ._profiles import Server


@command("requests", examples=["sojourn requests qa-17", "sojourn requests --pool browsers --status queued"])
@session_argument(metavar="[SESSION]", required=False)
@server_options
@click.option("--user", metavar="ID", help="In sessions of this user.")
@click.option("--project", metavar="NAME", help="In sessions of this project.")
@click.option("--pool", metavar="NAME", shell_complete=pool_names, help="That take a slot from this pool.")
@click.option("--status", "states", multiple=True, type=click.Choice(REQUEST_STATES),
              help="In this status; repeatable: any.")  # fmt: skip
@click.option("--state", "old_states", multiple=True, type=click.Choice(REQUEST_STATES), hidden=True,
              help="As --status.")  # fmt: skip
@limit_option()
@output_option()
def list_requests(session_id: str | None, server: Server, output: str, **query: Any) -> None:
    """List live requests, of one session or of all.

    The oldest come first.
    """
    chosen = {*query.pop("states"), *query.pop("old_states")}
    query["state"] = chosen.pop() if len(chosen) == 1 else None  # there are but two
    if session_id is not None and (query["user"] or query["project"]):
        raise click.UsageError("--user and --project choose among all sessions: leave out the SESSION.")
    run(_list(session_id, server, output, **query), server=server)


async def _list(
    session_id: str | None,
    server: Server,
    output: str,
    *,
    user: str | None,
    project: str | None,
    pool: str | None,
    state: str | None,
    limit: int | None,
) -> None:
    from ._connect import connected

    async with connected(server) as client:
        found = client.requests(
            session_id=session_id, user_id=user, project=project, pool=pool, state=state, limit=limit
        )
        if output == "table":
            _print_table([request async for request in found])
        else:
            async for request in found:
                print_data(request, output)


def _print_table(requests: Sequence[Request]) -> None:
    from datetime import UTC, datetime

    from ._requests_view import requests_table
    from ._text import console

    if requests:
        console().print(requests_table(requests, datetime.now(UTC)))
    else:
        click.echo("no requests", err=True)
