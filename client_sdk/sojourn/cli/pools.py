"""`sojourn pools`: slots that requests of many sessions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ._completing import pool_names
from ._errors import run
from ._help import command
from ._options import server_options
from ._output import output_option, print_each

if TYPE_CHECKING:
    from sojourn.models import Pool

    from ._profiles import Server

_LARGEST = 10_000


@command(examples=["sojourn pools", "sojourn pools browsers --size 10"])
@click.argument("name", metavar="[NAME]", required=False, shell_complete=pool_names)
@server_options
@click.option(
    "--size", type=click.IntRange(0, _LARGEST), metavar="N",
    help="Make the pool NAME, or change its size; 0 removes it.",
)  # fmt: skip
@output_option()
def pools(name: str | None, server: Server, size: int | None, output: str) -> None:
    """List the pools, or show, make, resize or remove one.

    A pool that shrinks takes no slot away from its holder.
    """
    if name is None and size is not None:
        raise click.UsageError("--size needs the NAME of a pool.")
    run(_pools(name, server, size, output), server=server)


async def _pools(name: str | None, server: Server, size: int | None, output: str) -> None:
    from ._connect import connected

    async with connected(server) as client:
        if name is None:
            _print(await client.pools(), output)
        elif size is None:
            _print([await client.pool(name).info()], output)
        else:
            _print([await client.pool(name).resize(size)], output)


def _print(found: Sequence[Pool], output: str) -> None:
    from ._requests_view import pools_table
    from ._text import console

    if output != "table":
        print_each(found, output)
    elif found:
        console().print(pools_table(found))
    else:
        click.echo("no pools; `sojourn pools NAME --size N` makes one", err=True)
