"""`sojourn resume`: a session that has ended goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn resume qa-17"])
@session_argument()
@output_option()
@server_options
def resume(session_id: str, server: Server, output: str) -> None:
    """Make SESSION active again, from whichever tier: the same id, its whole history, the next revision."""
    run(_resume(session_id, server, output), server=server)


async def _resume(session_id: str, server: Server, output: str) -> None:
    from ._connect import connected
    from ._text import clean

    async with connected(server, retry_for=120) as client:
        session = client.session(session_id)
        resumed = await session.resume()
    if output != "table":
        print_data({"session_id": session_id, "resumed": resumed, "revision": session.revision}, output)
        return
    said = "is active again" if resumed else "was active already"
    click.echo(f"{clean(session_id)} {said}, at revision {session.revision}")
