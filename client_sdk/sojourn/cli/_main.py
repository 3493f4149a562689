"""The `sojourn` command: one module for each subcommand. Modules import what is heavy when they run, not before."""

from __future__ import annotations

import click

from ._errors import EXIT_CODES
from .demo import demo
from .list_sessions import list_sessions
from .replay import replay
from .serve import serve
from .show import show
from .watch import watch


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sojourn", message="%(prog)s %(version)s")
def main() -> None:
    """Coordinate the live sessions of agents.

    \b
    sojourn demo       agents at work, live, with nothing to set up
    sojourn serve      a server on localhost:7431
    sojourn watch      what happens in its sessions, as it happens
    """


for command in (serve, list_sessions, show, watch, replay, demo):
    main.add_command(command)
