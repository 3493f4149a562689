"""`sojourn logs`: the log lines of a session."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from ._errors import run
from ._help import command
from ._options import LOG_LEVELS, server_options, session_argument
from ._output import output_option, print_data

if TYPE_CHECKING:
    from sojourn import Event, SessionHandle

    from ._profiles import Server


class Line(NamedTuple):
    """A line of a session's log."""

    time: datetime
    level: str
    text: str
    revision: int


@command(
    examples=[
        "sojourn logs qa-17 --lines 100",
        "sojourn logs qa-17 --follow --level warning",
        "sojourn logs qa-17 -o json | jq -r .text",
    ]
)
@session_argument()
@click.option("--follow", "-f", is_flag=True, help="Go on with lines as they come, until the session ends or Ctrl-C.")
@click.option("--lines", "-n", type=click.IntRange(min=0), metavar="N", help="Of those there are, the last N. [all]")
@click.option(
    "--level", type=click.Choice(LOG_LEVELS), default=LOG_LEVELS[0], show_default=True,
    help="Only lines that are at least so severe.",
)  # fmt: skip
@output_option()
@server_options
def logs(session_id: str, server: Server, follow: bool, lines: int | None, level: str, output: str) -> None:
    """Print the log of a session, oldest line first.

    With `--follow` every line comes once and in order, through restarts of the server. Steps, messages and tools are
    not in it: `sojourn show` and `sojourn watch` show them.
    """
    run(_logs(session_id, server, follow, lines, level, output), server=server)


async def _logs(
    session_id: str, server: Server, follow: bool, most: int | None, level: str, output: str
) -> None:  # fmt: skip
    from ._connect import connected, telling_interruptions

    with telling_interruptions():
        async with connected(server) as client:
            session = await client.get_session(session_id)
            # What comes after the revision just read is the watch's, so that no line is missing and none comes twice.
            revision = session.info.revision
            for line in await _there(session, revision, most, level):
                _print(line, output)
            if follow:
                await _follow(session, revision, level, output)


async def _there(session: SessionHandle, revision: int, most: int | None, level: str) -> Iterator[Line]:
    """The last lines up to a revision, read from the end as far as they are wanted."""
    kept: deque[Line] = deque()
    if most != 0:
        async for event in session.events(kinds="log_appended", before=revision + 1, reverse=True):
            kept.extendleft(reversed(list(lines_of(event, level))))
            if most is not None and len(kept) >= most:
                break
    while most is not None and len(kept) > most:
        kept.popleft()
    return iter(kept)


async def _follow(session: SessionHandle, revision: int, level: str, output: str) -> None:
    from sojourn.errors import SessionDeletedError

    async with session.watch(after=revision, kinds="log_appended", until_ended=True) as events:
        try:
            async for event in events:
                for line in lines_of(event, level):
                    _print(line, output)
        except SessionDeletedError:
            click.secho("the session was deleted", dim=True, err=True)


def lines_of(event: Event, level: str) -> Iterator[Line]:
    """The log lines in an event that are at least so severe; a level that is not known is shown."""
    from sojourn.changes import LogAppended

    least = LOG_LEVELS.index(level)
    for change in event.changes:
        if isinstance(change, LogAppended):
            severity = LOG_LEVELS.index(change.level) if change.level in LOG_LEVELS else least
            if severity >= least:
                yield Line(event.commit_time, str(change.level), change.text, event.revision)


def _print(line: Line, output: str) -> None:
    from ._text import clean, clock

    if output != "table":
        print_data({**line._asdict(), "time": line.time.isoformat()}, output)
        return
    style = {"warning": "yellow", "error": "red"}.get(line.level)
    head = f"{line.time.astimezone():%Y-%m-%d} {clock(line.time)}  "
    text = clean(line.text).replace("\n", f"\n{'':{len(head) + 9}}")
    click.echo(f"{click.style(head, dim=True)}{click.style(f'{line.level:<7}', fg=style)}  {text}")
