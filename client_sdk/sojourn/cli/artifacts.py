"""`sojourn artifacts`: the files of a session."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._errors import CommandError, run
from ._file_output import file_and_format, file_output_option
from ._help import Command, ListingGroup
from ._options import limit_option, server_options, session_argument
from ._output import output_option, print_data, print_each
from ._param_types import label, labels

if TYPE_CHECKING:
    from sojourn import Artifact

    from ._profiles import Server

_PIECE = 1 << 20


@click.group(
    cls=ListingGroup,
    examples=[
        "sojourn artifacts qa-17 --phase before --type 'image/*'",
        "sojourn artifacts put qa-17 home.png --phase before --label browser=firefox",
        "sojourn artifacts get qa-17 home.png old.png --version 2",
    ],
)
def artifacts() -> None:
    """List the artifacts of a session (`sojourn artifacts SESSION`), put one there, or get one."""


@artifacts.command(
    "list",
    cls=Command,
    examples=["sojourn artifacts qa-17", "sojourn artifacts list qa-17 --newest -o json"],
)
@session_argument()
@server_options
@click.option("--phase", default="", metavar="PHASE", help="Only of this phase.")
@click.option(
    "--type", "content_type", default="", metavar="TYPE", help="Only of this media type, or this kind: `image/*`."
)
@click.option("--name", default="", metavar="NAME", help="Only of this name.")
@click.option("--newest", "newest_only", is_flag=True, help="Only the newest version of each name.")
@limit_option()
@output_option()
def list_artifacts(session_id: str, server: Server, output: str, **query: Any) -> None:
    """List the artifacts of a session in the order they were attached."""
    run(_list(session_id, server, output, **query), server=server)


@artifacts.command(
    "put",
    cls=Command,
    examples=[
        "sojourn artifacts put qa-17 home.png --phase before --label browser=firefox",
        "make test 2>&1 | sojourn artifacts put qa-17 - --name test.log",
    ],
)
@session_argument()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@server_options
@click.option("--name", metavar="NAME", help="Its name. [that of the file]")
@click.option("--type", "content_type", metavar="TYPE", help="Its media type. [guessed from the name]")
@click.option("--phase", default="", metavar="PHASE", help="Phase of the work it belongs to, for example `before`.")
@click.option(
    "--label", "given", multiple=True, type=label, callback=labels, metavar="KEY=TEXT", help="A label; repeatable."
)
@output_option()
def put(
    session_id: str, file: str, server: Server, output: str, name: str | None, **described: Any
) -> None:  # fmt: skip
    """Store a file (`-`: standard input) as the next version of its name, and print name, version and SHA-256."""
    if file == "-" and not name:
        raise click.UsageError("standard input has no name: give one with --name")
    run(_put(session_id, file, server, output, name or Path(file).name, **described), server=server)


@artifacts.command(
    "get",
    cls=Command,
    examples=[
        "sojourn artifacts get qa-17 home.png",
        "sojourn artifacts get qa-17 home.png old.png --version 2",
        "sojourn artifacts get qa-17 test.log - | less",
    ],
)
@session_argument()
@click.argument("name", metavar="NAME")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@server_options
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Its version. [the newest]")
@file_output_option
def get(
    session_id: str, name: str, file: str | None, server: Server, version: int | None, output: str
) -> None:  # fmt: skip
    """Read an artifact into FILE, verified. A download that was broken off is gone on with.

    FILE is replaced, `-` is standard output; without one it is a new file of the artifact's name here.
    """
    file, output = file_and_format(file, output)
    if file == "-" and sys.stdout.isatty():
        raise click.UsageError("bytes are not for a terminal: name a file, or pipe them")
    run(_get(session_id, name, server, version, file, output), server=server)


async def _list(session_id: str, server: Server, output: str, **query: Any) -> None:
    from ._connect import connected
    from ._text import console

    async with connected(server) as client:
        found = [artifact async for artifact in client.session(session_id).artifacts(**query)]
    if output != "table":
        print_each(found, output)
    elif found:
        console().print(_table(found))
    else:
        click.echo("no artifacts", err=True)


async def _put(
    session_id: str, file: str, server: Server, output: str, name: str, *, content_type: str | None, phase: str,
    given: Mapping[str, str],
) -> None:  # fmt: skip
    from ._connect import connected
    from ._text import clean
    from ._transfer_progress import transfer_progress

    async with connected(server) as client:
        with transfer_progress("sending") as progress:
            artifact = await client.session(session_id).put_artifact(
                name, _standard_input() if file == "-" else Path(file), content_type=content_type, phase=phase,
                labels=given, progress=progress,
            )  # fmt: skip
    if output == "table":
        click.echo(f"{clean(artifact.name)} {artifact.version} {artifact.sha256}")
    else:
        print_data(artifact, output)


async def _get(
    session_id: str, name: str, server: Server, version: int | None, file: str | None, output: str
) -> None:  # fmt: skip
    from sojourn._directory import safe_name

    from ._connect import connected
    from ._transfer_progress import transfer_progress

    path = Path(file) if file else Path(safe_name(name.rpartition("/")[2] or name))
    if file is None and path.exists():
        raise CommandError(f"{path} is there already", hint="name the file to write: FILE")
    async with connected(server) as client:
        session = client.session(session_id)
        with transfer_progress("receiving") as progress:
            if file == "-":
                async for piece in session.open_artifact(name, version=version):
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                return
            artifact = await session.download_artifact(name, path, version=version, progress=progress)
    if output != "table":
        print_data({**artifact.model_dump(mode="json"), "path": str(path)}, output)
        return
    click.echo(f"{path}: version {artifact.version}, {artifact.size_bytes:,} bytes")


async def _standard_input() -> AsyncIterator[bytes]:
    import asyncio

    while piece := await asyncio.to_thread(sys.stdin.buffer.read, _PIECE):
        yield piece


def _table(found: Sequence[Artifact]) -> Any:
    from rich.text import Text

    from ._tables import filled_table
    from ._text import flat, one_line, stamp

    columns = {
        "name": [Text(flat(each.name), style="bold") for each in found],
        "version": [Text(str(each.version or "")) for each in found],
        "type": [Text(one_line(each.content_type, 40)) for each in found],
        "bytes": [Text(f"{each.size_bytes:,}") for each in found],
        "phase": [Text(one_line(each.phase, 40)) for each in found],
        "labels": [
            Text(one_line(" ".join(f"{key}={text}" for key, text in sorted(each.labels.items())), 60)) for each in found
        ],
        "attached": [Text(stamp(each.create_time)) for each in found],
        "sha256": [Text(each.sha256[:12]) for each in found],
        "kept at": [Text(one_line(each.uri, 80)) for each in found],
    }
    return filled_table(columns, whole=("name", "version", "attached"), right=("version", "bytes"))
