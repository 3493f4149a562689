"""`sojourn config`: which server commands talk to, as whom, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._help import command
from ._options import server_options
from ._output import output_option, print_data
from ._profiles import KEYS, config_path, profile_names

if TYPE_CHECKING:
    from ._profiles import Server

_SHOWN = 4
"""Characters of a key that are shown."""


@command(examples=["sojourn config", "sojourn config --profile prod"])
@output_option()
@server_options
def config(server: Server, output: str) -> None:
    """Show which server commands talk to and as whom, and whether a flag, the environment or a profile says so.

    Profiles are tables `[profiles.NAME]` in a TOML file, with `target`, `api_key`, `tls` (true, or the path of root
    certificates), and `project` and `user` of the sessions that commands create. The file is SOJOURN_CONFIG_FILE, or
    ~/.config/sojourn/config.toml. The profile `default` counts when no other is named.
    """
    values = {"target": server.target, "api_key": _hidden(server.api_key), "tls": _tls(server)}
    values |= {"project": server.project, "user": server.user}
    names = profile_names()
    if output != "table":
        settings = {key: {"value": values[key], "from": server.origins.get(key)} for key in KEYS}
        print_data({**settings, "file": str(config_path()), "profiles": names, "profile": server.profile}, output)
        return
    for key in KEYS:
        if values[key]:
            click.echo(f"{key:<9}{values[key]!s:<32}  {server.origins.get(key, 'default')}")
    path = config_path()
    click.echo(f"{'file':<9}{path}{'' if path.exists() else ' (which is not there)'}")
    if names:
        click.echo(f"{'profiles':<9}{', '.join(names)}")


def _hidden(key: str | None) -> str | None:
    """The last characters of a key that is long enough to be told from others by them."""
    if key is None:
        return None
    return f"...{key[-_SHOWN:]}" if len(key) >= 4 * _SHOWN else "..."


def _tls(server: Server) -> str | bool:
    return server.tls if isinstance(server.tls, bool) else str(server.tls)
