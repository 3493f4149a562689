"""`sojourn artifacts`: the files of a session."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._errors import CommandError, run
from ._options import output_option, target_option
from ._param_types import label, labels

if TYPE_CHECKING:
    from sojourn import Artifact

_PIECE = 1 << 20


class _ListsByDefault(click.Group):
    """`sojourn artifacts ID` is `sojourn artifacts list ID`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListsByDefault)
def artifacts() -> None:
    """List the artifacts of a session (`sojourn artifacts ID`), put one there, or get one."""


@artifacts.command("list")
@click.argument("session_id", metavar="ID")
@target_option
@click.option("--phase", default="", metavar="PHASE", help="Only of this phase.")
@click.option(
    "--type", "content_type", default="", metavar="TYPE", help="Only of this media type, or this kind: `image/*`."
)
@click.option("--name", default="", metavar="NAME", help="Only of this name.")
@click.option("--newest", "newest_only", is_flag=True, help="Only the newest version of each name.")
@output_option("table", "json")
def list_artifacts(session_id: str, target: str, output: str, **query: Any) -> None:
    """List the artifacts of a session in the order they were attached."""
    run(_list(session_id, target, output, **query), target=target)


@artifacts.command("put")
@click.argument("session_id", metavar="ID")
@click.argument("file", metavar="FILE")
@target_option
@click.option("--name", metavar="NAME", help="Its name. [that of the file]")
@click.option("--type", "content_type", metavar="TYPE", help="Its media type. [guessed from the name]")
@click.option("--phase", default="", metavar="PHASE", help="Phase of the work it belongs to, for example `before`.")
@click.option(
    "--label", "given", multiple=True, type=label, callback=labels, metavar="KEY=TEXT", help="A label; repeatable."
)
def put(
    session_id: str, file: str, target: str, name: str | None, content_type: str | None, phase: str,
    given: Mapping[str, str],
) -> None:  # fmt: skip
    """Store a file (`-`: standard input) as the next version of its name, and print name, version and SHA-256."""
    if file == "-" and not name:
        raise click.UsageError("standard input has no name: give one with --name")
    run(_put(session_id, file, target, name or Path(file).name, content_type, phase, given), target=target)


@artifacts.command("get")
@click.argument("session_id", metavar="ID")
@click.argument("name", metavar="NAME")
@target_option
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Its version. [the newest]")
@click.option(
    "--output", "-o", metavar="FILE", help="Where to, `-` for standard output; replaced. [a new file of that name here]"
)
def get(session_id: str, name: str, target: str, version: int | None, output: str | None) -> None:
    """Read an artifact into a file, verified. A download that was broken off is gone on with."""
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("bytes are not for a terminal: name a file, or pipe them")
    run(_get(session_id, name, target, version, output), target=target)


async def _list(session_id: str, target: str, output: str, **query: Any) -> None:
    from ._connect import connected
    from ._text import console, json_line

    async with connected(target) as client:
        found = [artifact async for artifact in client.session(session_id).artifacts(**query)]
    if output == "json":
        for artifact in found:
            click.echo(json_line(artifact.model_dump(mode="json")))
    elif found:
        console().print(_table(found))
    else:
        click.echo("no artifacts", err=True)


async def _put(
    session_id: str, file: str, target: str, name: str, content_type: str | None, phase: str, given: Mapping[str, str]
) -> None:
    from ._connect import connected
    from ._text import clean
    from ._transfer_progress import transfer_progress

    async with connected(target) as client:
        with transfer_progress("sending") as progress:
            artifact = await client.session(session_id).put_artifact(
                name, _standard_input() if file == "-" else Path(file), content_type=content_type, phase=phase,
                labels=given, progress=progress,
            )  # fmt: skip
    click.echo(f"{clean(artifact.name)} {artifact.version} {artifact.sha256}")


async def _get(session_id: str, name: str, target: str, version: int | None, output: str | None) -> None:
    from sojourn._directory import safe_name

    from ._connect import connected
    from ._transfer_progress import transfer_progress

    path = Path(output) if output else Path(safe_name(name.rpartition("/")[2] or name))
    if output is None and path.exists():
        raise CommandError(f"{path} is there already", hint="name the file to write with --output")
    async with connected(target) as client:
        session = client.session(session_id)
        with transfer_progress("receiving") as progress:
            if output == "-":
                async for piece in session.open_artifact(name, version=version):
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
                return
            artifact = await session.download_artifact(name, path, version=version, progress=progress)
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
