"""The command line where no server is needed: help, usage errors, `serve`'s settings, a server that is not there."""

import re
import socket
import subprocess
import sys
from types import ModuleType

import pytest
from click.testing import CliRunner

from sojourn._filters import InvocationConditions, SearchConditions, SessionConditions
from sojourn.cli import main
from sojourn.cli._finding_options import CONSISTENCIES, INVOCATION_STATUSES, TEXT_SOURCES, TIERS
from sojourn.cli._help import SERVER_OPTIONS
from sojourn.cli._options import CHANGE_KINDS, LOG_LEVELS, REQUEST_STATES, STATUSES
from sojourn.cli.cleanup import ACTIONS
from sojourn.enums import (
    ChangeKind,
    CleanupAction,
    Consistency,
    InvocationStatus,
    LogLevel,
    RequestState,
    SessionStatus,
    TextSource,
    Tier,
)


def invoke(*arguments, **options):
    return CliRunner().invoke(main, list(arguments), **options)


@pytest.fixture
def nobody(monkeypatch):
    """A target where nobody listens, given up on soon."""
    monkeypatch.setattr("sojourn.cli._connect._CONNECT_SECONDS", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_version():
    assert re.fullmatch(r"sojourn \d+\.\d+\.\d+\S*\n", invoke("--version", prog_name="sojourn").output)


def test_help_waits_for_nothing_heavy():
    heavy = ("rich.table", "sojourn_server", "redis")
    code = "import sys; from sojourn.cli import main; main(['--help'], standalone_mode=False)\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_choices_are_those_of_the_sdk():
    assert set(CHANGE_KINDS) == set(ChangeKind) - {"unknown"}
    assert set(STATUSES) == set(SessionStatus) - {"unknown"}
    assert set(REQUEST_STATES) == set(RequestState) - {"unknown"}
    assert set(INVOCATION_STATUSES) == set(InvocationStatus) - {"unknown"}
    assert set(TEXT_SOURCES) == set(TextSource) - {"unknown"}
    assert set(LOG_LEVELS) == set(LogLevel) - {"unknown"}
    assert set(TIERS) == set(Tier) - {"unknown"}
    assert set(CONSISTENCIES) == set(Consistency)
    assert set(ACTIONS) == set(CleanupAction)


@pytest.mark.parametrize(
    ("command", "conditions", "others"),
    [
        ("list", SessionConditions, {"limit", "count"}),
        ("search", SearchConditions, {"limit", "words", "sources"}),
        ("invocations", InvocationConditions, {"limit"}),
        ("stats", SessionConditions, {"session_id", "children", "group_by", "period"}),
        ("cleanup", SessionConditions, {"older_than", "keep_newest", "action", "dry_run", "yes"}),
    ],
)
def test_every_condition_of_the_sdk_is_an_option(command, conditions, others):
    given = {parameter.name for parameter in main.commands[command].params}
    assert given - others - {*SERVER_OPTIONS, "output", "consistency", "quiet"} == set(conditions.__annotations__)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["show"],
        ["show", "x", "--messages", "-1"],
        ["list", "--status", "asleep"],
        ["list", "--tier", "cold"],
        ["list", "--created-after", "yesterday"],
        ["list", "--metadata", "attempt"],
        ["list", "--count", "--limit", "3"],
        ["search"],
        ["search", "refund", "--source", "title"],
        ["search", "refund", "--text", "seat"],
        ["invocations", "--slower-than", "long"],
        ["invocations", "--status", "asleep"],
        ["watch", "x", "--user", "ann"],
        ["watch", "--until-ended"],
        ["watch", "x", "--after", "3", "--snapshot"],
        ["watch", "x", "--change", "nonsense"],
        ["watch", "x", "--kind", "nonsense"],
        ["replay", "/does/not/exist"],
        ["replay", "-", "--speed", "0"],
        ["replay", "-", "--speed", "fast"],
        ["replay", "-", "--concurrency", "0"],
        ["serve", "--ephemeral", "--data-dir", "x"],
        ["serve", "--redis", "redis://x", "--data-dir", "x"],
        ["demo", "--agents", "0"],
        ["requests", "x", "--user", "ann"],
        ["requests", "--status", "done"],
        ["create", "--state", "n"],
        ["create", "--if-exists", "replace"],
        ["logs"],
        ["logs", "x", "--lines", "-1"],
        ["logs", "x", "--level", "fatal"],
        ["rm"],
        ["rm", "x"],  # nobody can be asked
        ["rm", "x", "y", "--if-revision", "3", "--yes"],
        ["completion", "csh"],
        ["config", "--profile", "nobody"],
        ["list", "--output", "xml"],
        ["import", "/does/not/exist"],
        ["artifacts", "put", "x", "/does/not/exist"],
        ["artifacts", "get", "x", "n", "a.png", "--output", "b.png"],
        ["export", "x", "a.sojourn", "--output", "b.sojourn"],
        ["export", "x", "session.json", "--artifacts"],
        ["export", "x", "session.json", "--redact", "a"],
        ["cancel", "x"],
        ["pools", "--size", "3"],
        ["compare", "x"],
        ["stats", "x", "--user", "ann"],
        ["stats", "--children"],
        ["stats", "--period", "always"],
        ["templates", "create"],
        ["artifacts"],
        ["artifacts", "put", "x"],
        ["artifacts", "put", "x", "-"],
        ["artifacts", "put", "x", "f", "--label", "n"],
        ["artifacts", "get", "x", "n", "--version", "0"],
        ["templates", "create", "t", "--state", "n"],
        ["fork", "x", "--at", "0"],
        ["cleanup"],
        ["cleanup", "--yes"],
        ["cleanup", "--older-than", "30d"],  # nobody can be asked
        ["cleanup", "--older-than", "old", "--yes"],
        ["cleanup", "--keep-newest", "-1", "--yes"],
        ["pools", "browsers", "--size", "-1"],
        ["top", "--interval", "0"],
        ["top"],  # standard output is no terminal
    ],
)
def test_wrong_usage_exits_with_2(arguments):
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--count"],
        ["search", "refund"],
        ["invocations"],
        ["show", "x"],
        ["create"],
        ["logs", "x", "--follow"],
        ["rm", "x", "--yes"],
        ["export", "x", "-"],
        ["watch"],
        ["watch", "x"],
        ["replay", "-"],
        ["requests"],
        ["cancel", "x", "y"],
        ["pools"],
        ["compare", "x", "y"],
        ["artifacts", "x"],
        ["artifacts", "--newest", "x"],
        ["artifacts", "get", "x", "n"],
        ["cleanup", "--older-than", "30d", "--dry-run"],
        ["top", "--once"],
    ],
)
def test_an_absent_server_exits_with_4_and_the_next_step(arguments, nobody, monkeypatch):
    monkeypatch.setattr("sojourn.cli._connect._CONNECT_SECONDS", 0.3)
    result = invoke(*arguments, "--target", nobody, input="")
    assert result.exit_code == 4
    assert nobody in result.stderr
    assert "sojourn serve" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_the_target_comes_from_the_environment(nobody):
    result = invoke("list", env={"SOJOURN_TARGET": nobody})
    assert result.exit_code == 4
    assert nobody in result.stderr


@pytest.fixture
def server_modules(monkeypatch):
    """Stands in for the server package; what `run` was given is in the list."""
    runs = []

    class Settings:
        def __init__(self, **given):
            if given.get("listen") == "nonsense":
                raise ValueError("listen: expected HOST:PORT")
            self.given = given

    settings, server = ModuleType("sojourn_server.settings"), ModuleType("sojourn_server.main")
    settings.Settings = Settings
    server.run = lambda settings: runs.append(settings.given) or 7
    for module in (ModuleType("sojourn_server"), settings, server):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return runs


def test_serve_passes_on_only_what_was_given(server_modules):
    assert invoke("serve").exit_code == 7
    assert server_modules == [{}]


def test_serve_passes_on_every_flag(server_modules, tmp_path):
    config = tmp_path / "sojourn.toml"
    config.touch()
    flags = ["--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)]
    flags += ["--workers", "2", "--durability", "fsync", "--no-reflection", "--grace", "2.5"]
    flags += ["--log-format", "json", "--log-level", "debug", "--config", str(config)]
    invoke("serve", *flags)
    assert server_modules == [
        {
            "listen": "127.0.0.1:0",
            "data_dir": tmp_path,
            "workers": 2,
            "durability": "fsync",
            "reflection": False,
            "grace_seconds": 2.5,
            "log_format": "json",
            "log_level": "debug",
            "config": config,
        }
    ]


def test_serve_explains_wrong_settings(server_modules):
    result = invoke("serve", "--listen", "nonsense")
    assert result.exit_code == 2
    assert "expected HOST:PORT" in result.stderr
    assert server_modules == []


def test_serve_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sojourn_server.main", None)
    result = invoke("serve")
    assert result.exit_code == 1
    assert "pip install 'sojourn[server]'" in result.stderr
