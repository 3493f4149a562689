"""`sojourn migrate`: brings the catalog's schema up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ._errors import CommandError
from ._help import command


@command(
    examples=[
        "sojourn migrate --catalog postgresql://host/sojourn",
        "sojourn migrate --data-dir /var/lib/sojourn",
    ]
)
@click.option("--catalog", metavar="URL", help="The catalog: sqlite:///path or postgresql://host/database.")
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="The server's directory, with its own catalog."
)
def migrate(catalog: str | None, data_dir: Path | None) -> None:
    """Bring the catalog's schema up to date with this version.

    A server does it by itself for a SQLite file and for an empty database; for any other it asks for this command, so
    that a shared database changes at a moment of your choice. SOJOURN_CATALOG and SOJOURN_DATA_DIR count, too.
    """
    if catalog and data_dir:
        raise click.UsageError("--catalog and --data-dir exclude each other: choose one.")
    try:
        from sojourn_server.main import migrate as run
        from sojourn_server.settings import Settings
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the server is not installed ({error.name} is missing)", hint="pip install 'sojourn[server]'"
        ) from None
    given: dict[str, Any] = {"catalog": catalog, "data_dir": data_dir}
    sys.exit(run(Settings(**{name: value for name, value in given.items() if value is not None})))
