"""The `sojourn` command: one module for each subcommand. Modules import what is heavy when they run, not before."""

from __future__ import annotations

import click

from ._errors import EXIT_CODES
from .cancel import cancel
from .demo import demo
from .export import export
from .import_session import import_session
from .invocations import invocations
from .list_requests import list_requests
from .list_sessions import list_sessions
from .migrate import migrate
from .pools import pools
from .replay import replay
from .search import search
from .serve import serve
from .show import show
from .top import top
from .watch import watch


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sojourn", message="%(prog)s %(version)s")
def main() -> None:
    """Coordinate the live sessions of agents.

    \b
    sojourn demo       agents at work, live, with nothing to set up
    sojourn serve      a server on localhost:7431
    sojourn watch      what happens in its sessions, as it happens
    sojourn top        its sessions, requests and pools, live
    """


for command in (
    serve,
    list_sessions,
    search,
    show,
    invocations,
    watch,
    top,
    list_requests,
    cancel,
    pools,
    replay,
    export,
    import_session,
    migrate,
    demo,
):
    main.add_command(command)
