"""`sojourn compare`: what differs between two sessions."""

from __future__ import annotations

import click

from ._errors import run
from ._options import output_option, target_option


@click.command()
@click.argument("baseline_id", metavar="BASELINE")
@click.argument("session_id", metavar="SESSION")
@target_option
@click.option("--all", "everything", is_flag=True, help="Show the steps that are the same, too.")
@click.option("--check", is_flag=True, help="Exit with 1 when a step that passed in BASELINE does not in SESSION.")
@output_option("table", "json")
def compare(baseline_id: str, session_id: str, target: str, everything: bool, check: bool, output: str) -> None:
    """Compare SESSION with BASELINE, what was before: steps, results, state, tools, cost.

    Made for one test run against the run before; `--check` makes a build fail on what has become worse.
    """
    run(_compare(baseline_id, session_id, target, everything, check, output), target=target)


async def _compare(baseline_id: str, session_id: str, target: str, everything: bool, check: bool, output: str) -> None:
    from ._compare_view import print_comparison
    from ._connect import connected
    from ._errors import CommandError
    from ._text import console, counted, json_line

    async with connected(target) as client:
        found = await client.compare(baseline_id, session_id)
    if output == "json":
        click.echo(json_line(found.model_dump(mode="json")))
    else:
        print_comparison(console(), found, everything=everything)
    if check and found.regressions:
        raise CommandError(f"{counted(len(found.regressions), 'step')} passed before and not now")
