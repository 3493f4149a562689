"""Every command helps in the same way, and the same flag is the same everywhere."""

import shlex
import subprocess
import sys
from collections import defaultdict

import click
import pytest
from click.testing import CliRunner

from sojourn.cli import main
from sojourn.cli._main import GROUPS

NO_DATA = {"serve", "demo", "mcp", "top", "migrate", "completion", "templates rm"}
"""They print for people alone, or nothing."""
NO_SERVER = {"serve", "migrate", "completion"}
FILES = ("trajectories.jsonl.gz", "chats.jsonl", "qa-17.sojourn", "home.png")
"""Files that examples read."""


def commands(group=main, path=()):
    """Every command that runs, with its name as it is typed."""
    for name in group.commands:
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())


def options(command):
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def help_of(name):
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_main_help_fits_on_one_screen():
    lines = help_of("").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


def test_the_main_help_names_every_command_once_in_a_group():
    grouped = [name for entries in GROUPS.values() for name in entries]
    assert sorted(grouped) == sorted(main.commands)
    shown = [line[10:].split()[0] for line in help_of("").splitlines() if line[10:].strip() and "  " in line[12:]]
    assert [name for name in grouped if name not in shown] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does_and_ends_with_examples(name):
    command = COMMANDS[name]
    text = help_of(name)
    assert command.help
    assert 1 <= len(command.examples) <= 3
    assert [line.strip() for line in text.splitlines()][-len(command.examples) :] == list(command.examples)
    for option in options(command):
        assert option.help, option


@pytest.mark.parametrize("name", ["artifacts", "templates"])
def test_groups_have_examples_too(name):
    text = help_of(name)
    assert 1 <= len(main.commands[name].examples) <= 3
    assert main.commands[name].examples[-1] in text


@pytest.mark.parametrize("name", [*COMMANDS, "artifacts", "templates"])
def test_examples_are_commands_that_parse(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        (tmp_path / file).touch()
    command = COMMANDS.get(name) or main.commands[name]
    for example in command.examples:
        words = shlex.split(example.partition("$(")[2].partition(")")[0] or example, comments=True)
        words = words[words.index("sojourn") + 1 :]
        words = words[: min((words.index(stop) for stop in ("|", ">") if stop in words), default=len(words))]
        _parse(main, "sojourn", words)


def _parse(command, name, words, parent=None):
    """Parses a line without running it. Raises click.UsageError for one that is wrong."""
    context = command.make_context(name, list(words), parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, left = command.resolve_command(context, rest)
        _parse(found, name, left, context)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NO_DATA))
def test_what_prints_data_prints_it_for_programs_too(name):
    (output,) = [option for option in options(COMMANDS[name]) if option.name == "output"]
    assert output.opts == ["--output", "-o"]
    choices = getattr(output.type, "choices", ()) or output.metavar.strip("[]").split("|")
    assert tuple(choices)[:3] == ("table", "json", "yaml")
    assert output.default == "table"


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NO_SERVER))
def test_what_talks_to_a_server_can_be_told_which(name):
    given = {option.name for option in options(COMMANDS[name])}
    assert {"target", "api_key", "profile"} <= given
    assert "\nServer:\n" in help_of(name)


def test_the_same_flag_is_the_same_everywhere():
    shapes, shorts = defaultdict(set), defaultdict(set)
    for command in COMMANDS.values():
        for option in options(command):
            if option.hidden or option.name == "output":
                continue
            [flag] = [name for name in option.opts if name.startswith("--")]
            short = tuple(name for name in option.opts if name != flag)
            shapes[flag].add((short, option.is_flag, option.multiple, option.metavar))
            for name in short:
                shorts[name].add(flag)
    different = {flag: found for flag, found in shapes.items() if len(found) > 1}
    # How much faster: `demo` has nothing that is as fast as possible.
    assert set(different) == {"--speed"}, different
    assert dict(shorts) == {"-f": {"--follow"}, "-n": {"--lines"}, "-q": {"--quiet"}, "-y": {"--yes"}}


def test_old_spellings_are_taken_but_not_shown():
    for name, old in (("watch", "--kind"), ("requests", "--state")):
        assert f" {old} " not in help_of(name)
        assert any(old in option.opts for option in options(COMMANDS[name]))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("lst", "list"), ("serch", "search"), ("delete", "rm"), ("ls", "list"), ("tail", "logs"), ("new", "create")],
)
def test_a_wrong_command_is_told_the_right_one(typed, meant):
    result = CliRunner().invoke(main, [typed])
    assert result.exit_code == 2
    assert f"Did you mean `sojourn {meant}`" in result.stderr


def test_help_is_a_word_too():
    assert CliRunner().invoke(main, ["help"]).output == help_of("")
    assert CliRunner().invoke(main, ["help", "artifacts", "get"]).output == help_of("artifacts get")


def test_a_wrong_option_is_told_the_right_one():
    result = CliRunner().invoke(main, ["create", "--user-id", "ada"])
    assert (result.exit_code, "--user" in result.stderr.splitlines()[-1]) == (2, True)


def test_which_server_stands_after_the_command():
    result = CliRunner().invoke(main, ["--target", "x:1", "list"])
    assert (result.exit_code, "sojourn COMMAND --target" in result.stderr) == (2, True)


def test_the_program_imports_only_what_it_runs():
    code = """
import sys
from sojourn.cli import main
for arguments in (["--help"], ["list", "--help"]):
    main(arguments, standalone_mode=False)
heavy = ["asyncio", "grpc", "pydantic", "rich", "yaml", "tomllib", "mcp", "sojourn_server", "sojourn.client"]
print([name for name in heavy if name in sys.modules])
ours = [name.removeprefix("sojourn.cli.") for name in sys.modules if name.startswith("sojourn.cli.")]
print(sorted(name for name in ours if not name.startswith("_")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "['list_sessions']"]
