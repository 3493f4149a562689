"""What the QA agent's session manager did on its command line, with `sojourn`: a test for each of its commands."""

import json
import re
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.command import sojourn


@pytest.fixture
def target(sojourn_server):
    return sojourn_server


@pytest.fixture
async def client(target):
    async with sdk.Client(target) as client:
        yield client


@pytest.fixture
async def session(client):
    """A session of a QA run."""
    session = await client.create_session(
        kind="qa-session", user_id=f"u{uuid4().hex[:12]}", metadata={"test_name": "my_test"}, state={"phase": "login"}
    )
    await session.record_step("open", status="passed", duration=0.5)
    await session.add_message("assistant", "the page is open")
    for number in range(3):
        await session.log(f"line {number}")
    return session


async def test_list(target, session):
    done = await sojourn("list", "--kind", "qa-session", "--user", session.info.user_id, target=target)
    assert done.code == 0, done.stderr
    (row,) = [line for line in done.lines if session.id in line]
    assert row.split()[1] == "active"


async def test_show(target, session):
    done = await sojourn("show", session.id, target=target)
    assert done.code == 0, done.stderr
    assert all(text in done.stdout for text in (session.id, 'test_name = "my_test"', 'phase = "login"', "passed"))


async def test_create_with_a_test_name_and_a_user_id(target, client):
    said = ("--kind", "qa-session", "--metadata", "test_name=my_test", "--user", "user1")
    done = await sojourn("create", *said, "--quiet", target=target)
    session_id = done.stdout.strip()
    assert re.fullmatch(r"qa-session-\d+-[0-9a-f]+", session_id), done.stderr
    info = (await client.get_session(session_id)).info
    assert (info.metadata, info.user_id) == ({"test_name": "my_test"}, "user1")


async def test_stats(target, session):
    await session.statistics()  # it counts from now on
    done = await sojourn("stats", "--kind", "qa-session", "--user", session.info.user_id, target=target)
    assert done.code == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.lines]
    assert "sessions 1 (1 active)" in rows
    assert "steps 1 passed, 0 failed, 0 skipped" in rows


async def test_cleanup_of_more_than_so_many_active_ones(target, client):
    project = f"p{uuid4().hex[:12]}"
    made = [(await client.create_session(kind="qa-session", project=project)).id for _ in range(4)]
    chosen = ("--kind", "qa-session", "--project", project, "--status", "active")
    done = await sojourn("cleanup", *chosen, "--keep-newest", "2", "--action", "abandon", target=target)
    assert done.stderr == "2 sessions abandoned\n"
    left = [each.id async for each in client.list_sessions(project=project, status="active")]
    assert len(left) == 2
    assert set(left) <= set(made)


async def test_cleanup_of_those_that_are_so_many_days_old(target, client):
    project = f"p{uuid4().hex[:12]}"
    await client.create_session(kind="qa-session", project=project)
    chosen = ("cleanup", "--kind", "qa-session", "--project", project, "--older-than")
    young = await sojourn(*chosen, "30d", "--yes", target=target)
    assert (young.code, young.stderr) == (0, "0 sessions deleted\n")
    old = await sojourn(*chosen, "1ms", "--yes", target=target)
    assert old.stderr == "1 session deleted\n"
    assert await client.count_sessions(project=project) == 0


@pytest.mark.parametrize("how", [["--output"], []], ids=["output", "file"])
async def test_export_to_a_json_file(target, session, tmp_path, how):
    path = tmp_path / "session.json"
    done = await sojourn("export", session.id, *how, str(path), target=target)
    assert done.code == 0, done.stderr
    document = json.loads(path.read_text())
    assert document["session"]["metadata"] == {"test_name": "my_test"}
    assert document["session"]["state"] == {"phase": "login"}
    assert [message["content"] for message in document["messages"]] == ["the page is open"]
    assert "step_finished" in [change["kind"] for event in document["events"] for change in event["changes"]]
    assert done.stdout.startswith(f"{path}: {session.id} at revision {session.revision}, ")
    assert [each.name for each in tmp_path.iterdir()] == ["session.json"]


async def test_the_last_lines_of_the_log(target, session):
    done = await sojourn("logs", session.id, "--lines", "2", target=target)
    assert [line.split(maxsplit=3)[3] for line in done.lines] == ["line 1", "line 2"]
