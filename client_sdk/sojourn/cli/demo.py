"""`sojourn demo`: several agents at work, watched live."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from ._errors import CommandError, run
from ._help import command
from ._options import server_options

if TYPE_CHECKING:
    from ._profiles import Server


@command(examples=["sojourn demo", "sojourn demo --agents 12 --seconds 60 --target localhost:7431"])
@server_options
@click.option("--agents", type=click.IntRange(1, 100), default=4, show_default=True, help="Agents at work at a time.")
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=20.0, show_default=True,
    help="No new session begins after this time; the demo ends when the agents are done.",
)  # fmt: skip
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
    help="How many times faster than usual the agents work.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="The agents' moods: same seed, same pauses.")
def demo(server: Server, agents: int, seconds: float, speed: float, seed: int) -> None:
    """Watch agents at work, with nothing to set up.

    Starts a private server that keeps nothing, unless --target or --profile names one. Several agents talk, use tools
    and keep state; their sessions are shown as a watcher sees them.
    """
    named = server if server.is_named_by_flag else None
    run(_demo(named, agents, seconds, speed, seed), server=server)


async def _demo(server: Server | None, agents: int, seconds: float, speed: float, seed: int) -> None:
    from ._agents import Agents
    from ._board import Board
    from ._connect import connected
    from ._text import console, counted

    project = f"demo-{int(time.time())}"
    out = console()
    async with _server(server) as used, connected(used) as client:
        out.print(f"{counted(agents, 'agent')} at work on {used.target}, project {project}")
        crew = Agents(client, project=project, seed=seed, speed=speed)
        board = Board(client, project=project, out=out)
        async with board.watching():
            played = await crew.work(agents, seconds=seconds)
            await board.all_ended(played)
        out.print(f"{counted(played, 'session')}, {counted(board.events, 'event')}, each seen once and in order")
    _hint(server, project, board.last_session)


@asynccontextmanager
async def _server(given: Server | None) -> AsyncIterator[Server]:
    """The server given, else a private one."""
    if given is not None:
        yield given
        return
    from importlib.util import find_spec

    if find_spec("sojourn_server") is None:
        raise CommandError(
            "the server is not installed", hint="pip install 'sojourn[server]', or name one with --target"
        )
    from sojourn.testing import server

    from ._profiles import Server

    async with server() as address:
        yield Server(address)


def _hint(server: Server | None, project: str, session_id: str) -> None:
    """What to try next."""
    program = "sojourn" if sys.argv[0].endswith("sojourn") else f"python {sys.argv[0]}"
    if server is None:
        steps = ["serve", "demo --target localhost:7431", "watch"]
        click.echo("\nNext, each in a shell of its own:")
    else:
        named = f"--target {server.target}"
        steps = [f"list {named} --project {project}", f"show {named} {session_id}"]
        click.echo("\nNext:")
    for step in steps:
        click.secho(f"  {program} {step}", bold=True)
