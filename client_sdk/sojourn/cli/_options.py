"""Options that several commands share: the same name and short form has the same meaning wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from . import _completing
from ._param_types import duration, fact, facts
from ._profiles import API_KEY_VARIABLE, PROFILE_VARIABLE, TARGET_VARIABLE, resolve

F = TypeVar("F", bound=Callable[..., Any])

STATUSES = ("active", "completed", "failed", "abandoned", "cancelled", "expired")

REQUEST_STATES = ("queued", "admitted")

LOG_LEVELS = ("debug", "info", "warning", "error")
"""From the least severe to the most."""

CHANGE_KINDS = (
    "state_set", "state_deleted", "state_incremented", "message_appended", "invocation_started", "invocation_finished",
    "step_finished", "result_set", "artifact_attached", "log_appended", "info_updated", "custom", "session_created",
    "status_changed", "request_queued", "request_admitted", "request_progressed", "request_cancel_requested",
    "request_finished", "request_lost", "forked", "restored",
)  # fmt: skip
"""Here again, and tested to be the SDK's: `--help` must not wait for the SDK to be imported."""

target_option = click.option(
    "--target", metavar="HOST:PORT",
    help=f"The server to talk to. [{TARGET_VARIABLE}, the profile's, localhost:7431]",
)  # fmt: skip
api_key_option = click.option("--api-key", metavar="KEY", help=f"Who you are. [{API_KEY_VARIABLE}, the profile's]")
profile_option = click.option(
    "--profile", metavar="NAME", shell_complete=_completing.profiles,
    help=f"Settings from the profile file; see `sojourn config`. [{PROFILE_VARIABLE}, default]",
)  # fmt: skip


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--target`, `--api-key` and `--profile`; the command gets what they come to as `server`."""

    @wraps(command)
    def resolved(
        *arguments: Any, target: str | None, api_key: str | None, profile: str | None, **options: Any
    ) -> Any:  # fmt: skip
        return command(*arguments, server=resolve(target, api_key, profile), **options)

    for option in (profile_option, api_key_option, target_option):
        resolved = option(resolved)
    return resolved


def session_argument(name: str = "session_id", *, metavar: str = "SESSION", **how: Any) -> Callable[[F], F]:
    """The id of a session; shells complete it."""
    return click.argument(name, metavar=metavar, shell_complete=_completing.session_ids, **how)


def session_option(name: str, text: str, parameter: str | None = None) -> Callable[[F], F]:
    """An option that is the id of a session."""
    names = (name, parameter) if parameter else (name,)
    return click.option(*names, metavar="ID", shell_complete=_completing.session_ids, help=text)


def limit_option(default: int | None = None) -> Callable[[F], F]:
    """`--limit`: at most so many."""
    return click.option(
        "--limit", type=click.IntRange(min=1), metavar="N", default=default, show_default=default is not None,
        help="At most this many." if default else "At most this many. [all]",
    )  # fmt: skip


yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask before deleting.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print ids alone.")


def filter_options(command: F) -> F:
    """`--user`, `--project` and `--tag`: which sessions."""
    for option in (
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; repeatable: all of them."),
        click.option("--project", metavar="NAME", help="Of this project."),
        click.option("--user", metavar="ID", help="Of this user."),
    ):
        command = option(command)
    return command


def beginning_options(command: F) -> F:
    """What a session begins with, under the names that the SDK has; of templates, too."""
    for option in (
        click.option(
            "--max-requests",
            "max_concurrent_requests",
            type=click.IntRange(min=1),
            metavar="N",
            help="Most requests admitted at a time.",
        ),
        click.option("--max-lifetime", type=duration, metavar="TIME", help="Expires so long after its creation."),
        click.option("--idle-timeout", type=duration, metavar="TIME", help="Expires after so long without a write."),
        click.option(
            "--state",
            multiple=True,
            type=fact,
            callback=facts,
            metavar="KEY=VALUE",
            help="First state, its value JSON or text; repeatable.",
        ),
        click.option(
            "--metadata",
            multiple=True,
            type=fact,
            callback=facts,
            metavar="KEY=VALUE",
            help="A fact, its value JSON or text; repeatable.",
        ),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag to give; repeatable."),
        click.option("--purpose", metavar="TEXT", help="Why it exists, for people."),
        click.option("--project", metavar="NAME", help="Project to give."),
        click.option("--kind", metavar="KIND", help="Kind, for example `qa-session`."),
    ):
        command = option(command)
    return command


def label_options(command: F) -> F:
    """`--user`, `--project` and `--tag`: labels of the sessions to create."""
    for option in (
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag to give; repeatable."),
        click.option("--project", metavar="NAME", help="Project to give. [the profile's]"),
        click.option("--user", metavar="ID", help="User to give. [the profile's]"),
    ):
        command = option(command)
    return command
