"""`sojourn export`: a session as a file, or as a directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ._errors import CommandError, run
from ._options import target_option

if TYPE_CHECKING:
    from sojourn import SessionHandle

_SUFFIXES = {"archive": "sojourn", "jsonl": "jsonl"}


@click.command("export")
@click.argument("session_id", metavar="ID")
@target_option
@click.option(
    "--output", "-o", metavar="PATH",
    help="The file, `-` for standard output; of a directory the one to put it in. [ID.sojourn, ID.jsonl or .]",
)  # fmt: skip
@click.option(
    "--format", "file_format", type=click.Choice(("archive", "jsonl", "directory")), default="archive",
    show_default=True, help="What to write.",
)  # fmt: skip
@click.option("--artifacts", is_flag=True, help="With the bytes of its artifacts (archive, directory).")
@click.option(
    "--redact-key", "keys", multiple=True, metavar="KEY", help="Replace values under this key; repeat for several."
)
@click.option(
    "--redact", "patterns", multiple=True, metavar="PATTERN",
    help="Replace what this regular expression (RE2) matches; repeat for several.",
)  # fmt: skip
def export(
    session_id: str, target: str, output: str | None, file_format: str, artifacts: bool,
    keys: tuple[str, ...], patterns: tuple[str, ...],
) -> None:  # fmt: skip
    """Write a session to a file that `sojourn import` reads, or to a directory for people and scripts.

    Redaction replaces with `[redacted]`: values under keys in JSON, state, metadata and results, and what patterns
    match in texts. Names, ids and the bytes of artifacts stay.
    """
    if file_format == "directory" and (keys or patterns):
        raise click.UsageError("--redact and --redact-key are for files")
    if file_format == "directory" and output == "-":
        raise click.UsageError("a directory cannot be written to standard output")
    if file_format == "jsonl" and artifacts:
        raise click.UsageError("--artifacts is not for jsonl, which holds no bytes")
    if output == "-" and file_format == "archive" and sys.stdout.isatty():
        raise click.UsageError("an archive is not for a terminal: name a file, or pipe it")
    run(_export(session_id, target, output, file_format, artifacts, keys, patterns), target=target)


async def _export(
    session_id: str, target: str, output: str | None, file_format: str, artifacts: bool,
    keys: tuple[str, ...], patterns: tuple[str, ...],
) -> None:  # fmt: skip
    from ._connect import connected

    async with connected(target) as client:
        session = client.session(session_id)
        if file_format == "directory":
            await _to_directory(session, output or ".", artifacts)
        else:
            chosen: Literal["archive", "jsonl"] = "archive" if file_format == "archive" else "jsonl"
            await _to_file(session, output, chosen, artifacts, keys, patterns)


async def _to_directory(session: SessionHandle, output: str, artifacts: bool) -> None:
    from ._transfer_progress import transfer_progress

    try:
        with transfer_progress("events", in_bytes=False) as progress:
            made = await session.export_directory(output, artifacts=artifacts, progress=progress)
    except FileExistsError as error:
        raise CommandError(f"{error.filename} is there already", hint="name another directory with --output") from None
    click.echo(str(made))


async def _to_file(
    session: SessionHandle, output: str | None, file_format: Literal["archive", "jsonl"], artifacts: bool,
    keys: tuple[str, ...], patterns: tuple[str, ...],
) -> None:  # fmt: skip
    from sojourn._directory import safe_name

    from ._transfer_progress import transfer_progress

    path = Path(output or f"{safe_name(session.id)}.{_SUFFIXES[file_format]}")
    with transfer_progress("exporting") as progress:
        found = await session.export(
            sys.stdout.buffer if output == "-" else path, format=file_format, artifacts=artifacts, redact_keys=keys,
            redact_patterns=patterns, progress=progress,
        )  # fmt: skip
    if output != "-":
        click.echo(f"{path}: {session.id} at revision {found.revision}, {found.size_bytes:,} bytes")
