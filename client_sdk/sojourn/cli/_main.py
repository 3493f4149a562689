"""The `sojourn` command: one module for each subcommand, imported when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._help import SERVER_OPTIONS
from ._lazy import Entry, LazyCommands

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GROUPS: dict[str, dict[str, Entry]] = {
    "Serve": {
        "demo": Entry("demo", "demo", "watch agents at work, with nothing to set up"),
        "serve": Entry("serve", "serve", "run a server on localhost:7431"),
        "mcp": Entry("mcp", "mcp", "give agents their sessions as tools (MCP)"),
    },
    "Sessions": {
        "create": Entry("create", "create", "make a session"),
        "show": Entry("show", "show", "a session: its facts, state and conversation"),
        "logs": Entry("logs", "logs", "a session's log lines, as they come with -f"),
        "watch": Entry("watch", "watch", "what happens in sessions, as it happens"),
        "resume": Entry("resume", "resume", "make a session that has ended active again"),
        "fork": Entry("fork", "fork", "make a session with another's history"),
        "rm": Entry("rm", "remove", "delete sessions"),
    },
    "Find": {
        "list": Entry("list_sessions", "list_sessions", "sessions by user, status, tags, text, time ..."),
        "search": Entry("search", "search", "sessions by what was said and done in them"),
        "invocations": Entry("invocations", "invocations", "what tools were used for, in all sessions"),
        "stats": Entry("stats", "stats", "what sessions did, summed up"),
        "compare": Entry("compare", "compare", "what differs between two sessions"),
    },
    "Requests": {
        "top": Entry("top", "top", "sessions, requests and pools, live"),
        "requests": Entry("list_requests", "list_requests", "the work in flight"),
        "cancel": Entry("cancel", "cancel", "ask a request to stop"),
        "pools": Entry("pools", "pools", "slots that sessions share: list, make, resize"),
    },
    "Keep": {
        "save": Entry("save", "save", "write a snapshot of a session now"),
        "cleanup": Entry("cleanup", "cleanup", "delete, end or archive many sessions"),
        "templates": Entry("templates", "templates", "what new sessions begin with"),
    },
    "Data": {
        "artifacts": Entry("artifacts", "artifacts", "the files of a session: list, put, get"),
        "export": Entry("export", "export", "write a session to a file or directory"),
        "import": Entry("import_session", "import_session", "store a session from a file"),
        "replay": Entry("replay", "replay", "write recorded conversations as sessions"),
    },
    "Admin": {
        "doctor": Entry("doctor", "doctor", "is all well? and if not, what to do"),
        "migrate": Entry("migrate", "migrate", "bring the catalog's schema up to date"),
        "config": Entry("config", "config", "which server, as whom, and who says so"),
        "completion": Entry("completion", "completion", "completion for bash, zsh or fish"),
    },
}
"""The commands as the main help groups them."""

_OTHER_WORDS = {
    "add": "create", "cat": "show", "clean": "cleanup", "conversation": "show", "del": "rm", "delete": "rm",
    "describe": "show", "diff": "compare", "find": "search", "follow": "watch", "get": "show", "grep": "search",
    "info": "show", "log": "logs", "ls": "list", "new": "create", "prune": "cleanup", "ps": "requests",
    "remove": "rm", "sessions": "list", "snapshot": "save", "start": "serve", "status": "doctor", "tail": "logs",
}  # fmt: skip
"""What people call things elsewhere."""


class _Main(click.Group):
    """The program itself: its help fits on one screen."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes all commands, by what they are for."""
        width = max(len(name) for entries in GROUPS.values() for name in entries)
        formatter.write("Usage: sojourn COMMAND [OPTIONS] [ARGUMENTS]\n\n")
        formatter.write("Coordinate the live sessions of agents.\n\n")
        for title, entries in GROUPS.items():
            for number, (name, entry) in enumerate(entries.items()):
                head = click.style(f"{title if number == 0 else '':<10}", bold=True)
                formatter.write(f"{head}{click.style(f'{name:<{width}}', fg='cyan')}  {entry.summary}\n")
        formatter.write("\nOptions and examples: sojourn COMMAND --help. Version: sojourn --version.\n")
        formatter.write("Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 no server,\n")
        formatter.write("5 access denied, 130 interrupted.\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Helps those who say `help COMMAND`, or which server in front of the command."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name.lstrip("-").replace("-", "_") not in SERVER_OPTIONS:
                raise
            text = f"{error.option_name} stands after the command: sojourn COMMAND {error.option_name} ..."
            raise click.UsageError(text, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command, or says which was meant."""
        name = args[0]
        if name not in self.commands and not ctx.resilient_parsing and not name.startswith("-"):
            from difflib import get_close_matches

            other = [_OTHER_WORDS[name]] if name in _OTHER_WORDS else get_close_matches(name, self.commands)
            meant = f" Did you mean {' or '.join(f'`sojourn {each}`' for each in other)}?" if other else ""
            raise click.UsageError(f"There is no command {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes commands without importing them."""
        from click.shell_completion import CompletionItem

        entries = {name: entry for group in GROUPS.values() for name, entry in group.items()}
        found = [
            CompletionItem(name, help=each.summary) for name, each in entries.items() if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=_Main,
    commands=LazyCommands({name: entry for entries in GROUPS.values() for name, entry in entries.items()}),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="sojourn", message="%(prog)s %(version)s")
def main(**_options: Any) -> None:
    """Coordinate the live sessions of agents."""
