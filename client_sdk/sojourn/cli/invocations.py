"""`sojourn invocations`: what tools were used for, whatever the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import consistency_option, invocation_options
from ._help import command
from ._options import limit_option, server_options
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Invocation

    from ._profiles import Server


@command(
    examples=[
        "sojourn invocations --tool search_flights --status failed --since 7d",
        "sojourn invocations --slower-than 2s --project qa -o yaml",
    ]
)
@server_options
@invocation_options
@limit_option()
@consistency_option
@output_option()
def invocations(server: Server, output: str, **query: Any) -> None:
    """List the tool invocations of all sessions, newest start first.

    JSON (one invocation a line) and YAML have their whole arguments and results.
    """
    run(_list(server, output, **query), server=server)


async def _list(server: Server, output: str, **query: Any) -> None:
    from ._connect import connected
    from ._text import tell_lag

    async with connected(server) as client:
        found = client.invocations(**query)
        if output == "table":
            _print_table([invocation async for invocation in found])
        else:
            async for invocation in found:
                print_data(invocation, output)
        tell_lag(found.lag)


def _print_table(invocations: Sequence[Invocation]) -> None:
    from ._found_view import invocations_table
    from ._text import console

    if invocations:
        console().print(invocations_table(invocations))
    else:
        click.echo("no invocations", err=True)
