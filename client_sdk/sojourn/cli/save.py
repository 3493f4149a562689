"""`sojourn save`: a snapshot now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn save qa-17"])
@session_argument()
@output_option()
@server_options
def save(session_id: str, server: Server, output: str) -> None:
    """Write a snapshot of SESSION to the blob store now, read it back and verify it; print its path there."""
    run(_save(session_id, server, output), server=server)


async def _save(session_id: str, server: Server, output: str) -> None:
    from ._connect import connected

    async with connected(server, retry_for=120) as client:
        storage = await client.session(session_id).save()
    if output != "table":
        print_data({"session_id": session_id, **storage.model_dump(mode="json")}, output)
        return
    click.echo(storage.snapshot_path or storage.archive_path)
