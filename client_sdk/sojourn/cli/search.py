"""`sojourn search`: sessions by what was said and done in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ._errors import run
from ._finding_options import TEXT_SOURCES, consistency_option, session_options
from ._options import output_option, target_option


@click.command()
@click.argument("words", metavar="QUERY...", nargs=-1, required=True)
@target_option
@click.option("--source", "sources", multiple=True, type=click.Choice(TEXT_SOURCES),
              help="Only texts of this kind; repeatable.")  # fmt: skip
@session_options
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
              help="At most this many sessions.")  # fmt: skip
@consistency_option
@output_option("table", "json")
def search(words: Sequence[str], target: str, output: str, **query: Any) -> None:
    """Find sessions by their texts: purpose, messages, arguments and results of tools, logs. Best match first.

    The words must all be in one text, in any order; words between double quotes stand together:
    `sojourn search '"seat map" refund'`. `--output json` prints one session with its fragments a line.
    """
    run(_search(" ".join(words), target, output, **query), target=target)


async def _search(query: str, target: str, output: str, **how: Any) -> None:
    from ._connect import connected
    from ._found_view import found_lines, tell_lag
    from ._text import console, json_line

    count = 0
    async with connected(target) as client:
        results = client.search(query, **how)
        async for found in results:
            if output == "json":
                click.echo(json_line(found.model_dump(mode="json")))
                continue
            if count:
                console().print()
            for line in found_lines(found):
                console().print(line, soft_wrap=True)
            count += 1
        tell_lag(results.lag)
    if not count and output != "json":
        click.echo("nothing found", err=True)
