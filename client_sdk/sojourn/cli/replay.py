"""`sojourn replay`: recorded conversations become sessions."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ._errors import CommandError, run
from ._help import command
from ._options import label_options, server_options
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server
    from ._replaying import Tally

_FAILURES_SHOWN = 10


class _Speed(click.ParamType[float | None]):
    """`max`, or a positive number."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """None for `max`."""
        if value is None or value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not (speed > 0 and math.isfinite(speed)):
            self.fail(f"{value!r} is neither 'max' nor a positive number", param, ctx)
        return speed


@command(
    examples=[
        "sojourn replay trajectories.jsonl.gz --concurrency 32",
        "sojourn replay chats.jsonl --speed 10 --project support",
    ]
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@server_options
@click.option("--concurrency", type=click.IntRange(1, 1000), default=8, show_default=True, help="Sessions at a time.")
@click.option(
    "--speed", type=_Speed(), default="max", metavar="max|FACTOR", show_default=True,
    help="`max`, or how many times faster than people: at 1 a message takes half a second and 1 s for each 60 "
    "characters of its text, 15 s at most.",
)  # fmt: skip
@click.option("--id-prefix", default="replay", show_default=True, metavar="TEXT", help="Begin of the session ids.")
@click.option(
    "--retry-for", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS",
    help="How long a server may be away before the replay gives up.",
)  # fmt: skip
@label_options
@output_option()
def replay(file: str, server: Server, output: str, **how: Any) -> None:
    """Write recorded conversations as sessions.

    FILE holds JSON lines, plain or gzip; `-` reads standard input. A line is a list of messages in OpenAI's format, or
    an object that holds it under `traj` or `messages`; the object's other keys become metadata, and `reward` a result
    too.

    Every line becomes a session `<id-prefix>-<file name>-<line>`; every message, with the tool calls it makes or
    answers, one atomic write. Run the same command again after an interruption: it continues where it stopped, nothing
    is lost and nothing is written twice.
    """
    run(_replay(file, server, output, **how), server=server)


async def _replay(
    file: str,
    server: Server,
    output: str,
    *,
    concurrency: int,
    speed: float | None,
    id_prefix: str,
    retry_for: float,
    user: str | None,
    project: str | None,
    tags: Sequence[str],
) -> None:
    from ._connect import connected
    from ._replaying import Pace, Replayer, no_pace, reading_pace
    from .conversations import read_lines, stem_of

    stdin = sys.stdin.buffer
    pace: Pace = no_pace if speed is None else reading_pace(speed)
    begun = time.monotonic()
    async with connected(server, retry_for=retry_for) as client:
        replayer = Replayer(
            client=client,
            prefix=id_prefix,
            name=stem_of(file),
            pace=pace,
            user=user,
            project=project,
            tags=tags,
        )
        with _progress(replayer.tally, file, stdin):
            await replayer.run(read_lines(file, stdin), concurrency=concurrency)
    took = time.monotonic() - begun
    if output == "table":
        click.echo(summary(replayer.tally, took))
    else:
        print_data(_document(replayer.tally, took), output)
    _tell_failures(replayer.tally.failures)


def summary(tally: Tally, seconds: float) -> str:
    """One line that says what was done."""
    from ._text import counted

    text = (
        f"{counted(tally.sessions, 'session')}, {counted(tally.messages, 'message')}, "
        f"{counted(tally.invocations, 'invocation')} in {seconds:.1f} s"
    )
    return f"{text} ({counted(tally.known_messages, 'message')} were there already)" if tally.known_messages else text


def _document(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "sessions": tally.sessions,
        "messages": tally.messages,
        "invocations": tally.invocations,
        "known_messages": tally.known_messages,
        "failures": list(tally.failures),
        "seconds": round(seconds, 3),
    }


def _tell_failures(failures: Sequence[str]) -> None:
    if not failures:
        return
    for failure in failures[:_FAILURES_SHOWN]:
        click.secho(failure, fg="red", err=True)
    from ._text import counted

    more = len(failures) - _FAILURES_SHOWN
    hint = f"{more:,} more are not shown" if more > 0 else ""
    raise CommandError(f"{counted(len(failures), 'line')} could not be replayed", hint=hint)


@contextmanager
def _progress(tally: Tally, file: str, stdin: BinaryIO) -> Iterator[None]:
    """A progress bar while the block runs, on a terminal only."""
    from ._text import console

    out = console()
    if not out.is_terminal:
        yield
        return

    from ._replay_progress import TallyProgress
    from .conversations import read_lines

    total = None if file == "-" else sum(1 for _ in read_lines(file, stdin))
    with TallyProgress(tally, total=total, console=out):
        yield
