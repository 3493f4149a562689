"""Options of the commands that find sessions and invocations; each is passed under the name the SDK has for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ._options import STATUSES, session_option
from ._param_types import duration, fact, facts, when

F = TypeVar("F", bound=Callable[..., Any])

TIERS = ("hot", "recent", "archive")
INVOCATION_STATUSES = ("running", "succeeded", "failed", "cancelled", "interrupted")
TEXT_SOURCES = ("purpose", "message", "arguments", "result", "log")
CONSISTENCIES = ("strong", "eventual")

consistency_option = click.option(
    "--consistency", type=click.Choice(CONSISTENCIES), default="strong", show_default=True,
    help="strong: find all that was acknowledged; eventual: do not wait, the last moments may be missing.",
)  # fmt: skip

text_option = click.option("--text", metavar="WORDS", help="With a text that holds all these words.")


def session_options(command: F) -> F:
    """Which sessions, but for `--text`."""
    times = [
        click.option(f"--{what}-{side}", type=when, metavar="WHEN", help=f"{what.capitalize()} {meaning}.")
        for what in ("created", "updated", "ended")
        for side, meaning in (("after", "then or later: a date, a time, or `2h` ago"), ("before", "earlier"))
    ]
    labels = [
        click.option("--user", "user_id", metavar="ID", help="Of this user."),
        click.option("--project", metavar="NAME", help="Of this project."),
        click.option("--status", multiple=True, type=click.Choice(STATUSES), help="In this status; repeatable: any."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; repeatable: all of them."),
        click.option("--any-tag", "any_tags", multiple=True, metavar="TAG", help="With one of these tags; repeatable."),
        click.option("--kind", metavar="KIND", help="Of this kind, for example `replay`."),
        session_option("--parent", "Created under this session."),
        click.option("--metadata", multiple=True, type=fact, callback=facts, metavar="KEY=VALUE",
                     help="With this fact, its value JSON or text; repeatable: all of them."),
        click.option("--tier", "tiers", multiple=True, type=click.Choice(TIERS),
                     help="Whose data lives here; repeatable: any."),
    ]  # fmt: skip
    return _with(command, *labels, *times)


def invocation_options(command: F) -> F:
    """Which invocations."""
    return _with(
        command,
        click.option("--tool", metavar="NAME", help="Of this tool."),
        click.option("--status", multiple=True, type=click.Choice(INVOCATION_STATUSES),
                     help="In this status; repeatable: any."),
        click.option("--running", is_flag=True, help="Those that run, too; without --status, only those."),
        session_option("--session", "Of this session.", "session_id"),
        click.option("--user", "user_id", metavar="ID", help="In sessions of this user."),
        click.option("--project", metavar="NAME", help="In sessions of this project."),
        click.option("--slower-than", "min_duration", type=duration, metavar="TIME",
                     help="Took at least this: 2s, 150ms."),
        click.option("--faster-than", "max_duration", type=duration, metavar="TIME", help="Took at most this."),
        click.option("--since", "started_after", type=when, metavar="WHEN",
                     help="Started then or later: a date, a time, or `2h` ago."),
        click.option("--until", "started_before", type=when, metavar="WHEN", help="Started earlier."),
    )  # fmt: skip


def _with(command: F, *options: Callable[[F], F]) -> F:
    """The command with these options, in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command
