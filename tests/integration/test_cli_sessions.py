"""The `sojourn` program makes sessions, prints their logs and deletes them."""

import asyncio
import json
from uuid import uuid4

import pytest
import yaml

import sojourn as sdk
from tests.support.command import running, sojourn
from tests.support.line import Line
from tests.support.terminal import on_a_terminal


@pytest.fixture
def target(sojourn_server):
    return sojourn_server


@pytest.fixture
def unique():
    return f"m{uuid4().hex[:12]}"


@pytest.fixture
async def client(target):
    async with sdk.Client(target) as client:
        yield client


class TestCreate:
    async def test_with_everything_there_is_to_say(self, target, client, unique):
        await client.create_template(unique, tags=["nightly"], state={"retries": 2})
        parent = await client.create_session()
        said = ["--id", unique, "--kind", "qa-session", "--user", "ada", "--project", unique, "--purpose", "look"]
        said += ["--tag", "web", "--metadata", "attempt=3", "--metadata", "test_name=my_test", "--state", "phase=start"]
        said += ["--template", unique, "--parent", parent.id, "--idle-timeout", "2h", "--max-lifetime", "7d"]
        done = await sojourn("create", *said, "--max-requests", "4", "-o", "json", target=target)
        assert done.code == 0, done.stderr
        session = (await client.get_session(unique)).info
        assert sdk.Session.model_validate_json(done.stdout).id == session.id == unique
        assert (session.kind, session.user_id, session.project, session.purpose) == (
            "qa-session",
            "ada",
            unique,
            "look",
        )
        assert sorted(session.tags) == ["nightly", "web"]
        assert session.metadata == {"attempt": 3, "test_name": "my_test"}
        assert session.state == {"retries": 2, "phase": "start"}
        assert session.parent == parent.id

    async def test_quiet_is_the_id_alone_and_else_it_is_shown(self, target, client, unique):
        quiet, shown = await asyncio.gather(
            sojourn("create", "-q", "--kind", "qa", target=target),
            sojourn("create", "--id", unique, "--purpose", "look around", target=target),
        )
        assert (await client.get_session(quiet.stdout.removesuffix("\n"))).info.kind == "qa"
        assert unique in shown.stdout
        assert "look around" in shown.stdout

    async def test_an_id_that_is_taken(self, target, client, unique):
        await client.create_session(unique, purpose="first")
        taken, there = await asyncio.gather(
            sojourn("create", "--id", unique, target=target),
            sojourn(
                "create", "--id", unique, "--purpose", "second", "--if-exists", "return", "-o", "json", target=target
            ),
        )
        assert (taken.code, taken.stdout, "--if-exists return" in taken.stderr) == (1, "", True)
        assert json.loads(there.stdout)["purpose"] == "first"

    async def test_project_and_user_come_from_the_profile(self, target, client, unique, tmp_path):
        path = tmp_path / "config.toml"
        path.write_text(f'[profiles.default]\nproject = "{unique}"\nuser = "ada"\n')
        done = await in_environment("create", "-q", target=target, SOJOURN_CONFIG_FILE=str(path))
        session = (await client.get_session(done)).info
        assert (session.project, session.user_id) == (unique, "ada")


async def in_environment(*arguments, target, **variables):
    """What a command prints with these variables, without blanks around it."""
    from click.testing import CliRunner

    from sojourn.cli import main

    given = {"SOJOURN_TARGET": target, **variables}
    result = await asyncio.to_thread(CliRunner().invoke, main, list(arguments), env=given)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


class TestLogs:
    @pytest.fixture
    async def session(self, client, unique):
        session = await client.create_session(unique)
        await session.log("begun", level="debug")
        await session.add_message("user", "no line of the log")
        await session.log("looked at\nboth pages")
        await session.log("slow \x1b[31m", level="warning")
        return session

    async def test_all_lines_oldest_first(self, target, session):
        done = await sojourn("logs", session.id, target=target)
        assert done.code == 0, done.stderr
        assert [line.split()[2:] for line in done.lines if line[0] == "2"] == [
            ["debug", "begun"],
            ["info", "looked", "at"],
            ["warning", "slow", "\\x1b[31m"],
        ]
        assert done.lines[2].strip() == "both pages"
        assert done.lines[2].index("both") == done.lines[1].index("looked")

    async def test_the_last_lines_of_a_level(self, target, session):
        last, warnings, none, documents = await asyncio.gather(
            sojourn("logs", session.id, "-n", "2", "-o", "json", target=target),
            sojourn("logs", session.id, "--level", "warning", "-o", "json", target=target),
            sojourn("logs", session.id, "--lines", "0", target=target),
            sojourn("logs", session.id, "-o", "yaml", target=target),
        )
        assert [json.loads(line)["text"] for line in last.lines] == ["looked at\nboth pages", "slow \x1b[31m"]
        (warning,) = map(json.loads, warnings.lines)
        assert (warning["level"], warning["revision"]) == ("warning", 5)
        assert (none.code, none.stdout) == (0, "")
        assert [each["level"] for each in yaml.safe_load_all(documents.stdout)] == ["debug", "info", "warning"]

    async def test_lines_are_followed_through_a_broken_connection_until_the_session_ends(self, target, client, session):
        chosen = ("logs", session.id, "-f", "-n", "1", "-o", "json")
        async with Line(target) as line, running(*chosen, target=line.target) as program:
            await program.until_lines(1)
            await session.log("live")
            await program.until_lines(2)
            line.cut()
            await session.log("after the break", level="error")
            await program.until_lines(3)
            await session.add_message("user", "no line of the log")
            await session.complete()
            assert await program.end() == 0, program.errors
        assert [json.loads(each)["text"] for each in program.lines] == ["slow \x1b[31m", "live", "after the break"]

    async def test_a_session_that_has_ended_is_not_waited_for(self, target, session):
        await session.complete()
        done = await sojourn("logs", session.id, "--follow", "--lines", "1", target=target)
        assert (done.code, len(done.lines)) == (0, 1)

    async def test_an_unknown_session_exits_with_3(self, target, unique):
        done = await sojourn("logs", f"{unique}-none", target=target)
        assert (done.code, "`sojourn list`" in done.stderr) == (3, True)


class TestRm:
    async def test_several_at_once_and_one_that_is_not_there(self, target, client, unique):
        for number in (1, 2):
            await client.create_session(f"{unique}-{number}", project=unique)
        chosen = [f"{unique}-1", f"{unique}-none", f"{unique}-2", f"{unique}-1"]
        refused = await sojourn("rm", *chosen, target=target)
        assert (refused.code, "--yes" in refused.stderr) == (2, True)
        assert await client.count_sessions(project=unique) == 2
        done = await sojourn("rm", *chosen, "--yes", target=target)
        assert (done.code, done.lines) == (3, [f"{unique}-1", f"{unique}-2"])
        assert f"{unique}-none" in done.stderr
        assert await client.count_sessions(project=unique) == 0

    async def test_only_when_nobody_wrote_meanwhile(self, target, client, unique):
        session = await client.create_session(unique)
        await session.log("more")
        changed = await sojourn("rm", unique, "-y", "--if-revision", "1", target=target)
        assert (changed.code, changed.stdout) == (1, "")
        assert f"`sojourn show {unique}`" in changed.stderr
        done = await sojourn("rm", unique, "-y", "--if-revision", "2", "-o", "json", target=target)
        assert json.loads(done.stdout)["session_id"] == unique

    async def test_on_a_terminal_it_asks(self, target, client, unique):
        await client.create_session(unique)
        for answer, code in (("n\n", 1), ("y\n", 0)):
            async with on_a_terminal("rm", unique, target=target) as terminal:
                await terminal.until_shown("Delete 1 session for ever?")
                terminal.press(answer)
                assert await terminal.end() == code
        with pytest.raises(sdk.SessionDeletedError):
            await client.get_session(unique)


async def test_the_ids_of_a_list_are_what_rm_takes(target, client, unique):
    for number in (1, 2):
        session = await client.create_session(f"{unique}-{number}", project=unique, purpose=unique)
    listed = await sojourn("list", "-q", "--project", unique, target=target)
    assert listed.lines == [session.id, f"{unique}-1"]
    searched = await sojourn("search", unique, "-q", target=target)
    assert sorted(searched.lines) == sorted(listed.lines)
    done = await sojourn("rm", "--yes", *listed.lines, target=target)
    assert done.lines == listed.lines


async def test_every_command_prints_for_programs(target, client, unique, tmp_path):
    session = await client.create_session(unique, project=unique)
    await session.put_artifact("a.txt", b"text")
    await client.pool(unique).resize(3)
    path = str(tmp_path / "it.sojourn")
    (tmp_path / "b.txt").write_text("b")
    lines = {
        "save": ["save", unique],
        "fork": ["fork", unique, "--id", f"{unique}-f"],
        "resume": ["resume", unique],
        "templates create": ["templates", "create", unique],
        "templates show": ["templates", "show", unique],
        "templates": ["templates"],
        "put": ["artifacts", "put", unique, str(tmp_path / "b.txt")],
        "get": ["artifacts", "get", unique, "a.txt", str(tmp_path / "c.txt")],
        "artifacts": ["artifacts", unique],
        "export": ["export", unique, path],
        "import": ["import", path, "--new-id"],
        "list": ["list", "--project", unique],
        "show": ["show", unique],
        "pools": ["pools", unique],
        "stats": ["stats", unique],
        "compare": ["compare", unique, f"{unique}-f"],
        "cleanup": ["cleanup", "--project", unique, "--dry-run"],
        "rm": ["rm", "-y", unique],
    }
    printed = {}
    for name, line in lines.items():
        output = "yaml" if name == "show" else "json"
        text = await in_environment(*line, "-o", output, target=target)
        printed[name] = list(yaml.safe_load_all(text)) if output == "yaml" else list(map(json.loads, text.splitlines()))
    assert printed["save"][0]["snapshot_path"]
    assert (printed["fork"][0]["id"], printed["fork"][0]["parent"]) == (f"{unique}-f", unique)
    assert printed["resume"] == [{"session_id": unique, "resumed": False, "revision": 2}]
    assert printed["templates show"][0]["name"] in {each["name"] for each in printed["templates"]}
    assert (printed["put"][0]["name"], printed["get"][0]["path"]) == ("b.txt", str(tmp_path / "c.txt"))
    assert [each["name"] for each in printed["artifacts"]] == ["a.txt", "b.txt"]
    assert printed["export"][0]["path"] == path
    assert printed["import"][0]["source_session_id"] == unique
    assert {each["id"] for each in printed["list"]} >= {unique, f"{unique}-f"}
    assert printed["show"][0]["session"]["id"] == unique
    assert printed["pools"][0]["size"] == 3
    assert {each["id"] for each in printed["cleanup"]} == {each["id"] for each in printed["list"]}
    assert printed["rm"][0]["session_id"] == unique


async def test_a_cancelled_request_for_programs(target, client, unique):
    session = await client.create_session(unique)

    async def work():
        async with session.track("work", request_id="r1"):
            begun.set()
            await asyncio.Event().wait()  # until it is taken away

    begun = asyncio.Event()
    working = asyncio.create_task(work())
    await begun.wait()
    done = await in_environment("cancel", unique, "r1", "--force", "-o", "json", target=target)
    assert json.loads(done) == {"session_id": unique, "request_id": "r1", "ended": True}
    with pytest.raises(sdk.LeaseLostError):
        await working
