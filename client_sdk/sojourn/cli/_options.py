"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TARGET = "localhost:7431"

STATUSES = ("active", "completed", "failed", "abandoned", "cancelled", "expired")

REQUEST_STATES = ("queued", "admitted")

CHANGE_KINDS = (
    "state_set", "state_deleted", "state_incremented", "message_appended", "invocation_started", "invocation_finished",
    "step_finished", "result_set", "artifact_attached", "log_appended", "info_updated", "custom", "session_created",
    "status_changed", "request_queued", "request_admitted", "request_progressed", "request_cancel_requested",
    "request_finished", "request_lost", "forked", "restored",
)  # fmt: skip
"""Here again, and tested to be the SDK's: `--help` must not wait for the SDK to be imported."""

target_option = click.option(
    "--target", envvar="SOJOURN_TARGET", default=DEFAULT_TARGET, show_default=True, show_envvar=True,
    metavar="HOST:PORT", help="The server to talk to.",
)  # fmt: skip


def output_option(*formats: str) -> Callable[[F], F]:
    """`--output` with these formats; the first is the default."""
    return click.option(
        "--output", "-o", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print."
    )


def filter_options(command: F) -> F:
    """`--user`, `--project` and `--tag`: which sessions."""
    for option in (
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Sessions with this tag; repeat for several."),
        click.option("--project", metavar="NAME", help="Sessions of this project."),
        click.option("--user", metavar="ID", help="Sessions of this user."),
    ):
        command = option(command)
    return command


def label_options(command: F) -> F:
    """`--user`, `--project` and `--tag`: labels of the sessions to create."""
    for option in (
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag for the sessions; repeat for several."),
        click.option("--project", metavar="NAME", help="Project of the sessions."),
        click.option("--user", metavar="ID", help="User of the sessions."),
    ):
        command = option(command)
    return command
