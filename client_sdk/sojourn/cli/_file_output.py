"""`FILE` and `--output` of commands that write a file.

`--output FORMAT` is how a command prints, as everywhere. Whoever says a file there instead, as with many programs,
means FILE; one that is called like a format is named `./json`, or given as FILE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ._output import FORMATS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class _FormatOrFile(click.ParamType[str]):
    name = "format"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        formats = [CompletionItem(each) for each in FORMATS if each.startswith(incomplete)]
        return [*formats, CompletionItem(incomplete, type="file")]


def file_output_option(command: F) -> F:
    """`--output`: a format, or a file's name."""
    return click.option(
        "--output", "-o", type=_FormatOrFile(), default="table", show_default=True,
        metavar=f"[{'|'.join(FORMATS)}]",
        help="How to print what was written. Any other word is taken as FILE.",
    )(command)  # fmt: skip


def file_and_format(file: str | None, output: str) -> tuple[str | None, str]:
    """The file to write, if one was named, and how to print what was written. Raises click.UsageError for two files."""
    if output in FORMATS:
        return file, output
    if file is not None:
        raise click.UsageError(f"FILE and --output {output} both name a file: leave out one.")
    return output, "table"
