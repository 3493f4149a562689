"""`sojourn mcp`: an MCP server whose tools are the sessions."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._errors import CommandError, ExitCode, run
from ._help import command
from ._options import server_options

if TYPE_CHECKING:
    from ._profiles import Server

_DATA_DIR_VARIABLE = "SOJOURN_DATA_DIR"
_DATA_DIR = "sojourn-data"


@command(
    examples=[
        "sojourn mcp --data-dir ~/.sojourn",
        "sojourn mcp --target sojourn.example:7431 --project shop",
        "sojourn mcp --http 127.0.0.1:8931",
    ]
)
@server_options
@click.option(
    "--http", "address", metavar="HOST:PORT",
    help="Serve streamable HTTP at /mcp of this address; port 0 takes a free one. [standard input and output]",
)  # fmt: skip
@click.option("--user", metavar="ID", help="User of the sessions it creates. [the profile's]")
@click.option("--project", metavar="NAME", help="Project of the sessions it creates. [the profile's]")
@click.option("--read-only", is_flag=True, help="Only tools that change nothing.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help=f"Where sessions are kept when there is no server to talk to. [{_DATA_DIR_VARIABLE}, ./{_DATA_DIR}]",
)  # fmt: skip
def mcp(
    server: Server,
    address: str | None,
    user: str | None,
    project: str | None,
    read_only: bool,
    data_dir: Path | None,
) -> None:
    """Serve the sessions to agents, as tools of the Model Context Protocol.

    The agent creates, finds, resumes and annotates its sessions with them. Sessions are on the server that --target,
    the environment or the profile names; else on the one at localhost:7431 if it answers; else on an embedded one that
    keeps them in --data-dir and that all who use that directory share.
    """
    place = _address(address) if address is not None else None
    try:
        import sojourn.integrations.mcp  # noqa: F401 - only to tell what is missing
    except ImportError as error:
        raise CommandError(f"the MCP SDK is not installed ({error.name})", hint="pip install 'sojourn[mcp]'") from None
    server = replace(server, user=user or server.user, project=project or server.project)
    run(_serve(server, place, read_only, data_dir), server=server)


async def _serve(server: Server, place: tuple[str, int] | None, read_only: bool, data_dir: Path | None) -> None:
    from sojourn import embedded
    from sojourn.integrations.mcp import serving, sojourn_server

    from ._connect import connected

    directory = data_dir or os.environ.get(_DATA_DIR_VARIABLE) or _DATA_DIR
    named = server.target if server.origins.get("target") else None
    async with (
        embedded.resolve(named, data_dir=directory) as target,
        connected(replace(server, target=target), retry_for=30.0) as client,
    ):
        tools = sojourn_server(client, read_only=read_only)
        if place is None:
            await serving.serve_stdio(tools)
        else:
            await serving.serve_http(tools, *place, told=lambda url: _tell(url, place[0]))


def _tell(url: str, host: str) -> None:
    from sojourn.integrations.mcp import serving

    click.echo(f"serving MCP at {url}", err=True)
    if not serving.is_loopback(host):
        warning = "whoever reaches this address can read and change the sessions: let a proxy check who calls"
        click.secho(f"warning: {warning}", fg="yellow", err=True)


def _address(text: str) -> tuple[str, int]:
    """Host and port. Raises CommandError."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isdecimal() and int(port) < 1 << 16):
        raise CommandError(f"--http {text}: not an address", hint="for example 127.0.0.1:8931", code=ExitCode.USAGE)
    return host.strip("[]") or "127.0.0.1", int(port)
