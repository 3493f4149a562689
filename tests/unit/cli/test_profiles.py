"""Which server a command talks to, and as whom."""

import json

import pytest
from click.testing import CliRunner

from sojourn.cli import main
from sojourn.cli._errors import CommandError
from sojourn.cli._profiles import Server, resolve

PROFILES = """
[profiles.default]
target = "default:1"
api_key = "default-key"
project = "shop"

[profiles.prod]
target = "prod:1"
api_key = "prod-key-0123456789"
tls = "ca.pem"
user = "ada"

[profiles.keyless]
tls = true
"""


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """A profile file of the test's own, and nothing in the environment."""
    for name in ("TARGET", "API_KEY", "PROFILE", "CONFIG_FILE"):
        monkeypatch.delenv(f"SOJOURN_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "sojourn" / "config.toml"
    path.parent.mkdir()
    path.write_text(PROFILES)
    return path


def told(server):
    return server.target, server.api_key, server.tls


def test_without_anything_it_is_the_default(path):
    path.unlink()
    assert resolve() == Server("localhost:7431")


def test_the_default_profile_counts_when_none_is_named():
    server = resolve()
    assert (told(server), server.project, server.profile) == (("default:1", "default-key", False), "shop", "default")
    assert server.origins == dict.fromkeys(("target", "api_key", "project"), "profile default")


def test_the_environment_wins_over_a_profile_and_flags_over_both(monkeypatch):
    monkeypatch.setenv("SOJOURN_TARGET", "env:1")
    monkeypatch.setenv("SOJOURN_API_KEY", "env-key")
    assert told(resolve()) == ("env:1", "env-key", False)
    assert told(resolve(target="flag:1")) == ("flag:1", "env-key", False)
    assert told(resolve(api_key="flag-key")) == ("env:1", "flag-key", False)
    assert resolve(api_key="flag-key").origins["target"] == "SOJOURN_TARGET"


def test_a_profile_that_a_flag_names_wins_over_the_environment(monkeypatch, path):
    monkeypatch.setenv("SOJOURN_TARGET", "env:1")
    server = resolve(profile="prod")
    assert told(server) == ("prod:1", "prod-key-0123456789", path.parent / "ca.pem")
    assert (server.user, server.is_named_by_flag) == ("ada", True)
    assert told(resolve(profile="prod", target="flag:1"))[0] == "flag:1"


def test_the_environment_names_a_profile(monkeypatch):
    monkeypatch.setenv("SOJOURN_PROFILE", "prod")
    assert resolve().target == "prod:1"
    monkeypatch.setenv("SOJOURN_TARGET", "env:1")
    assert resolve().target == "env:1"


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_the_key_of_a_profile_is_not_sent_to_another_server(monkeypatch, how):
    monkeypatch.setenv("SOJOURN_PROFILE", "prod")
    if how == "environment":
        monkeypatch.setenv("SOJOURN_TARGET", "other:1")
    server = resolve(target="other:1" if how == "flag" else None)
    assert told(server) == ("other:1", None, False)
    assert server.user == "ada"


def test_whoever_names_profile_and_target_by_flags_means_both():
    assert told(resolve(profile="prod", target="replica:1"))[:2] == ("replica:1", "prod-key-0123456789")


def test_a_profile_without_a_target_is_for_the_default_one():
    assert told(resolve(profile="keyless")) == ("localhost:7431", None, True)


def test_the_environment_names_the_file(tmp_path, monkeypatch):
    other = tmp_path / "other.toml"
    other.write_text('profiles.default.target = "other:1"')
    monkeypatch.setenv("SOJOURN_CONFIG_FILE", str(other))
    assert resolve().target == "other:1"
    other.unlink()
    with pytest.raises(CommandError, match="there is no such file"):
        resolve()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profiles = 3", "must be tables"),
        ("[profiles", "is not TOML"),
        ("[profiles.default]\ntargte = 'x:1'", "'targte' is no setting"),
        ("[profiles.default]\ntarget = 7431", "target must be text"),
        ("[profiles.default]\ntls = 1", "tls must be true, false or the path"),
        ("\xff", "is not TOML"),
    ],
)
def test_a_wrong_file_is_explained(path, text, said):
    path.write_text(text)
    result = CliRunner().invoke(main, ["list"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert str(path) in result.stderr


def test_an_unknown_profile_says_which_there_are():
    result = CliRunner().invoke(main, ["list", "--profile", "prd"])
    assert result.exit_code == 2
    assert "there is no profile 'prd'" in result.stderr
    assert "default, keyless, prod" in result.stderr


def test_config_shows_what_counts_and_why_without_the_key(path):
    shown = CliRunner().invoke(main, ["config", "--profile", "prod", "--target", "flag:1"]).output
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert rows[:4] == [
        "target flag:1 --target",
        "api_key ...6789 --profile prod",
        f"tls {path.parent / 'ca.pem'} --profile prod",
        "user ada --profile prod",
    ]
    assert f"file {path}" in rows
    document = json.loads(CliRunner().invoke(main, ["config", "-o", "json"]).output)
    assert document["target"] == {"value": "default:1", "from": "profile default"}
    assert document["api_key"]["value"] == "..."  # too short to show any of it
    assert document["profiles"] == ["default", "keyless", "prod"]


def test_an_absent_server_is_told_with_who_named_it(monkeypatch):
    monkeypatch.setattr("sojourn.cli._connect._CONNECT_SECONDS", 0.1)
    monkeypatch.setenv("SOJOURN_TARGET", "127.0.0.1:1")
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 4
    assert "127.0.0.1:1, which SOJOURN_TARGET names" in result.stderr
