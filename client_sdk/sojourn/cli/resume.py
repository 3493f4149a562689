"""`sojourn resume`: a session that has ended goes on."""

from __future__ import annotations

import click

from ._errors import run
from ._options import target_option


@click.command()
@click.argument("session_id", metavar="SESSION")
@target_option
def resume(session_id: str, target: str) -> None:
    """Make SESSION active again, from whichever tier: the same id, its whole history, the next revision."""
    run(_resume(session_id, target), target=target)


async def _resume(session_id: str, target: str) -> None:
    from ._connect import connected
    from ._text import clean

    async with connected(target, retry_for=120) as client:
        session = client.session(session_id)
        resumed = await session.resume()
    said = "is active again" if resumed else "was active already"
    click.echo(f"{clean(session_id)} {said}, at revision {session.revision}")
