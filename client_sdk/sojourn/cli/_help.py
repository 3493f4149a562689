"""How commands show their help: options of the server apart from the rest, and examples at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

SERVER_OPTIONS = ("target", "api_key", "profile")
"""Names of the parameters that say which server; see `_options.server_options`."""


class Command(click.Command):
    """A command whose help ends with examples: whole lines, as they are typed."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, those that say which server after all others."""
        own: list[tuple[str, str]] = []
        servers: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                (servers if parameter.name in SERVER_OPTIONS else own).append(record)
        for title, records in (("Options", own), ("Server", servers)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        super().format_epilog(ctx, formatter)
        write_examples(formatter, self.examples)


class ListingGroup(click.Group):
    """A group that lists when no subcommand is named: `sojourn artifacts ID` is `sojourn artifacts list ID`."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **{"no_args_is_help": False, **options})
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `list` in front of what names no subcommand."""
        names = {*self.commands, *ctx.help_option_names}
        if (args and args[0] not in names) or not (args or ctx.resilient_parsing):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The subcommands, and what `list` takes first."""
        found = super().shell_complete(ctx, incomplete)
        for parameter in self.commands["list"].params:
            if isinstance(parameter, click.Argument):
                return [*found, *parameter.shell_complete(ctx, incomplete)]
        return found

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        super().format_epilog(ctx, formatter)
        write_examples(formatter, self.examples)


def command(
    name: str | None = None, *, examples: Sequence[str], **options: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Makes a command of the function: with these examples, each a whole line as it is typed."""
    return click.command(name, cls=Command, examples=examples, **options)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Writes the examples, each on a line of its own and never wrapped: they are there to be copied."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
