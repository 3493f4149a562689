"""`sojourn pools`: slots that requests of many sessions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ._errors import run
from ._options import output_option, target_option

if TYPE_CHECKING:
    from sojourn.models import Pool

_LARGEST = 10_000


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@target_option
@click.option(
    "--size", type=click.IntRange(0, _LARGEST), metavar="N",
    help="Make the pool NAME, or change its size; 0 removes it.",
)  # fmt: skip
@output_option("table", "json")
def pools(name: str | None, target: str, size: int | None, output: str) -> None:
    """List the pools, or show, make, resize or remove one.

    A pool that shrinks takes no slot away from its holder. `--output json` prints one pool a line.
    """
    if name is None and size is not None:
        raise click.UsageError("--size needs the NAME of a pool.")
    run(_pools(name, target, size, output), target=target)


async def _pools(name: str | None, target: str, size: int | None, output: str) -> None:
    from ._connect import connected

    async with connected(target) as client:
        if name is None:
            _print(await client.pools(), output)
        elif size is None:
            _print([await client.pool(name).info()], output)
        else:
            _print([await client.pool(name).resize(size)], output)


def _print(found: Sequence[Pool], output: str) -> None:
    from ._requests_view import pools_table
    from ._text import console, json_line

    if output == "json":
        for pool in found:
            click.echo(json_line(pool.model_dump(mode="json")))
    elif found:
        console().print(pools_table(found))
    else:
        click.echo("no pools; `sojourn pools NAME --size N` makes one", err=True)
