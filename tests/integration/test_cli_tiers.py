"""The `sojourn` program saves, resumes, forks and cleans up."""

import asyncio
import json
from uuid import uuid4

import pytest

import sojourn as sdk
from tests.support.command import sojourn
from tests.support.terminal import on_a_terminal


@pytest.fixture
async def client(server):
    async with sdk.Client(server.target) as client:
        yield client


@pytest.fixture
def unique():
    return f"t{uuid4().hex[:12]}"


async def test_save_resume_and_fork(server, client, unique):
    session = await client.create_session(unique, state={"n": 1})
    await session.set_state({"n": 2})
    saved = await sojourn("save", unique, target=server.target)
    assert saved.code == 0, saved.stderr
    assert "/snapshot-2-" in saved.stdout

    await session.complete()
    resumed = await sojourn("resume", unique, target=server.target)
    assert (resumed.code, resumed.stdout) == (0, f"{unique} is active again, at revision 4\n"), resumed.stderr
    again, forked, beyond, missing = await asyncio.gather(
        sojourn("resume", unique, target=server.target),
        sojourn("fork", unique, "--at", "1", "--id", f"{unique}-f", target=server.target),
        sojourn("fork", unique, "--at", "99", target=server.target),
        sojourn("fork", "none", target=server.target),
    )
    assert again.stdout == f"{unique} was active already, at revision 4\n"
    assert (forked.code, forked.stdout) == (0, f"{unique}-f\n"), forked.stderr
    assert (await client.get_session(f"{unique}-f")).info.state == {"n": 1}
    assert (beyond.code, "at_revision" in beyond.stderr, beyond.stdout) == (1, True, "")
    assert missing.code == 3


async def test_a_cleanup_where_nobody_can_be_asked(server, client, unique):
    for number in range(3):
        await client.create_session(f"{unique}-{number}", project=unique)
    chosen = ("cleanup", "--project", unique)
    would = await sojourn(*chosen, "--dry-run", "-o", "json", target=server.target)
    assert sorted(json.loads(line)["id"] for line in would.lines) == [f"{unique}-{number}" for number in range(3)]
    assert would.stderr == "3 sessions would be deleted\n"
    refused = await sojourn(*chosen, target=server.target)
    assert (refused.code, "--yes" in refused.stderr) == (2, True)
    assert await client.count_sessions(project=unique) == 3
    done = await sojourn(*chosen, "--keep-newest", "1", "--yes", target=server.target)
    assert (done.code, done.stderr) == (0, "2 sessions deleted\n")
    assert await client.count_sessions(project=unique) == 1


async def test_a_cleanup_on_a_terminal_asks(server, client, unique):
    await client.create_session(unique, project=unique)
    chosen = ("cleanup", "--project", unique)
    for answer, left in (("n\n", 1), ("y\n", 0)):
        async with on_a_terminal(*chosen, target=server.target) as terminal:
            await terminal.until_shown("Delete 1 session for ever?")
            terminal.press(answer)
            assert await terminal.end() == (1 if left else 0)
        assert await client.count_sessions(project=unique) == left
