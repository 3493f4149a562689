"""A shell completes commands, options and choices, and ids and names from the server."""

import asyncio
import shutil
import socket
import subprocess
from uuid import uuid4

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import sojourn as sdk
from sojourn.cli import main
from tests.support.command import PROGRAM


def complete(*words, incomplete=""):
    """What is offered after these words."""
    completer = ShellComplete(main, {}, "sojourn", "_SOJOURN_COMPLETE")
    return [item.value for item in completer.get_completions(list(words), incomplete)]


@pytest.fixture(scope="module")
def unique():
    return f"k{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def target(sojourn_server, unique):
    """A server with two sessions, a template and a pool of these names."""

    async def fill():
        async with sdk.Client(sojourn_server) as client:
            for number in (1, 2):
                await client.create_session(f"{unique}-{number}", purpose="completed\nby a shell")
            await client.create_template(f"{unique}-t")
            await client.pool(f"{unique}-p").resize(2)
            await client.count_sessions()  # the catalog knows them now

    asyncio.run(fill())
    return sojourn_server


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine may take longer than somebody with a finger on the key waits."""
    monkeypatch.setattr("sojourn.cli._completing._SECONDS", 30.0)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell):
    script = CliRunner().invoke(main, ["completion", shell]).output
    assert "_SOJOURN_COMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.encode(), check=True, timeout=30)


def test_commands_options_and_choices_need_no_server():
    assert complete(incomplete="re") == ["resume", "requests", "replay"]
    assert complete("list", incomplete="--created") == ["--created-after", "--created-before"]
    assert complete("list", "--status", incomplete="a") == ["active", "abandoned"]
    assert complete("list", "--tier") == ["hot", "recent", "archive"]
    assert complete("list", "-o") == ["table", "json", "yaml"]
    assert complete("completion") == ["bash", "zsh", "fish"]
    assert "--kind" not in complete("watch", incomplete="--")


@pytest.mark.parametrize("line", ["show", "logs", "fork --at 3", "compare x", "rm", "artifacts", "artifacts put"])
def test_ids_of_sessions(target, unique, line):
    assert complete(*line.split(), "--target", target, incomplete=f"{unique}-") == [f"{unique}-2", f"{unique}-1"]


def test_an_id_that_is_there_already_is_not_offered_again(target, unique):
    assert complete("rm", f"{unique}-1", "--target", target, incomplete=unique) == [f"{unique}-2"]


def test_names_of_templates_and_pools(target, unique):
    assert complete("create", "--target", target, "--template", incomplete=unique) == [f"{unique}-t"]
    assert complete("templates", "show", "--target", target, incomplete=unique) == [f"{unique}-t"]
    assert complete("pools", "--target", target, incomplete=unique) == [f"{unique}-p"]
    assert complete("requests", "--target", target, "--pool", incomplete=unique) == [f"{unique}-p"]


def test_profiles(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    path.write_text("[profiles.prod]\n[profiles.staging]\n")
    monkeypatch.setenv("SOJOURN_CONFIG_FILE", str(path))
    assert complete("list", "--profile", incomplete="p") == ["prod"]
    path.write_text("[profiles")
    assert complete("list", "--profile", incomplete="p") == []


def test_a_subcommand_or_an_id_comes_after_a_group(target, unique, monkeypatch):
    monkeypatch.setenv("SOJOURN_TARGET", target)
    offered = complete("artifacts")
    assert {"list", "put", "get", f"{unique}-1"} <= set(offered)


def test_the_program_itself_answers_a_shell():
    environment = {"_SOJOURN_COMPLETE": "bash_complete", "COMP_WORDS": "sojourn tem", "COMP_CWORD": "1"}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("plain,templates\n", "")


def test_a_server_that_is_away_or_silent_is_not_waited_for(capfd, monkeypatch):
    monkeypatch.setattr("sojourn.cli._completing._SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for address in ("127.0.0.1:1", f"127.0.0.1:{silent.getsockname()[1]}", "no such place"):
            assert complete("show", "--target", address) == []
    assert capfd.readouterr() == ("", "")
