"""`sojourn cancel`: asks a request to stop."""

from __future__ import annotations

import click

from ._errors import run
from ._options import target_option


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.argument("request_id", metavar="REQUEST")
@target_option
@click.option("--reason", default="", metavar="TEXT", help="Why; the holder is told, and the session's events keep it.")
@click.option("--force", is_flag=True, help="Take the lease away at once, whatever the holder does.")
def cancel(session_id: str, request_id: str, target: str, reason: str, force: bool) -> None:
    """Ask a request to stop.

    One that is queued ends at once. One that is admitted is told and goes on until it stops by itself; with --force it
    ends at once as lost, and what its holder still writes with its fencing token is refused.
    """
    run(_cancel(session_id, request_id, target, reason=reason, force=force), target=target)


async def _cancel(session_id: str, request_id: str, target: str, *, reason: str, force: bool) -> None:
    from ._connect import connected
    from ._text import clean

    async with connected(target) as client:
        ended = await client.cancel_request(session_id, request_id, reason=reason, force=force)
    name = clean(request_id)
    click.echo(f"{name} has ended" if ended else f"{name} was asked to stop; it is admitted until it does")
