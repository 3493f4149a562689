"""`sojourn create`: a new session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._completing import template_names
from ._errors import CommandError, run
from ._help import command
from ._options import beginning_options, quiet_option, server_options, session_option
from ._output import output_option, print_data

if TYPE_CHECKING:
    from ._profiles import Server


@command(
    examples=[
        "sojourn create --purpose 'review the change' --tag nightly --state phase=start",
        "sojourn create --kind qa-session --user user1 --metadata test_name=my_test",
        "ID=$(sojourn create --quiet --template nightly)",
    ]
)
@click.option("--id", "session_id", metavar="ID", help="Its id. [the server mints KIND-SECONDS-HEX]")
@click.option("--template", metavar="NAME", shell_complete=template_names, help="Begin with what this template says.")
@session_option("--parent", "Make it below this session.")
@click.option("--user", "user_id", metavar="ID", help="User to give. [the profile's]")
@beginning_options
@click.option(
    "--if-exists", type=click.Choice(("error", "return")), default="error", show_default=True,
    help="When the id is taken: fail, or show the session that is there.",
)  # fmt: skip
@quiet_option
@output_option()
@server_options
def create(server: Server, output: str, quiet: bool, **begins_with: Any) -> None:
    """Make a session, and show it. What is not said here is as the template says, or the server's default."""
    run(_create(server, output, quiet, begins_with), server=server)


async def _create(server: Server, output: str, quiet: bool, begins_with: dict[str, Any]) -> None:
    from sojourn import SessionAlreadyExistsError

    from ._connect import connected

    async with connected(server) as client:
        try:
            session = await client.create_session(**begins_with)
        except SessionAlreadyExistsError as error:
            raise CommandError(str(error), hint="--if-exists return shows it; --id gives another id") from None
    if quiet:
        click.echo(session.id)
    elif output != "table":
        print_data(session.info, output)
    else:
        from ._conversation_view import print_header
        from ._text import console

        print_header(console(), session.info, with_state=True)
