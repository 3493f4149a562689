"""`sojourn mcp`: an MCP server whose tools are the sessions."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
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
_CONNECT_SECONDS = 3.0
"""Agents wait for their tools before they begin."""


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
    help=f"Keep sessions here, with an embedded server. [when no other answers: {_DATA_DIR_VARIABLE}, ./{_DATA_DIR}]",
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
    the environment or the profile names; else on the one at localhost:7431 if it answers; else, and always with
    --data-dir, on an embedded one that keeps them in a directory and that all who use it share.
    """
    if data_dir is not None and server.is_named_by_flag:
        raise CommandError("--data-dir and --target exclude each other: choose one", code=ExitCode.USAGE)
    place = _address(address) if address is not None else None
    try:
        import sojourn.integrations.mcp  # noqa: F401 - only to tell what is missing
    except ImportError as error:
        raise CommandError(f"the MCP SDK is not installed ({error.name})", hint="pip install 'sojourn[mcp]'") from None
    server = replace(server, user=user or server.user, project=project or server.project)
    run(_serve(server, place, read_only, data_dir), server=server)


async def _serve(server: Server, place: tuple[str, int] | None, read_only: bool, data_dir: Path | None) -> None:
    import sojourn
    from sojourn.integrations.mcp import serving, sojourn_server

    from ._connect import tls_of

    is_named = data_dir is None and bool(server.origins.get("target"))
    async with (
        _target(server.target if is_named else None, data_dir) as target,
        sojourn.Client(
            target,
            api_key=server.api_key,
            tls=is_named and tls_of(server),
            project=server.project,
            user_id=server.user,
            writer="mcp",
            timeouts=sojourn.Timeouts(connect=_CONNECT_SECONDS),
        ) as client,
    ):
        tools = sojourn_server(client, read_only=read_only)
        if place is None:
            await serving.serve_stdio(tools)
        else:
            await serving.serve_http(tools, *place, told=lambda url: _tell(url, place[0]))


def _target(named: str | None, data_dir: Path | None) -> AbstractAsyncContextManager[str]:
    """The server that is named; else that of the directory; else one that is found."""
    from sojourn import embedded

    if data_dir is not None:
        return embedded.server(data_dir)
    return embedded.resolve(named, data_dir=os.environ.get(_DATA_DIR_VARIABLE) or _DATA_DIR)


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
