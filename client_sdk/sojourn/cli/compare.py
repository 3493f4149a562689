"""`sojourn compare`: what differs between two sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn compare nightly-41 nightly-42", "sojourn compare nightly-41 nightly-42 --check"])
@session_argument("baseline_id", metavar="BASELINE")
@session_argument()
@server_options
@click.option("--all", "everything", is_flag=True, help="Show the steps that are the same, too.")
@click.option("--check", is_flag=True, help="Exit with 1 when a step that passed in BASELINE does not in SESSION.")
@output_option()
def compare(baseline_id: str, session_id: str, server: Server, everything: bool, check: bool, output: str) -> None:
    """Compare SESSION with BASELINE, what was before: steps, results, state, tools, cost.

    Made for one test run against the run before; `--check` makes a build fail on what has become worse.
    """
    run(_compare(baseline_id, session_id, server, everything, check, output), server=server)


async def _compare(
    baseline_id: str, session_id: str, server: Server, everything: bool, check: bool, output: str
) -> None:
    from ._compare_view import print_comparison
    from ._connect import connected
    from ._errors import CommandError
    from ._text import console, counted

    async with connected(server) as client:
        found = await client.compare(baseline_id, session_id)
    if output != "table":
        print_data(found, output)
    else:
        print_comparison(console(), found, everything=everything)
    if check and found.regressions:
        raise CommandError(f"{counted(len(found.regressions), 'step')} passed before and not now")
