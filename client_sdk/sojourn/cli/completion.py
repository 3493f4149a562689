"""`sojourn completion`: what makes a shell complete commands, options, ids and names."""

from __future__ import annotations

import click

from ._help import command

SHELLS = ("bash", "zsh", "fish")


@command(
    examples=[
        'eval "$(sojourn completion bash)"                                  # in ~/.bashrc',
        'eval "$(sojourn completion zsh)"                                   # in ~/.zshrc',
        "sojourn completion fish > ~/.config/fish/completions/sojourn.fish",
    ]
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes `sojourn` in a shell.

    Commands, options and their choices are completed, and from the server ids of sessions and names of templates and
    pools: those of the target, key and profile on the line, else as for any command. Nothing is said when it is away.
    """
    from click.shell_completion import get_completion_class

    from ._main import main

    kind = get_completion_class(shell)
    assert kind is not None, "click has all three"
    click.echo(kind(main, {}, "sojourn", "_SOJOURN_COMPLETE").source())
