"""`sojourn fork`: a session with another's history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn fork qa-17", "sojourn fork qa-17 --at 40 --id qa-17-again"])
@session_argument()
@server_options
@click.option("--at", "at_revision", type=click.IntRange(min=1), metavar="REVISION",
              help="The last revision they share. [the present one]")  # fmt: skip
@click.option("--id", "new_id", metavar="ID", help="Id of the fork. [the server mints one]")
@output_option()
def fork(session_id: str, server: Server, at_revision: int | None, new_id: str | None, output: str) -> None:
    """Make a new session whose state and history are SESSION's up to a revision; print its id.

    SESSION stays as it is.
    """
    run(_fork(session_id, server, at_revision, new_id, output), server=server)


async def _fork(session_id: str, server: Server, at_revision: int | None, new_id: str | None, output: str) -> None:
    from ._connect import connected

    async with connected(server, retry_for=120) as client:
        forked = await client.session(session_id).fork(at_revision=at_revision, session_id=new_id)
    if output == "table":
        click.echo(forked.id)
    else:
        print_data(forked.info, output)
