"""The `sojourn` command: one module for each subcommand. Modules import what is heavy when they run, not before."""

from __future__ import annotations

import click

from ._errors import EXIT_CODES
from .artifacts import artifacts
from .cancel import cancel
from .cleanup import cleanup
from .compare import compare
from .demo import demo
from .doctor import doctor
from .export import export
from .fork import fork
from .import_session import import_session
from .invocations import invocations
from .list_requests import list_requests
from .list_sessions import list_sessions
from .migrate import migrate
from .pools import pools
from .replay import replay
from .resume import resume
from .save import save
from .search import search
from .serve import serve
from .show import show
from .stats import stats
from .templates import templates
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
    artifacts,
    replay,
    export,
    import_session,
    compare,
    stats,
    templates,
    save,
    resume,
    fork,
    cleanup,
    doctor,
    migrate,
    demo,
):
    main.add_command(command)
