"""`sojourn top`: sessions, requests and pools, live."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ._errors import run
from ._help import command
from ._options import server_options

if TYPE_CHECKING:
    from rich.console import Console

    from ._profiles import Server
    from ._top_feed import Feed

_ROWS = 50
"""Rows of a frame that is printed once, about."""
_FRAME_SECONDS = 0.25
_SHARE = 0.25
"""Share of the time that drawing may take, so that a large server leaves the terminal usable."""
_RETRY_SECONDS = 3.0
"""Someone who looks at the screen wants to know soon that nobody answers."""


@command(examples=["sojourn top", "sojourn top --once --project qa"])
@server_options
@click.option("--user", metavar="ID", help="Of this user.")
@click.option("--project", metavar="NAME", help="Of this project.")
@click.option(
    "--interval", type=click.FloatRange(min=0.2), default=1.0, show_default=True, metavar="SECONDS",
    help="How often to ask for requests and pools; events come at once.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Print what there is now, and end.")
def top(server: Server, user: str | None, project: str | None, interval: float, once: bool) -> None:
    """Show sessions, requests and pools, live.

    First the active sessions that have most to do; then the live requests: those admitted, then those that wait, and
    for what. Pools are shared, so all are shown. While the server is away it says so, and goes on when it is back. q
    or Ctrl-C ends it.
    """
    run(_top(server, user, project, interval, once), server=server)


async def _top(server: Server, user: str | None, project: str | None, interval: float, once: bool) -> None:
    from ._connect import connected
    from ._text import console
    from ._top_feed import Feed

    out = console()
    if not once and not out.is_terminal:
        raise click.UsageError("standard output is no terminal: --once prints what there is now.")
    async with connected(server, retry_for=_RETRY_SECONDS) as client:
        feed = Feed(client, user=user, project=project, interval=interval)
        if once:
            await feed.read()
            _print(feed, server, out)
        else:
            async with feed.running():
                await _show(feed, server, out)


def _print(feed: Feed, server: Server, out: Console) -> None:
    from ._top_view import frame

    height = out.height if out.is_terminal else _ROWS
    out.print(frame(feed.overview, target=server.target, now=datetime.now(UTC), height=height, expand=out.is_terminal))


async def _show(feed: Feed, server: Server, out: Console) -> None:
    """Draws on a screen of its own until a key ends it."""
    from rich.live import Live

    from ._keyboard import pressed
    from ._top_view import frame

    # Drawn from here, not by a thread of Live's own: what is shown changes while events come in.
    with pressed("qQ") as ended, Live(console=out, screen=True, auto_refresh=False) as live:
        while not ended.is_set():
            begun = time.monotonic()
            now, height, trouble = datetime.now(UTC), out.height, feed.trouble
            shown = frame(feed.overview, target=server.target, now=now, height=height, trouble=trouble)
            live.update(shown, refresh=True)
            took = time.monotonic() - begun
            with suppress(TimeoutError):
                async with asyncio.timeout(max(_FRAME_SECONDS, took * (1 / _SHARE - 1))):
                    await ended.wait()
