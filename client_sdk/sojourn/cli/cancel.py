"""`sojourn cancel`: asks a request to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn cancel qa-17 plan-7 --reason 'takes too long'", "sojourn cancel qa-17 plan-7 --force"])
@session_argument()
@click.argument("request_id", metavar="REQUEST")
@server_options
@click.option("--reason", default="", metavar="TEXT", help="Why; the holder is told, and the session's events keep it.")
@click.option("--force", is_flag=True, help="Take the lease away at once, whatever the holder does.")
@output_option()
def cancel(session_id: str, request_id: str, server: Server, reason: str, force: bool, output: str) -> None:
    """Ask a request to stop.

    One that is queued ends at once. One that is admitted is told and goes on until it stops by itself; with --force it
    ends at once as lost, and what its holder still writes with its fencing token is refused.
    """
    run(_cancel(session_id, request_id, server, output, reason=reason, force=force), server=server)


async def _cancel(session_id: str, request_id: str, server: Server, output: str, *, reason: str, force: bool) -> None:
    from ._connect import connected
    from ._text import clean

    async with connected(server) as client:
        ended = await client.cancel_request(session_id, request_id, reason=reason, force=force)
    if output != "table":
        print_data({"session_id": session_id, "request_id": request_id, "ended": ended}, output)
        return
    name = clean(request_id)
    click.echo(f"{name} has ended" if ended else f"{name} was asked to stop; it is admitted until it does")
