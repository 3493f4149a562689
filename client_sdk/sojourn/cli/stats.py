"""`sojourn stats`: what sessions did, summed up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from ._errors import run
from ._finding_options import session_options, text_option
from ._help import command
from ._options import server_options, session_argument
from ._output import output_option, print_data
from ._param_types import duration

if TYPE_CHECKING:
    from sojourn import SessionStatistics, StatisticsReport

    from ._profiles import Server

_PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


def period(text: str) -> timedelta:
    """`hour`, `day`, `week`, or a duration."""
    return _PERIODS.get(text) or duration(text)


@command(
    examples=[
        "sojourn stats nightly-42 --children",
        "sojourn stats --project shop --created-after 7d --period day",
        "sojourn stats --by user --status failed -o json",
    ]
)
@session_argument(metavar="[SESSION]", required=False)
@server_options
@click.option("--children", is_flag=True, help="With SESSION: sum up all sessions below it, too.")
@click.option("--by", "group_by", type=click.Choice(("user", "project")), help="Split by user or project.")
@click.option("--period", type=period, metavar="TIME", help="Split by time of creation: hour, day, week, 12h.")
@text_option
@session_options
@output_option()
def stats(session_id: str | None, server: Server, children: bool, output: str, **query: Any) -> None:
    """Sum up what SESSION did, or all sessions that match: messages, tools, tokens, cost, outcomes of steps.

    Of many sessions the last few seconds may be missing; of SESSION nothing is.
    """
    given = sorted(name for name, value in query.items() if value)
    if session_id is not None and given:
        raise click.UsageError("SESSION and conditions exclude each other.")
    if session_id is None and children:
        raise click.UsageError("--children needs a SESSION.")
    work = _one(session_id, server, children, output) if session_id is not None else _many(server, output, query)
    run(work, server=server)


async def _one(session_id: str, server: Server, children: bool, output: str) -> None:
    from ._connect import connected

    async with connected(server) as client:
        found = await client.session(session_id).statistics(include_children=children)
    _print(found, output)


async def _many(server: Server, output: str, query: dict[str, Any]) -> None:
    from ._connect import connected

    async with connected(server) as client:
        found = await client.statistics(**query)
    _print(found, output)


def _print(found: SessionStatistics | StatisticsReport, output: str) -> None:
    from ._stats_view import print_statistics
    from ._text import console

    if output != "table":
        print_data(found, output)
    else:
        print_statistics(console(), found)
