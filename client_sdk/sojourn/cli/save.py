"""`sojourn save`: a snapshot now."""

from __future__ import annotations

import click

from ._errors import run
from ._options import target_option


@click.command()
@click.argument("session_id", metavar="SESSION")
@target_option
def save(session_id: str, target: str) -> None:
    """Write a snapshot of SESSION to the blob store now, read it back and verify it; print its path there."""
    run(_save(session_id, target), target=target)


async def _save(session_id: str, target: str) -> None:
    from ._connect import connected

    async with connected(target, retry_for=120) as client:
        storage = await client.session(session_id).save()
    click.echo(storage.snapshot_path or storage.archive_path)
