"""`sojourn serve`: runs the server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ._errors import CommandError, ExitCode
from ._help import command


@command(
    examples=[
        "sojourn serve",
        "sojourn serve --ephemeral --listen :0",
        "sojourn serve --redis redis://localhost --catalog postgresql://host/sojourn --blobs s3://bucket/sojourn",
    ]
)
@click.option("--listen", metavar="HOST:PORT", help="Address to serve on; port 0 takes a free one. [127.0.0.1:7431]")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the embedded engine's files; made when absent.",
)  # fmt: skip
@click.option("--ephemeral", is_flag=True, default=None, help="Keep nothing: the embedded engine without files.")
@click.option(
    "--redis", metavar="URL", help="Use this Redis or Valkey: redis://, rediss://, unix://, redis+cluster://."
)
@click.option("--catalog", metavar="URL", help="Keep history here: sqlite:///path or postgresql://host/database.")
@click.option(
    "--blobs",
    metavar="URL",
    help="Keep snapshots, archives and artifacts here: file:///directory, s3://, gs:// or az://.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Server processes. [1]")
@click.option(
    "--durability", type=click.Choice(["auto", "fsync", "replicated", "relaxed"]),
    help="What an acknowledged write must survive.",
)  # fmt: skip
@click.option("--reflection/--no-reflection", default=None, help="Let tools such as grpcurl explore the server.")
@click.option(
    "--grace", "grace_seconds", type=click.FloatRange(min=0), metavar="SECONDS",
    help="Time for calls in flight to end after SIGTERM.",
)  # fmt: skip
@click.option("--log-format", type=click.Choice(["console", "json"]), help="How to write the log.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least severe level to log."
)
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Settings file (TOML or YAML)."
)
def serve(**flags: Any) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Without flags it keeps sessions durably with an embedded engine. Flags win over SOJOURN_* environment variables,
    those over the settings file.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    stores = [f"--{name.replace('_', '-')}" for name in ("data_dir", "ephemeral", "redis") if name in given]
    if len(stores) > 1:
        raise click.UsageError(f"{' and '.join(stores)} exclude each other: choose one.")
    try:
        from sojourn_server.main import run
        from sojourn_server.settings import Settings
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the server is not installed ({error.name} is missing)", hint="pip install 'sojourn[server]'"
        ) from None
    try:
        settings = Settings(**given)
    except ValueError as error:
        raise CommandError(_readable(error), code=ExitCode.USAGE) from None
    sys.exit(run(settings))


def _readable(error: ValueError) -> str:
    """One line for each setting that pydantic refuses, without its links."""
    details = getattr(error, "errors", None)
    if details is None:
        return str(error)
    lines = [f"{'.'.join(map(str, detail['loc'])) or 'settings'}: {detail['msg']}" for detail in details()]
    return "wrong settings\n  " + "\n  ".join(lines)
