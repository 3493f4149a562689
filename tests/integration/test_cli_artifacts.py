"""The `sojourn` program lists, puts and gets artifacts."""

import asyncio
import hashlib
import json
import os

import pytest
from click.testing import CliRunner

import sojourn as sdk
from sojourn.cli import main


@pytest.fixture
async def session(server, sid):
    async with sdk.Client(server.target) as client:
        yield await client.create_session(sid)


@pytest.fixture
def run(server, tmp_path, monkeypatch):
    """Runs `sojourn artifacts ...` in a directory of the test's own, beside the test's event loop."""
    monkeypatch.chdir(tmp_path)

    async def run(*arguments: str, stdin: bytes = b""):
        environment = {"SOJOURN_TARGET": server.target}
        return await asyncio.to_thread(
            CliRunner().invoke, main, ["artifacts", *arguments], input=stdin, env=environment
        )

    return run


async def test_put_list_and_get(run, session, tmp_path):
    data = os.urandom(3 << 20)
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "home.png").write_bytes(data)
    done = await run("put", session.id, "home.png", "--phase", "before", "--label", "browser=firefox", "--label", "n=")
    assert (done.exit_code, done.stdout) == (0, f"home.png 1 {digest}\n"), done.stderr
    done = await run("put", session.id, "-", "--name", "../log.txt", "--type", "text/x-log", stdin=b"some text")
    assert done.stdout.startswith("../log.txt 1 "), done.stderr

    table = await run(session.id)
    assert [line.split()[:3] for line in table.stdout.splitlines() if "/" in line] == [
        ["home.png", "1", "image/png"],
        ["../log.txt", "1", "text/x-log"],
    ]
    assert " browser=firefox n= " in table.stdout
    listed = await run("list", session.id, "--phase", "before", "--type", "image/*", "--newest", "-o", "json")
    (only,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (only["name"], only["sha256"], only["labels"]) == ("home.png", digest, {"browser": "firefox", "n": ""})
    none = await run("--name", "none", session.id)
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "no artifacts\n")

    taken = await run("get", session.id, "home.png")
    assert (taken.exit_code, taken.stdout) == (1, "")
    assert "home.png is there already" in taken.stderr
    done = await run("get", session.id, "home.png", "-o", "again.png", "--version", "1")
    assert done.stdout == f"again.png: version 1, {len(data):,} bytes\n", done.stderr
    assert (tmp_path / "again.png").read_bytes() == data
    assert (await run("get", session.id, "../log.txt", "-o", "-")).stdout == "some text"
    await run("get", session.id, "../log.txt")
    assert (tmp_path / "log.txt").read_text() == "some text"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again.png", "home.png", "log.txt"]


async def test_what_is_not_there(run, session):
    missing = await run("get", session.id, "none")
    assert missing.exit_code == 3
    assert f"`sojourn artifacts {session.id}` shows those there are" in missing.stderr
    assert (await run("nobody")).exit_code == 3
    assert (await run("put", session.id, "none")).exit_code == 2
