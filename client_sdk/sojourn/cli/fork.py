"""`sojourn fork`: a session with another's history."""

from __future__ import annotations

import click

from ._errors import run
from ._options import target_option


@click.command()
@click.argument("session_id", metavar="SESSION")
@target_option
@click.option("--at", "at_revision", type=click.IntRange(min=1), metavar="REVISION",
              help="The last revision they share. [the present one]")  # fmt: skip
@click.option("--id", "new_id", metavar="ID", help="Id of the fork. [the server mints one]")
def fork(session_id: str, target: str, at_revision: int | None, new_id: str | None) -> None:
    """Make a new session whose state and history are SESSION's up to a revision; print its id.

    SESSION stays as it is.
    """
    run(_fork(session_id, target, at_revision, new_id), target=target)


async def _fork(session_id: str, target: str, at_revision: int | None, new_id: str | None) -> None:
    from ._connect import connected

    async with connected(target, retry_for=120) as client:
        forked = await client.session(session_id).fork(at_revision=at_revision, session_id=new_id)
    click.echo(forked.id)
