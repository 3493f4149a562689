"""`sojourn invocations`: what tools were used for, whatever the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import consistency_option, invocation_options
from ._options import output_option, target_option

if TYPE_CHECKING:
    from sojourn import Invocation


@click.command()
@target_option
@invocation_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most this many. [all]")
@consistency_option
@output_option("table", "json")
def invocations(target: str, output: str, **query: Any) -> None:
    """List the tool invocations of all sessions, newest start first.

    `--output json` prints one invocation a line, with its whole arguments and result.
    """
    run(_list(target, output, **query), target=target)


async def _list(target: str, output: str, **query: Any) -> None:
    from ._connect import connected
    from ._found_view import tell_lag
    from ._text import json_line

    async with connected(target) as client:
        found = client.invocations(**query)
        if output == "json":
            async for invocation in found:
                click.echo(json_line(invocation.model_dump(mode="json")))
        else:
            _print_table([invocation async for invocation in found])
        tell_lag(found.lag)


def _print_table(invocations: Sequence[Invocation]) -> None:
    from ._found_view import invocations_table
    from ._text import console

    if invocations:
        console().print(invocations_table(invocations))
    else:
        click.echo("no invocations", err=True)
