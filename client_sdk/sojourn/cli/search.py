"""`sojourn search`: sessions by what was said and done in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import TEXT_SOURCES, consistency_option, session_options
from ._help import command
from ._options import limit_option, quiet_option, server_options
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(
    examples=[
        "sojourn search refund policy",
        "sojourn search '\"seat map\" refund' --source message --user ada --updated-after 30d",
    ]
)
@click.argument("words", metavar="QUERY...", nargs=-1, required=True)
@server_options
@click.option("--source", "sources", multiple=True, type=click.Choice(TEXT_SOURCES),
              help="Only texts of this kind; repeatable.")  # fmt: skip
@session_options
@limit_option(20)
@consistency_option
@quiet_option
@output_option()
def search(words: Sequence[str], server: Server, output: str, quiet: bool, **query: Any) -> None:
    """Find sessions by their texts: purpose, messages, arguments and results of tools, logs. Best match first.

    The words must all be in one text, in any order; words between double quotes stand together:
    `sojourn search '"seat map" refund'`. Each session comes with the pieces that match best.
    """
    run(_search(" ".join(words), server, "ids" if quiet else output, **query), server=server)


async def _search(query: str, server: Server, output: str, **how: Any) -> None:
    from ._connect import connected
    from ._text import console, tell_lag

    count = 0
    async with connected(server) as client:
        results = client.search(query, **how)
        async for found in results:
            if output != "table":
                click.echo(found.session.id) if output == "ids" else print_data(found, output)
                continue
            from ._found_view import found_lines

            if count:
                console().print()
            for line in found_lines(found):
                console().print(line, soft_wrap=True)
            count += 1
        tell_lag(results.lag)
    if not count and output == "table":
        click.echo("nothing found", err=True)
