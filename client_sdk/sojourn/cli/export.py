"""`sojourn export`: a session as a file, or as a directory."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from ._errors import CommandError, run
from ._file_output import file_and_format, file_output_option
from ._help import command
from ._options import server_options, session_argument
from ._output import print_data

if TYPE_CHECKING:
    from sojourn import SessionHandle

    from ._profiles import Server

FORMATS = ("archive", "jsonl", "json", "directory")
_SUFFIXES = {"archive": ".sojourn", "jsonl": ".jsonl", "json": ".json"}


@dataclass(frozen=True, slots=True)
class _Order:
    """What to write, and where to."""

    file: str | None
    format: str
    artifacts: bool
    keys: tuple[str, ...]
    patterns: tuple[str, ...]

    def check(self) -> None:
        """Raises click.UsageError for what does not go together."""
        if self.format in ("json", "directory") and (self.keys or self.patterns):
            raise click.UsageError(f"--redact and --redact-key are for archive and jsonl, not for {self.format}")
        if self.format == "directory" and self.file == "-":
            raise click.UsageError("a directory cannot be written to standard output")
        if self.format in ("json", "jsonl") and self.artifacts:
            raise click.UsageError(f"--artifacts is not for {self.format}, which holds no bytes")
        if self.file == "-" and self.format == "archive" and sys.stdout.isatty():
            raise click.UsageError("an archive is not for a terminal: name a file, or pipe it")


@command(
    examples=[
        "sojourn export qa-17 --artifacts",
        "sojourn export qa-17 session.json",
        "sojourn export qa-17 shared.sojourn --redact-key password --redact '[0-9]{16}'",
    ]
)
@session_argument()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(allow_dash=True))
@click.option(
    "--format", "file_format", type=click.Choice(FORMATS),
    help="What to write. [by the end of FILE's name: .jsonl, .json; else archive]",
)  # fmt: skip
@click.option("--artifacts", is_flag=True, help="With the bytes of its artifacts (archive, directory).")
@click.option(
    "--redact-key", "keys", multiple=True, metavar="KEY", help="Replace values under this key; repeat for several."
)
@click.option(
    "--redact", "patterns", multiple=True, metavar="PATTERN",
    help="Replace what this regular expression (RE2) matches; repeat for several.",
)  # fmt: skip
@file_output_option
@server_options
def export(
    session_id: str, file: str | None, server: Server, output: str, file_format: str | None, **how: Any
) -> None:  # fmt: skip
    """Write a session to FILE: as it is now, and whichever tier it is in.

    `archive` and `jsonl` are for `sojourn import`. `json` is one document for scripts, with the session, its messages,
    invocations and events. `directory` is for people: a new directory, named after the session, in FILE. FILE is `-`
    for standard output; without one it is SESSION.sojourn (.jsonl, .json), or here.

    Redaction replaces with `[redacted]`: values under keys in JSON, state, metadata and results, and what patterns
    match in texts. Names, ids and the bytes of artifacts stay.
    """
    file, output = file_and_format(file, output)
    suffix = Path(file or "").suffix
    guessed = next((name for name, end in _SUFFIXES.items() if end == suffix), "archive")
    order = _Order(file, file_format or guessed, **how)
    order.check()
    run(_export(session_id, server, output, order), server=server)


async def _export(session_id: str, server: Server, output: str, order: _Order) -> None:
    from ._connect import connected

    async with connected(server) as client:
        session = client.session(session_id)
        if order.format == "directory":
            written = await _to_directory(session, order)
        elif order.format == "json":
            written = await _to_document(session, order)
        else:
            written = await _to_file(session, order)
    if output != "table":
        if order.file != "-":
            print_data(written, output)
    elif order.format == "directory":
        click.echo(written["path"])
    elif order.file != "-":
        click.echo(
            f"{written['path']}: {session.id} at revision {written['revision']}, {written['size_bytes']:,} bytes"
        )


async def _to_directory(session: SessionHandle, order: _Order) -> dict[str, Any]:
    from ._transfer_progress import transfer_progress

    try:
        with transfer_progress("events", in_bytes=False) as progress:
            made = await session.export_directory(order.file or ".", artifacts=order.artifacts, progress=progress)
    except FileExistsError as error:
        raise CommandError(f"{error.filename} is there already", hint="name another directory as FILE") from None
    return {"session_id": session.id, "path": str(made)}


async def _to_document(session: SessionHandle, order: _Order) -> dict[str, Any]:
    from ._output import json_line
    from .show import document_of

    info = await session.refresh()
    events = [event async for event in session.events() if event.revision <= info.revision]
    document = await document_of(info, events) | {"events": events}
    data = f"{json_line(document)}\n".encode(errors="replace")
    if order.file == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        _write(_path(session, order), data)
    return _result(session, order, info.revision, len(data))


async def _to_file(session: SessionHandle, order: _Order) -> dict[str, Any]:
    from ._transfer_progress import transfer_progress

    with transfer_progress("exporting") as progress:
        found = await session.export(
            sys.stdout.buffer if order.file == "-" else _path(session, order),
            format=cast("Literal['archive', 'jsonl']", order.format), artifacts=order.artifacts,
            redact_keys=order.keys, redact_patterns=order.patterns, progress=progress,
        )  # fmt: skip
    return _result(session, order, found.revision, found.size_bytes)


def _path(session: SessionHandle, order: _Order) -> Path:
    from sojourn._directory import safe_name

    return Path(order.file or f"{safe_name(session.id)}{_SUFFIXES[order.format]}")


def _result(session: SessionHandle, order: _Order, revision: int, size: int) -> dict[str, Any]:
    path = _path(session, order)
    return {"session_id": session.id, "path": str(path), "revision": revision, "size_bytes": size}


def _write(path: Path, data: bytes) -> None:
    """Writes a file: there whole, or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
